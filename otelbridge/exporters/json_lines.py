"""Files of JSON lines that grow, are rotated, and never hold more than they may.

One line a parcel, so that `tail -f` and `jq` can read along. Files are numbered; the highest is the one written to.
Lines are not flushed to disk one by one: the outbox forgets a parcel after it was written here, and a crash of the
machine, not of the process, may cost the last ones.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from otelbridge.core.component import Parcel
from otelbridge.core.errors import CannotStart, RetryLater
from otelbridge.exporters.sentry.compression import NONE, compressed

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_BEGINNING = b'{"id":"'
REMEMBERED = 10_000  # ids of the newest lines, so that a parcel that is delivered again is not written twice


def line(parcel: Parcel, now: float) -> bytes:
    """A parcel that holds an envelope, as one line: id, time, type, spans, and the envelope's header and payload.

    The payload is spliced in as it is, not parsed: it is JSON without line breaks already.
    """
    # Compressed parcels come from the exporter `sentry`, whose outbox the local store takes over when its DSN is gone.
    header, item, payload = compressed(parcel.body, NONE).split(b"\n", 2)
    return _BEGINNING + b'%b","time":%.3f,"category":"%b","spans":%d,"header":%b,"item":%b,"payload":%b}\n' % (
        parcel.id.encode(),
        now,
        parcel.category.encode(),
        parcel.spans,
        header,
        item,
        payload.rstrip(b"\n"),
    )


_IN_USE: WeakValueDictionary[tuple[Path, str], JsonLines] = WeakValueDictionary()


def shared(folder: Path, name: str, file_bytes: int, files: int) -> JsonLines:
    """The one writer of these files in this process, for as long as somebody has it.

    Exporters of two pipelines may be told the same path: two writers would delete files under each other's hands.
    Raises CannotStart if they are told different bounds.
    """
    key = (folder.absolute(), name)
    writer = _IN_USE.get(key)
    if writer is None:
        _IN_USE[key] = writer = JsonLines(folder, name, file_bytes, files)
    if (writer._file_bytes, writer._files) != (file_bytes, files):
        raise CannotStart(f"{folder / name} is written by two exporters with different bounds")
    return writer


class JsonLines:
    """Appends lines to `NAME.NUMBER.jsonl` in a folder; thread-safe.

    Args:
        folder: created with mode 0700.
        name: what the files begin with.
        file_bytes: a file is complete at this size.
        files: how many are kept; the oldest is deleted when there are more.
    """

    def __init__(self, folder: Path, name: str, file_bytes: int, files: int) -> None:
        self._folder = folder
        self._name = name
        self._file_bytes = file_bytes
        self._files = files
        self._lock = threading.Lock()
        self._descriptor = -1
        self._size = 0
        self._may_be_too_many = True
        self._recent: dict[str, None] = {}

    def append(self, parcel: Parcel, now: float) -> list[Path]:
        """Write a parcel unless it was written just before; returns complete files that are one too many.

        The caller deletes those, after it has counted what is in them. Raises RetryLater when the disk is full.
        """
        with self._lock:
            if parcel.id in self._recent:
                return []
            data = line(parcel, now)
            try:
                surplus = self._make_room(len(data))
                self._write(data)
            except OSError as error:
                raise RetryLater(f"cannot write to {self._folder}: {error.strerror or error}") from error
            self._remember([parcel.id])
            return surplus

    def paths(self) -> list[Path]:
        """The files, oldest first."""
        numbered = []
        for path in self._folder.glob(f"{self._name}.*.jsonl"):
            with suppress(ValueError):
                numbered.append((int(path.name.split(".")[-2]), path))
        return [path for _, path in sorted(numbered)]

    def close(self) -> None:
        """Close the file; the next line goes on where it ended, if another user of the writer has one."""
        with self._lock:
            self._close()
            self._size = 0

    def _remember(self, ids: Iterable[str]) -> None:
        for one in ids:
            self._recent[one] = None
            if len(self._recent) > REMEMBERED:
                del self._recent[next(iter(self._recent))]

    def _make_room(self, size: int) -> list[Path]:
        if self._descriptor >= 0 and self._size and self._size + size > self._file_bytes:
            self._close()
        if self._descriptor < 0:
            self._open()
            self._may_be_too_many = True
        if not self._may_be_too_many:
            return []
        paths = self.paths()
        surplus = paths[: max(0, len(paths) - self._files)]
        self._may_be_too_many = bool(surplus)  # they may resist deletion: look again with the next line
        return surplus

    def _open(self) -> None:
        self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        paths = self.paths()
        newest = paths[-1] if paths else None
        number = int(newest.name.split(".")[-2]) if newest else 0
        if newest is None or newest.stat().st_size >= self._file_bytes or self._size:
            number += 1
        path = self._folder / f"{self._name}.{number}.jsonl"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        self._size = os.fstat(self._descriptor).st_size
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            self._size += os.write(self._descriptor, b"\n")  # a torn line of a process that was killed
        if self._size:
            self._remember(_id(text) for text in read_lines(path))

    def _write(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written < len(data):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(28, "No space left on device")
        self._size += written

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _id(text: bytes) -> str:
    """The id of a line, which begins with it."""
    return text[len(_BEGINNING) :].partition(b'"')[0].decode(errors="replace")


def check_writable(folder: Path, what: str) -> None:
    """Raise CannotStart if the folder cannot be made or written to."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"{what}: cannot write to {folder}: {(error.strerror or str(error)).lower()}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CannotStart(f"{what}: cannot write to {folder}: permission denied")


def read_lines(path: Path) -> Iterator[bytes]:
    """The complete lines of a file, oldest first."""
    with path.open("rb") as file:
        for text in file:
            if text.endswith(b"}\n"):
                yield text

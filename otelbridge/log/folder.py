"""A folder that belongs to one process and its user.

Raw payloads hold what users typed, so nobody else may look inside; and two daemons that append to the same files would
give the same sequence number to different requests. The lock is `flock`: the kernel lets go of it when the process
ends, however it ends, so that a kill -9 leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from otelbridge.core.errors import CannotStart

LOCK_NAME = "lock"
FOLDER_MODE = 0o700
FILE_MODE = 0o600
PID_BYTES = 20


class PrivateFolder:
    """Creates the folder if need be, makes it private and keeps it locked until `close`.

    Raises:
        CannotStart: it cannot be written, or another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _prepare(path)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, PID_BYTES, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise CannotStart(f"{path} is in use by another otelbridge (pid {owner})") from None
        # The pid is for the message above alone; on a full disk the message says "unknown".
        with suppress(OSError):
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, str(os.getpid()).encode("ascii"), 0)

    def close(self) -> None:
        """Let go of the lock; closing twice is harmless."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _prepare(path: Path) -> int:
    """The open lock file of a folder that exists, is private and can be written."""
    try:
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        # A mounted volume may belong to somebody else and still be ours to write.
        with suppress(PermissionError):
            path.chmod(FOLDER_MODE)
        if not os.access(path, os.W_OK | os.X_OK):
            raise CannotStart(f"cannot write to {path}: permission denied")
        return os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise CannotStart(f"cannot write to {path}: {(error.strerror or str(error)).lower()}") from error

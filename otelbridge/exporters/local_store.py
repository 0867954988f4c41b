"""Exporter `local_store`: keeps what Sentry would get in the data folder, within a bound.

It takes the place of `sentry` where no DSN is configured, so that a first try needs no account. The oldest file is
deleted when the bound is reached; the spans in it count as `evicted`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from pydantic import Field

from otelbridge.core.component import ComponentConfig, ComponentSpec, Encoded, Exporter, Kept, Kind, Parcel
from otelbridge.core.errors import RetryLater
from otelbridge.exporters.file import local_encoder
from otelbridge.exporters.json_lines import JsonLines, read_lines

MIB = 2**20
FILES = 16  # the bound is kept by deleting one of them
NAME = "envelopes"
DESTINATION = "local store"


class LocalStoreConfig(ComponentConfig):
    """Settings of the exporter `local_store`."""

    max_mib: int = Field(default=256, ge=16)
    """Bound in MiB. When it is reached the oldest sixteenth is deleted."""


class StoredEnvelope(msgspec.Struct, frozen=True):
    """One line of the store.

    Attributes:
        id: of the event.
        time: when it was stored, seconds since the epoch.
        category: transaction or error.
        spans: of the transaction.
        payload: the transaction or event, as Sentry would get it.
    """

    id: str
    time: float
    category: str
    spans: int
    payload: dict[str, Any]


class _Spans(msgspec.Struct):
    spans: int


class LocalStore(Exporter):
    """Writes kept traces to the data folder."""

    def __init__(self, config: LocalStoreConfig, data_directory: str) -> None:
        self.evicted_spans = 0
        self._folder = folder(data_directory)
        self._encoder = local_encoder(DESTINATION)
        self._lines = JsonLines(self._folder, NAME, config.max_mib * MIB // FILES, FILES)

    @property
    def destination(self) -> str:
        """The folder."""
        return str(self._folder)

    def encode(self, kept: Kept) -> Encoded:
        """One parcel an envelope."""
        return self._encoder.encode(kept)

    def deliver(self, parcel: Parcel, now: float) -> tuple[()]:
        """Store the envelope. Raises RetryLater when the disk is full."""
        for oldest in self._lines.append(parcel, now):
            try:
                spans = sum(msgspec.json.decode(text, type=_Spans).spans for text in read_lines(oldest))
                oldest.unlink(missing_ok=True)
            except (OSError, msgspec.DecodeError) as error:
                raise RetryLater(f"cannot delete {oldest}: {error}") from error
            self.evicted_spans += spans
        return ()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def folder(data_directory: str) -> Path:
    """Where the store of a pipeline's folder is."""
    return Path(data_directory) / "local_store"


def envelopes(data_directory: str) -> Iterator[StoredEnvelope]:
    """What is stored in a pipeline's folder, newest first; a line that cannot be read is left out."""
    for path in reversed(JsonLines(folder(data_directory), NAME, 1, 1).paths()):
        for text in reversed(list(read_lines(path))):
            with suppress(msgspec.DecodeError):
                yield msgspec.json.decode(text, type=StoredEnvelope)


SPEC: ComponentSpec[LocalStore] = ComponentSpec(
    kind=Kind.EXPORTER,
    name="local_store",
    config=LocalStoreConfig,
    build=lambda config, context: LocalStore(config, context.data_directory),
    summary="Keeps what Sentry would get in the data folder, within a bound",
)

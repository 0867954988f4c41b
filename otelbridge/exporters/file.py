"""Exporter `file`: what Sentry would get, as JSON lines in a file that is rotated.

One line a transaction, error event or finding: {"id", "time", "category", "spans", "header", "item", "payload"}, where
header, item and payload are those of the Sentry envelope. So one format has to be known, and a line can be sent later.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from otelbridge.core.component import (
    ComponentConfig,
    ComponentSpec,
    Encoded,
    Exporter,
    Kept,
    Kind,
    Parcel,
)
from otelbridge.core.errors import RetryLater
from otelbridge.exporters.json_lines import check_writable, shared
from otelbridge.exporters.sentry.encoder import SentryEncoder

MIB = 2**20
SECONDS_PER_DAY = 86_400
DESTINATION = "file"
MAX_SPANS = 1000
MAX_ERRORS = 100


class FileConfig(ComponentConfig):
    """Settings of the exporter `file`."""

    path: str = Field(min_length=1)
    """Folder and beginning of the files' names: `/var/log/otelbridge/traces` writes `traces.1.jsonl`,
    `traces.2.jsonl` and so on in `/var/log/otelbridge`."""

    max_file_mib: int = Field(default=100, ge=1)
    """A file is complete at this size in MiB; then the next one is begun."""

    max_files: int = Field(default=10, ge=1)
    """How many files are kept. The oldest is deleted when there are more."""


class FileExporter(Exporter):
    """Writes kept traces to files."""

    def __init__(self, config: FileConfig) -> None:
        path = Path(config.path)
        self._config = config
        self._encoder = local_encoder(DESTINATION)
        self._lines = shared(path.parent, path.name, config.max_file_mib * MIB, config.max_files)

    @property
    def destination(self) -> str:
        """The path."""
        return self._config.path

    def start(self) -> None:
        """Raise CannotStart if the folder cannot be written."""
        check_writable(Path(self._config.path).parent, "exporter file")

    def encode(self, kept: Kept) -> Encoded:
        """One parcel a line."""
        return self._encoder.encode(kept)

    def deliver(self, parcel: Parcel, now: float) -> tuple[()]:
        """Append the line; the oldest file goes when there are too many. Raises RetryLater when the disk is full."""
        for surplus in self._lines.append(parcel, now):
            try:
                surplus.unlink(missing_ok=True)
            except OSError as error:
                raise RetryLater(f"cannot delete {surplus}: {error.strerror}") from error
        return ()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def local_encoder(destination: str) -> SentryEncoder:
    """An encoder of envelopes that stay on this machine: no key, no project, no age limit but a year."""
    return SentryEncoder(
        lambda _resource: destination,
        {},
        max_spans=MAX_SPANS,
        max_age_seconds=365 * SECONDS_PER_DAY,
        max_errors=MAX_ERRORS,
    )


SPEC: ComponentSpec[FileExporter] = ComponentSpec(
    kind=Kind.EXPORTER,
    name="file",
    config=FileConfig,
    build=lambda config, _context: FileExporter(config),
    summary="Writes what Sentry would get as JSON lines, rotated",
)

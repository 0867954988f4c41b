"""What was billed in recent traces, for the spans that come after their trace was decided.

A late span may be a second look at a call that is paid for: the outer span of the call, the span of a second
instrumentation, or the very same span sent again. Only traces with calls are remembered, about 200 bytes a call.
"""

from __future__ import annotations

from io import BytesIO

import polars as pl

from otelbridge.core import schema
from otelbridge.core.schema import DType

OWN, ABOVE, REPORT = 1, 2, 3
"""Why a span is remembered: it is a call; it was not seen but lies above a call; it reports a call."""

OWNERS = ("user", "project", "conversation")

ROWS: dict[str, DType] = {
    schema.TRACE_ID: pl.UInt128,
    schema.SPAN_ID: pl.UInt64,
    "why": pl.UInt8,
    "response_id": pl.String,
    **dict.fromkeys(OWNERS, pl.String),
}
"""One row a remembered span: OWN, ABOVE or REPORT; whom a call belongs to."""

CHUNKS = 8  # of the capacity; what is full is packed once and leaves whole


class _Chunk:
    """Some traces that were remembered one after another."""

    def __init__(self, frames: list[pl.DataFrame]) -> None:
        self.frames = frames
        self.traces = {key for frame in frames for key in frame[schema.TRACE_ID].hash().to_list()}
        self._packed = b""

    def add(self, rows: pl.DataFrame, traces: set[int]) -> None:
        self.frames.append(rows)
        self.traces |= traces
        self._packed = b""

    def packed(self) -> bytes:
        if not self._packed:
            self.frames = [pl.concat(self.frames)]
            self._packed = packed(self.frames[0])
        return self._packed


def packed(rows: pl.DataFrame) -> bytes:
    """Rows as bytes, for `unpacked`."""
    buffer = BytesIO()
    rows.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def unpacked(state: bytes) -> pl.DataFrame:
    """What was packed; raises PolarsError."""
    return pl.read_ipc(BytesIO(state))


class BilledTraces:
    """The latest traces with calls: at least `capacity` of them, an eighth more at most."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._chunks: list[_Chunk] = []
        self._count = 0
        self.latest: list[pl.DataFrame] = []
        """What was added since whoever saves it cleared this list; whole frames, because chunks end between them."""

    def knows_any(self, traces: set[int]) -> bool:
        """Whether any of these traces (as `Lineage.trace` stands for them) is remembered."""
        return not all(chunk.traces.isdisjoint(traces) for chunk in self._chunks)

    def of(self, trace_ids: pl.Series) -> pl.DataFrame:
        """What is remembered of traces; columns as ROWS, oldest first."""
        frames = [frame for chunk in self._chunks for frame in chunk.frames]
        if not frames:
            return pl.DataFrame(schema=ROWS)
        return pl.concat(frames).filter(pl.col(schema.TRACE_ID).is_in(trace_ids.unique().implode()))

    def remember(self, rows: pl.DataFrame, traces: set[int]) -> None:
        """Add rows (columns as ROWS) of these traces."""
        if not self._chunks or len(self._chunks[-1].traces) * CHUNKS >= self._capacity:
            self._chunks.append(_Chunk([]))
        newest = self._chunks[-1]
        self._count -= len(newest.traces)
        newest.add(rows, traces)
        self._count += len(newest.traces)
        while self._count - len(self._chunks[0].traces) >= self._capacity:
            self._count -= len(self._chunks.pop(0).traces)
        self.latest.append(rows)

    def remember_again(self, rows: pl.DataFrame, lengths: list[int]) -> None:
        """Add what was in `latest` elsewhere, in frames of these lengths."""
        start = 0
        for length in lengths:
            part = rows.slice(start, length)
            self.remember(part, set(part[schema.TRACE_ID].hash().to_list()))
            start += length

    def save(self) -> list[bytes]:
        """The chunks, oldest first."""
        return [chunk.packed() for chunk in self._chunks]

    def load(self, saved: list[bytes]) -> None:
        """Take over what `save` gave."""
        self._chunks = [_Chunk([unpacked(chunk)]) for chunk in saved]
        self._count = sum(len(chunk.traces) for chunk in self._chunks)

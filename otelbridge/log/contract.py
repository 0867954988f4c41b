"""What a log is: the ordered, durable record of every request that was acknowledged.

A task owns one log. Its receivers append, the task reads in order and, when nothing undecided is left in the oldest
records, lets them go. Append times never decrease, because they are the clock of everything behind the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from otelbridge.core.errors import StateUnreadable


@dataclass(frozen=True, slots=True)
class Record:
    """One acknowledged request.

    Attributes:
        sequence: 1, 2, 3 ... without gaps, over restarts too.
        time: append time in seconds since the epoch; never decreases with the sequence.
        payload: the bytes of an ExportTraceServiceRequest.
    """

    sequence: int
    time: float
    payload: bytes


class RecordsLost(StateUnreadable):
    """Records are damaged or missing.

    Attributes:
        resume_after: reading goes on after this sequence; what lies before it is lost to this daemon.
    """

    def __init__(self, reason: str, resume_after: int) -> None:
        super().__init__(reason)
        self.resume_after = resume_after


class Log(Protocol):
    """Append from one thread, read and trim from another."""

    def append(self, payloads: Sequence[bytes], now: float) -> list[Record]:
        """Make the payloads durable, all or none, in one transaction, stamped max(now, last time, advanced time).

        Raises RetryLater when the log holds as many bytes as it may, or the disk is full; nothing is kept then.
        """
        ...

    def read(self, after: int, max_bytes: int) -> list[Record]:
        """The records that follow `after`, in order, up to `max_bytes` of payload (at least one if there is any).

        Raises RecordsLost when the next one cannot be had any more, RetryLater when it cannot be had now.
        """
        ...

    def advance(self, now: float, position: int) -> float | None:
        """Promise that records appended from here on are stamped with at least the returned time.

        Only for a reader that has got everything up to `position`: returns max(now, last time) when that is the last
        record, else None (and promises nothing).
        """
        ...

    def trim(self, low_watermark: int) -> None:
        """Forget records with a sequence below `low_watermark`, as far as that is cheap (whole segments)."""
        ...

    def close(self) -> None:
        """Close files. A log that was not closed loses nothing."""
        ...

    @property
    def first_sequence(self) -> int:
        """The oldest record still held; last_sequence + 1 when there is none."""
        ...

    @property
    def last_sequence(self) -> int:
        """The newest record's sequence; 0 before the first."""
        ...

    @property
    def used_bytes(self) -> int:
        """Bytes held, as counted against the capacity."""
        ...

    @property
    def capacity_bytes(self) -> int:
        """The bound."""
        ...

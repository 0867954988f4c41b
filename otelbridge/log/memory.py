"""A log in memory, for those who may not write payloads to disk: what was acknowledged is lost with the process."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from otelbridge.core.errors import RetryLater
from otelbridge.log.clock import LogClock
from otelbridge.log.contract import Record
from otelbridge.log.tail import Tail


class MemoryLog:
    """Keeps `contract.Log`. Memory: the payloads plus about 200 bytes a record.

    Args:
        capacity_bytes: how many bytes of payload it may hold.
        initial_time: records are stamped with at least this time, seconds since the epoch.
        initial_sequence: records are numbered from the one after it.
    """

    def __init__(self, capacity_bytes: int, initial_time: float = 0.0, initial_sequence: int = 0) -> None:
        self.capacity_bytes = capacity_bytes
        self._records = Tail(capacity_bytes, initial_sequence)
        self._clock = LogClock(initial_time, initial_sequence)
        self._lock = threading.Lock()

    def append(self, payloads: Sequence[bytes], now: float) -> list[Record]:
        """See `Log.append`."""
        with self._lock:
            used = self._records.used_bytes
            if used + sum(map(len, payloads)) > self.capacity_bytes:
                raise RetryLater(f"the log is full: it holds {used} of {self.capacity_bytes} bytes")
            time = self._clock.begin_append(now)
            start = self._records.last_sequence + 1
            records = [Record(sequence, time, payload) for sequence, payload in enumerate(payloads, start)]
            self._records.extend(records)
            self._clock.end_append(self._records.last_sequence)
            return records

    def read(self, after: int, max_bytes: int) -> list[Record]:
        """See `Log.read`."""
        with self._lock:
            return self._records.take(max(after, self._records.first_sequence - 1), max_bytes)

    def advance(self, now: float, position: int) -> float | None:
        """See `Log.advance`."""
        with self._lock:
            return self._clock.advance(now, position)

    def trim(self, low_watermark: int) -> None:
        """See `Log.trim`; here every record that may go goes."""
        with self._lock:
            self._records.forget_before(low_watermark)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._records.forget_before(self._records.last_sequence + 1)

    @property
    def first_sequence(self) -> int:
        """See `Log.first_sequence`."""
        with self._lock:
            return self._records.first_sequence

    @property
    def last_sequence(self) -> int:
        """See `Log.last_sequence`."""
        return self._records.last_sequence

    @property
    def used_bytes(self) -> int:
        """Payload bytes held."""
        return self._records.used_bytes

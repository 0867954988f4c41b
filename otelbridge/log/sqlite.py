"""The log on disk: a chain of SQLite segment files, of which the newest is appended to and the oldest are deleted.

Files of a segment are named after its first sequence, so that numbering goes on over restarts even when everything was
trimmed, and so that a missing or damaged segment shows as a gap instead of passing for the end of the log.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from otelbridge.core.errors import CannotStart, RetryLater
from otelbridge.log.clock import LogClock
from otelbridge.log.contract import Record, RecordsLost
from otelbridge.log.folder import PrivateFolder
from otelbridge.log.segment import create_segment, find_segments, is_blank, is_damage
from otelbridge.log.segment_reader import SegmentReader, Stretch
from otelbridge.log.segment_writer import SegmentWriter, Synchronous, appended_bytes
from otelbridge.log.tail import Tail

MIB = 2**20
SEGMENT_BYTES = 64 * MIB  # what is freed at a time; recovering one after a kill -9 takes about 50 ms
SEGMENTS_IN_CAPACITY = 4  # with fewer the newest, which is never deleted, could fill the log for ever
TAIL_BYTES = 16 * MIB  # a reader that is further behind reads from the disk
FOLD_RATIO = 4  # small commits rewrite a page for each; one 160 kB request a commit takes twice its packed size
SMALLEST_RECORD_BYTES = 12  # header, number, time: what a record takes in a file at the very least


class SqliteLog:
    """Keeps `contract.Log` on disk, over kill -9 at any moment and, with synchronous="full", over power cuts.

    Args:
        directory: created if need be, made private, and locked for this process.
        capacity_bytes: bound of all files; 1 MiB at least.
        segment_bytes: size at which a new segment is begun; at most a quarter of the capacity.
        synchronous: see `segment_writer.Synchronous`.
        initial_time: records are stamped with at least this time, seconds since the epoch.
        initial_sequence: records are numbered from the one after it, at least: what the reader has a checkpoint of,
            in case a power cut took records that had been read.

    Raises:
        CannotStart: the folder cannot be written, or another process uses it.
        StateUnreadable: a later version wrote the newest segment.
    """

    def __init__(
        self,
        directory: Path,
        capacity_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        synchronous: Synchronous = "normal",
        initial_time: float = 0.0,
        initial_sequence: int = 0,
    ) -> None:
        self.capacity_bytes = capacity_bytes
        self._segment_bytes = min(segment_bytes, capacity_bytes // SEGMENTS_IN_CAPACITY)
        self._synchronous = synchronous
        self._lock = threading.Lock()
        self._reader = SegmentReader()
        self._folder = PrivateFolder(directory)
        try:
            self._segments = find_segments(directory)
            self._writer = self._open_newest()
        except (sqlite3.Error, OSError) as error:
            self._folder.close()
            raise CannotStart(f"cannot open the log in {directory}: {error}") from error
        except BaseException:
            self._folder.close()
            raise
        last = max(self._last_on_disk(), initial_sequence)
        self._tail = Tail(min(TAIL_BYTES, capacity_bytes), last)
        self._clock = LogClock(max(initial_time, self._writer.last_time if self._writer else 0.0), last)

    # appending

    def append(self, payloads: Sequence[bytes], now: float) -> list[Record]:
        """See `Log.append`."""
        if not payloads:
            return []
        with self._lock:
            time = self._clock.begin_append(now)
            start = self._tail.last_sequence + 1
        records = [Record(sequence, time, payload) for sequence, payload in enumerate(payloads, start)]
        written = False
        try:
            self._write(records)
            written = True
        finally:
            with self._lock:
                if written:
                    self._tail.extend(records)
                self._clock.end_append(self._tail.last_sequence)
        return records

    def _write(self, records: Sequence[Record]) -> None:
        try:
            writer = self._writer_with_room(records)
            writer.append(records)
        except (sqlite3.Error, OSError) as error:
            if is_damage(error):
                self._abandon_writer()
            raise RetryLater(f"cannot write to the log: {error}") from error

    def _writer_with_room(self, records: Sequence[Record]) -> SegmentWriter:
        writer = self._writer
        if writer is None or self._is_finished(writer):
            writer = self._begin_segment()
        used = self.used_bytes
        if used + appended_bytes(records) > self.capacity_bytes:
            raise RetryLater(f"the log is full: it holds {used} of {self.capacity_bytes} bytes")
        return writer

    def _is_finished(self, writer: SegmentWriter) -> bool:
        if writer.segment.is_damaged or self._tail.last_sequence != writer.last_sequence:
            return True
        if writer.segment.size_bytes < self._segment_bytes:
            return False
        if writer.body_bytes * FOLD_RATIO < self._segment_bytes:
            writer.fold()
        return writer.segment.size_bytes >= self._segment_bytes

    def _begin_segment(self) -> SegmentWriter:
        segment = create_segment(self._folder.path, self._tail.last_sequence + 1, self._clock.time)
        try:
            writer = SegmentWriter(segment, self._synchronous)
        except BaseException:
            segment.delete()
            raise
        self._abandon_writer()
        with self._lock:
            self._segments.append(segment)
        self._writer = writer
        return writer

    def _abandon_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # reading

    def read(self, after: int, max_bytes: int) -> list[Record]:
        """See `Log.read`."""
        with self._lock:
            if self._tail.holds_after(after):
                self._tail.forget_before(after + 1)
                return self._tail.take(after, max_bytes)
            stretches = self._stretches(after)
        try:
            return self._reader.read(stretches, after, max_bytes)
        except RecordsLost:
            self._set_damaged_aside()
            raise

    def _stretches(self, after: int) -> list[Stretch]:
        ends = [segment.first - 1 for segment in self._segments[1:]] + [self._tail.last_sequence]
        found = zip(self._segments, ends, strict=True) if self._segments else ()
        return [Stretch(segment, end) for segment, end in found if end > after]

    def _set_damaged_aside(self) -> None:
        with self._lock:
            for segment in self._segments[:-1]:  # the newest is still appended to; that waits until it is trimmed
                if segment.is_damaged:
                    with suppress(OSError):
                        segment.set_aside()

    def advance(self, now: float, position: int) -> float | None:
        """See `Log.advance`."""
        with self._lock:
            return self._clock.advance(now, position)

    def trim(self, low_watermark: int) -> None:
        """See `Log.trim`."""
        with self._lock:
            self._tail.forget_before(low_watermark)
            passed = [
                segment
                for segment, following in zip(self._segments, self._segments[1:], strict=False)
                if following.first <= low_watermark
            ]
        for segment in passed:
            self._reader.let_go(segment)
            try:
                if segment.is_damaged:
                    segment.set_aside()
                elif not segment.is_set_aside:
                    segment.delete()
            except OSError:  # it stays in the chain, counts, and is tried again with the next trim
                return
            with self._lock:
                self._segments.remove(segment)

    # opening and closing

    def close(self) -> None:
        """See `Log.close`."""
        self._reader.close()
        self._abandon_writer()
        self._folder.close()

    def _open_newest(self) -> SegmentWriter | None:
        """The newest segment for appending; None when there is none, or it is damaged."""
        while self._segments and not self._segments[-1].is_set_aside:
            newest = self._segments[-1]
            try:
                if not is_blank(newest):
                    return SegmentWriter(newest, self._synchronous)
                newest.delete()
                self._segments.pop()
            except (sqlite3.Error, OSError) as error:
                if not is_damage(error):
                    raise
                newest.set_aside()
        return None

    def _last_on_disk(self) -> int:
        if self._writer is not None:
            return self._writer.last_sequence
        if self._segments:  # damaged: whatever it may have held, its numbers are not used again
            newest = self._segments[-1]
            return newest.first - 1 + newest.size_bytes // SMALLEST_RECORD_BYTES
        return 0

    # how much there is

    @property
    def first_sequence(self) -> int:
        """See `Log.first_sequence`; segments that were set aside do not count."""
        with self._lock:
            readable = (segment.first for segment in self._segments if not segment.is_set_aside)
            return next(readable, self._tail.last_sequence + 1)

    @property
    def last_sequence(self) -> int:
        """See `Log.last_sequence`."""
        return self._tail.last_sequence

    @property
    def used_bytes(self) -> int:
        """Size of all files but those that were set aside."""
        with self._lock:
            return sum(segment.size_bytes for segment in self._segments if not segment.is_set_aside)

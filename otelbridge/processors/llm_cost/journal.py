"""The state in parts: what was billed since the last checkpoint, and all of it in every sixteenth.

A checkpoint is taken each second, and in a second few of the traces that are remembered are new. A restart takes the
whole as it was saved last and bills the calls of the journals after it again, so that the result is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import polars as pl

from otelbridge.core.errors import StateUnreadable
from otelbridge.processors.llm_cost.billed_traces import BilledTraces, packed, unpacked
from otelbridge.processors.llm_cost.spending import Spending

JOURNALS = 16  # between two wholes, as trackers do: a whole of 600 kB is then 40 kB a checkpoint
LONGEST = 50_000  # calls in memory that nobody saved; more are in the next whole only
WHOLE = "whole"


class _Journal(msgspec.Struct, array_like=True):
    """Rows of `BilledTraces` and the lengths of the frames they came in, what users spent, and all counters."""

    lengths: list[int]
    rows: bytes
    users: list[str | None]
    days: list[int]
    usd: list[float]
    events: dict[str, int]


class Journals:
    """Which parts there are, and what is in none of them yet."""

    def __init__(self, billed: BilledTraces, spending: Spending) -> None:
        self._billed = billed
        self._spending = spending
        self._count = 0
        self._has_whole = False
        self._users: list[str | None] = []
        self._days: list[int] = []
        self._usd: list[float] = []
        self._is_saved = True

    def note(self, users: Sequence[str | None], days: Sequence[int], usd: Sequence[float]) -> None:
        """What was added to `Spending`, at each batch that changed anything."""
        self._users += users
        self._days += days
        self._usd += usd
        if len(self._usd) > LONGEST:
            self._has_whole = False
            self._begin()
        self._is_saved = False

    def next(self, events: Mapping[str, int]) -> dict[str, bytes | None] | None:
        """The next journal; None when it is time for a whole."""
        if self._is_saved:
            return {}
        if not self._has_whole or self._count >= JOURNALS:
            return None
        frames = [rows for rows in self._billed.latest if rows.height]
        rows = packed(pl.concat(frames)) if frames else b""
        journal = _Journal([len(rows) for rows in frames], rows, self._users, self._days, self._usd, dict(events))
        self._count += 1
        self._begin()
        return {_name(self._count): msgspec.msgpack.encode(journal)}

    def whole(self, state: bytes) -> dict[str, bytes | None]:
        """The whole, in the place of all that was saved before."""
        parts: dict[str, bytes | None] = dict.fromkeys(_name(number + 1) for number in range(self._count))
        self._count = 0
        self._has_whole = True
        self._begin()
        return {**parts, WHOLE: state}

    def _begin(self) -> None:
        self._is_saved = True
        self._billed.latest.clear()
        self._users, self._days, self._usd = [], [], []

    def restore(self, parts: Mapping[str, bytes]) -> Mapping[str, int]:
        """Bring what the whole gave up to the journals, and return the counters; raises StateUnreadable."""
        events: Mapping[str, int] = {}
        while (part := parts.get(_name(self._count + 1))) is not None:
            try:
                journal = msgspec.msgpack.decode(part, type=_Journal)
                if journal.lengths:
                    self._billed.remember_again(unpacked(journal.rows), journal.lengths)
            except (msgspec.MsgspecError, pl.exceptions.PolarsError) as error:
                raise StateUnreadable(f"llm_cost: {error}") from error
            for _excess in self._spending.add(journal.users, journal.days, journal.usd):
                pass  # it was told when it was new
            events = journal.events
            self._count += 1
        self._begin()
        self._has_whole = WHOLE in parts
        return events

    def take_over(self) -> None:
        """The state is another now, of which nothing is saved in parts."""
        self._begin()
        self._has_whole = self._is_saved = False


def _name(number: int) -> str:
    return f"journal {number:02}"

"""What each user's calls cost on each day, to notice the one who costs too much.

Money is counted in whole billionths of a dollar, so that a sum does not depend on how its parts were grouped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

NANO = 1e9  # in one USD; the cheapest token there is costs several
LARGEST_TOTAL = 2**62  # billionths: four billion USD; what is stored must fit 64 bits


class Total(msgspec.Struct, array_like=True):
    """Billionths of a USD, calls, and whether the limit was noticed already."""

    nano_usd: int = 0
    calls: int = 0
    is_noticed: bool = False


@dataclass(frozen=True, slots=True)
class Excess:
    """A user's day over the limit, at the call that brought it there.

    Attributes:
        day: days since the epoch, UTC.
        usd: the sum up to and including the call.
        calls: how many calls that were.
        row: the call's row among those added.
    """

    user: str
    day: int
    usd: float
    calls: int
    row: int


class Spending:
    """Sums by user and day; about 300 bytes each, the least recently used leave first."""

    def __init__(self, limit_usd: float, max_totals: int) -> None:
        self._limit = round(limit_usd * NANO)
        self._max_totals = max_totals
        self._totals: OrderedDict[tuple[str, int], Total] = OrderedDict()
        self.forgotten = 0
        """Totals that left because there were too many."""

    def add(self, users: Sequence[str | None], days: Sequence[int], usd: Sequence[float]) -> Iterator[Excess]:
        """Add calls in their order; yields at most one Excess a user and day. Calls without a user are skipped."""
        for row, (user, day, cost) in enumerate(zip(users, days, usd, strict=True)):
            if user is None:
                continue
            key = (user, day)
            total = self._totals.get(key)
            if total is None:
                total = self._begin(key)
            else:
                self._totals.move_to_end(key)
            total.nano_usd = min(total.nano_usd + round(cost * NANO), LARGEST_TOTAL)
            total.calls += 1
            if total.nano_usd > self._limit and not total.is_noticed:
                total.is_noticed = True
                yield Excess(user, day, total.nano_usd / NANO, total.calls, row)

    def _begin(self, key: tuple[str, int]) -> Total:
        total = self._totals[key] = Total()
        if len(self._totals) > self._max_totals:
            self._totals.popitem(last=False)
            self.forgotten += 1
        return total

    def save(self) -> list[tuple[str, int, Total]]:
        """The totals, least recently used first; to be encoded before the next `add` changes them."""
        return [(user, day, total) for (user, day), total in self._totals.items()]

    def load(self, saved: list[tuple[str, int, Total]], forgotten: int) -> None:
        """Take over what `save` gave."""
        self.forgotten = forgotten
        self._totals = OrderedDict(((user, day), total) for user, day, total in saved)

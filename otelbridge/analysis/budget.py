"""Share a budget among keys so that the frequent pay for it and the rare stay visible.

After Honeycomb's dynsampler-go, EMAThroughput: traffic per key is averaged over intervals, and each key's share of the
budget grows with the logarithm of its traffic. A key with a thousand times the traffic gets some times the share, and a
key with less traffic than its share is kept whole; what it leaves goes to the others. Four differences: rates are
probabilities and not whole numbers, so that the budget is met and not only approached; keys are served from the rarest
to the most frequent, so that what the rare leave is always used; a key's first interval counts fully, as there is
nothing yet to average it with; and nothing changes between the borders of intervals, a burst only makes the next border
forget the average, so that the outcome does not depend on how traffic is cut into batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

WEIGHT = 0.5  # of the last interval in the average; dynsampler's default
AGE_OUT = 0.5  # an average below this is forgotten: two intervals after a single event; dynsampler's default
BURST = 2.0  # an interval with this much more traffic than the average ...
BURST_AFTER_INTERVALS = 3  # ... is a burst, once there is an average worth the name
OTHERS = b""
"""The key that all keys beyond the bound share."""
ONE = 1 << 20
"""Traffic is counted in these: whole numbers add up to the same sum in any order, fractions do not."""


def shares(traffic: Mapping[bytes, float], goal: float) -> dict[bytes, float]:
    """The probability with which to keep each key, so that `goal` is kept of all.

    Args:
        traffic: expected amount by key, each above 0.
        goal: how much to keep of it altogether, in the same unit, above 0.
    """
    if sum(traffic.values()) <= goal:
        return dict.fromkeys(traffic, 1.0)
    # Every key gets one event an interval, or as much of one as all can have.
    least = min(1.0, goal / len(traffic))
    logarithms = {key: math.log10(max(1.0, amount)) for key, amount in traffic.items()}
    ratio = goal / (sum(logarithms.values()) or 1.0)
    rates: dict[bytes, float] = {}
    unused = 0.0
    rarest_first = sorted(traffic.items(), key=lambda item: (item[1], item[0]))
    for served, (key, amount) in enumerate(rarest_first):
        own = logarithms[key] * ratio
        used = min(amount, max(least, own + unused / (len(traffic) - served)))
        unused += own - used
        rates[key] = used / amount
    return rates


class _State(msgspec.Struct, array_like=True):
    interval: int = -1
    learnt: int = 0
    averages: dict[bytes, float] = msgspec.field(default_factory=dict)
    counts: dict[bytes, int] = msgspec.field(default_factory=dict)
    rates: dict[bytes, float] = msgspec.field(default_factory=dict)


class EmaBudget:
    """Keeps the average traffic of each key, and what follows from it.

    State: about 100 bytes for each of `max_keys` keys and OTHERS, which the keys beyond them share.
    """

    def __init__(self, goal_per_interval: float, initial_rate: float, max_keys: int) -> None:
        """`initial_rate` is the probability for a key that no finished interval has seen."""
        self._goal = goal_per_interval
        self._initial_rate = initial_rate
        self._max_keys = max_keys
        self._state = _State()
        self._known: set[bytes] = set()

    def enter(self, interval: int) -> None:
        """Time is in this interval now; at the first call in another one rates are computed anew.

        Intervals without any traffic change nothing.
        """
        if interval == self._state.interval:
            return
        if self._state.counts:
            self._learn()
        self._state.interval = interval

    def count(self, key: bytes, amount: int) -> float:
        """Count traffic of a key, in 1 / ONE; the probability with which to keep it, the same all interval long."""
        if key not in self._known:
            if len(self._known) >= self._max_keys:
                key = OTHERS
            self._known.add(key)
        self._state.counts[key] = self._state.counts.get(key, 0) + amount
        return self._state.rates.get(key, self._initial_rate)

    def snapshot(self) -> bytes:
        """Everything known, mid-interval too."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` wrote."""
        self._state = msgspec.msgpack.decode(state, type=_State)
        self._known = self._state.averages.keys() | self._state.counts.keys()

    def _learn(self) -> None:
        state = self._state
        counts = {key: count / ONE for key, count in state.counts.items()}
        is_burst = state.learnt >= BURST_AFTER_INTERVALS and sum(state.counts.values()) / ONE >= BURST * math.fsum(
            state.averages.values()
        )
        averages = {}
        for key in sorted(self._known):  # sums of fractions depend on their order, and a set has none
            count = counts.get(key, 0.0)
            known = state.averages.get(key)
            average = count if known is None or is_burst else WEIGHT * count + (1 - WEIGHT) * known
            if average >= AGE_OUT:
                averages[key] = average
        state.averages = averages
        state.rates = shares(averages, self._goal) if averages else {}
        state.counts = {}
        state.learnt += 1
        self._known = set(averages)

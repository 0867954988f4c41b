"""What a detector says about a series."""

from __future__ import annotations

import math
from typing import Literal, NotRequired, TypedDict

Kind = Literal["alert", "recovery", "improvement", "info"]
Reason = Literal["new_normal", "weekend", "brief", "absorbed"]


class Event(TypedDict):
    """Something that happened to a series."""

    kind: Kind
    """alert: it became slower. recovery: it is as before. improvement: it became faster. info: see `reason`."""
    reason: NotRequired[Reason]
    """new_normal: the slower level is the baseline now. weekend: a level is back after two days. brief: after two
    minutes. absorbed: a change too small for an alert, or too uncertain, is the baseline now."""
    time: float
    """End of the block that showed it."""
    since: float
    """When it began: end of the last block before."""
    channel: str
    """median or p90: the quantile of the values that shows it."""
    baseline: float
    """What was normal of that quantile at this time of day, in the unit of the values."""
    recent: float
    """What it is now."""
    increase: float
    """Relative increase over the baseline: 0.3 is +30 %; negative when it fell."""
    change: float
    """The same in the unit of the values."""
    certainty: float
    """The change in standard errors."""


def event(kind: Kind, channel: str, time: float, since: float, normal: float, size: float, error: float) -> Event:
    """An event of levels: `normal`, and a change by `size` with a standard error."""
    baseline = math.exp(normal)
    recent = math.exp(normal + size)
    return {
        "kind": kind,
        "time": time,
        "since": since,
        "channel": channel,
        "baseline": baseline,
        "recent": recent,
        "increase": math.expm1(size),
        "change": recent - baseline,
        "certainty": abs(size) / error,
    }

"""From what a detector says to a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from otelbridge.analysis.identities import Identity, finding_key, known_keys, subject
from otelbridge.core.findings import Finding, readable
from otelbridge.core.measurements import ENVIRONMENT, INSTANCE, SERVICE
from otelbridge.trackers.capacity.open_alarms import Alarm
from otelbridge.trackers.capacity.settings import Limit

KIND = "capacity"
LIMIT = "_limit"  # the column that says where a series is full


def finding(
    said: Mapping[str, Any], identity: Identity, limit: Limit, example: Mapping[str, Any], now: float
) -> Finding:
    """Raised by an alert, resolved by anything else.

    Args:
        said: what the detector said.
        identity: of the series.
        limit: what it was measured against.
        example: trace_id, span_id and release of the last value, and `LIMIT`.
        now: log time.
    """
    is_alert = said["kind"] == "alert"
    told = {
        "unit": limit.unit,
        "limit": example[LIMIT],
        **{key: value for key, value in said.items() if key != "kind"},
    }
    return replace(
        _about(identity, limit, told, now),
        level="warning" if is_alert else "info",
        title=f"{_what(identity)} is filling up" if is_alert else f"{_what(identity)} has room again",
        trace_id=example["trace_id"],
        span_id=example["span_id"],
        release=example["release"] or "",
        state="raised" if is_alert else "resolved",
        summary=_summary(said),
    )


def _summary(said: Mapping[str, Any]) -> str:
    """How full, and how long it will take."""
    seconds = said.get("seconds_to_saturation")
    return f"{said['utilization']:.0%} full" + (f", {_long(seconds)} left" if seconds else "")


def _long(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} hours"


def gone(alarm: Alarm, limit: Limit, now: float) -> Finding:
    """The end of a finding about a series that was not heard of any more: nobody knows whether there is room again."""
    about = _about(alarm.identity, limit, {"time": alarm.heard}, now)
    return replace(about, title=f"{_what(alarm.identity)} is not heard of any more", state="resolved")


def _about(identity: Identity, limit: Limit, told: Mapping[str, Any], now: float) -> Finding:
    series = known_keys(identity)
    return Finding(
        kind=KIND,
        level="info",
        title="",
        key=finding_key(identity),
        time=now,
        tags={"measurement": limit.measurement, **series},
        contexts={KIND: readable({"measurement": limit.measurement, **told})},
        service=series.get(SERVICE, ""),
        environment=series.get(ENVIRONMENT, ""),
        instance=series.get(INSTANCE, ""),
    )


def _what(identity: Identity) -> str:
    return f"{identity[0]} {subject(identity)}".rstrip()

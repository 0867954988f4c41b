"""From what a detector says to a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelbridge.analysis.identities import Identity, finding_key, known_keys, subject
from otelbridge.core.findings import Finding, readable
from otelbridge.core.measurements import ENVIRONMENT, INSTANCE, SERVICE
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
    name, series = identity[0], known_keys(identity)
    is_alert = said["kind"] == "alert"
    what = f"{name} {subject(identity)}".rstrip()
    told = {
        "measurement": limit.measurement,
        "unit": limit.unit,
        "limit": example[LIMIT],
        **{key: value for key, value in said.items() if key != "kind"},
    }
    return Finding(
        kind=KIND,
        level="warning" if is_alert else "info",
        title=f"{what} is filling up" if is_alert else f"{what} has room again",
        key=finding_key(identity),
        time=now,
        tags={"measurement": limit.measurement, **series},
        contexts={KIND: readable(told)},
        trace_id=example["trace_id"],
        span_id=example["span_id"],
        service=series.get(SERVICE, ""),
        environment=series.get(ENVIRONMENT, ""),
        release=example["release"] or "",
        instance=series.get(INSTANCE, ""),
        state="raised" if is_alert else "resolved",
    )

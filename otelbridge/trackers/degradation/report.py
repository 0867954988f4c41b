"""From what a detector says to a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelbridge.analysis.identities import Identity, finding_key, known_keys, subject
from otelbridge.core.findings import Finding, readable
from otelbridge.core.measurements import ENVIRONMENT, INSTANCE, SERVICE

KIND = "degradation"

# How a measurement is called in a title; others go by their name.
_WORDS = {
    "db.query.duration": "Queries",
    "http.route.duration": "Requests",
    "llm.ttft": "First tokens",
    "llm.provider.latency": "Model calls",
    "mcp.call.duration": "Tool calls",
}
_CHANNELS = {"median": "became slower", "p90": "became slower in the slowest tenth"}
_ENDS = {
    "recovery": "are as fast as before",
    "improvement": "became faster",
    "info": "stay slower: this is the level to compare with from now on",
}


def finding(said: Mapping[str, Any], identity: Identity, unit: str, example: Mapping[str, Any], now: float) -> Finding:
    """The finding that a detector's word makes: raised by an alert, resolved by anything else.

    Args:
        said: what the detector said.
        identity: of the series.
        unit: the measurement's.
        example: trace_id, span_id and release of the last value.
        now: log time.
    """
    measurement, series = identity[0], known_keys(identity)
    is_alert = said["kind"] == "alert"
    what, which = _WORDS.get(measurement, measurement), subject(identity)
    change = _CHANNELS.get(str(said.get("channel")), "became slower") if is_alert else _ENDS[said["kind"]]
    told = {"measurement": measurement, "unit": unit, **{key: value for key, value in said.items() if key != "kind"}}
    return Finding(
        kind=KIND,
        level="warning" if is_alert else "info",
        title=f"{what}: {which} {change}" if which else f"{what} {change}",
        key=finding_key(identity),
        time=now,
        tags={"measurement": measurement, **series},
        contexts={KIND: readable(told)},
        trace_id=example["trace_id"],
        span_id=example["span_id"],
        service=series.get(SERVICE, ""),
        environment=series.get(ENVIRONMENT, ""),
        release=example["release"] or "",
        instance=series.get(INSTANCE, ""),
        state="raised" if is_alert else "resolved",
        summary=_summary(said, unit) if is_alert else "",
    )


def _summary(said: Mapping[str, Any], unit: str) -> str:
    """From which level to which."""
    unit = "" if unit == "1" else f" {unit}"
    return f"from {said['baseline']:.3g} to {said['recent']:.3g}{unit} ({said['increase']:+.0%})"

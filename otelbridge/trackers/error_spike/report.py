"""From what a detector says to a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelbridge.core.findings import Example, Finding, readable

KIND = "error_spike"

_ENDS = {
    "recovery": "are as rare as before",
    "improvement": "became rarer",
    "info": "stay frequent: this is normal now",
}


def finding(said: Mapping[str, Any], values: tuple[str | None, ...], example: Example, now: float) -> Finding:
    """Raised by an alert, resolved by anything else.

    Args:
        said: what the detector said.
        values: environment, service and class of error.
        example: the last failed operation of the class.
        now: log time.
    """
    environment, service, error_type = (value or "" for value in values)
    is_alert = said["kind"] == "alert"
    change = "spike" if is_alert else _ENDS[said["kind"]]
    told = {"service": service, "error_type": error_type, **{key: said[key] for key in said if key != "kind"}}
    return Finding(
        kind=KIND,
        level="error" if is_alert else "info",
        title=f"Errors of {service or 'a service'} {change}: {error_type}",
        key=(environment, service, error_type),
        time=now,
        tags={"error_type": error_type},
        contexts={KIND: readable(told)},
        trace_id=example.trace_id,
        span_id=example.span_id,
        service=service,
        environment=environment,
        release=example.release,
        state="raised" if is_alert else "resolved",
        summary=_summary(said) if is_alert else "",
    )


def _summary(said: Mapping[str, Any]) -> str:
    """How often, and how often normally."""
    rate, normal = (f"{share:.2%}" if share < 0.1 else f"{share:.0%}" for share in (said["rate"], said["baseline"]))
    return f"{rate} of its operations, normally {normal}"

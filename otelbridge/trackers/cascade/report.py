"""From what the detector says to a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelbridge.core.findings import Example, Finding, State, readable

KIND = "cascade"
MAX_LISTED = 3  # services in a line of text
MAX_SHOWN = 50  # services and calls in a finding; a context has room for 7,000 bytes

_STATES: Mapping[str, State] = {"alert": "raised", "info": "updated", "recovery": "resolved"}


def finding(said: Mapping[str, Any], example: Example, now: float) -> Finding:
    """Raised by an alert, updated while it grows, resolved when nobody fails any more or another root is found.

    The root is part of the key, because an issue for each root is what people mute and assign: a cascade of the
    database must not end in the muted issue of the service that was named first. So a root that turns out to be another
    one ends the finding, whose last words name the other, and the same cascade is raised again under the right name, at
    once, where an update would have to wait its minute.
    """
    state = _STATES[said["kind"]]
    root, services = said["root"], said["services"]
    first = min(said["first_failures"].values(), default=said["start"])
    details = {
        "root": root,
        "root_before": said["root_before"],
        "root_now": said["root_now"],
        "services": services[:MAX_SHOWN],
        "count": len(services),
        "first_to_fail": said["trigger"],
        "seconds_after_first": {
            name: since - first for name, since in list(said["first_failures"].items())[:MAX_SHOWN]
        },
        "calls": [f"{caller} -> {callee}" for caller, callee in said["edges"][:MAX_SHOWN]],
        "environment": said["environment"],
        "start": said["start"],
        "time": said["time"],
    }
    return Finding(
        kind=KIND,
        level="info" if state == "resolved" else "error",
        title=_title(state, root, said["root_now"]),
        summary=_summary(state, services, said["root_now"]),
        key=(said["environment"], root),
        time=now,
        tags={"root": root, "services": str(len(services))},
        contexts={KIND: readable(details)},
        trace_id=example.trace_id,
        span_id=example.span_id,
        service=root,
        environment=said["environment"],
        release=example.release,
        state=state,
    )


def _summary(state: State, services: list[str], root_now: str) -> str:
    if root_now:
        return f"but from {root_now}"
    if state == "resolved":
        return ""
    _, *others = services
    more = f" and {len(others) - MAX_LISTED} more" if len(others) > MAX_LISTED else ""
    return f"to {', '.join(others[:MAX_LISTED])}{more}"


def _title(state: State, root: str, root_now: str) -> str:
    if state != "resolved":
        return f"Failures spread from {root}"
    if root_now:
        return f"Failures no longer seem to spread from {root}"
    return f"Failures that spread from {root} are over"

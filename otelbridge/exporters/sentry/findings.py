"""A finding -> a Sentry event: one issue per kind and key, over all traces and releases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from otelbridge.core.findings import Finding
from otelbridge.exporters.sentry.attributes import scalar
from otelbridge.exporters.sentry.envelope import event_id
from otelbridge.exporters.sentry.limits import MAX_CONTEXT_BYTES, MAX_MESSAGE, MAX_NAME, clip, fit, one_line
from otelbridge.exporters.sentry.resources import SDK, environment_name, release_name
from otelbridge.exporters.sentry.scrubbing import shield, shield_name

_NOT_IN_TAG_NAME = re.compile(r"[^a-zA-Z0-9_.:-]+")
# Contexts with a meaning and a schema of Sentry's own (relay-event-schema/src/protocol/contexts/mod.rs).
_RESERVED_CONTEXTS = frozenset(
    """app browser chromium_stability_report cloud_resource culture device feedback flags gpu memory_info monitor
    nel os otel ota_updates performance_score profile replay reprocessing response runtime spring threadpool_info
    trace unity""".split()  # noqa: SIM905 # a list of words reads better than a list of strings
)
_PREFIX = "otelbridge_"
_MAX_DEPTH = 4  # Relay: 7, of which three are ours


def finding_event(finding: Finding) -> dict[str, Any]:
    """The event of a finding. Equal findings give equal ids; all of the life of one has the same fingerprint."""
    trace_id, span_id = f"{finding.trace_id:032x}", f"{finding.span_id:016x}"
    event: dict[str, Any] = {
        "event_id": event_id(*_told_once(finding), trace_id, finding.time),
        "timestamp": finding.time,
        "platform": "other",
        "level": finding.level,
        "logger": clip(f"otelbridge.{finding.kind}", 64),
        "logentry": _message(finding),
        "fingerprint": ["otelbridge", finding.kind, *finding.key],
        "tags": _tags(finding),
        "contexts": {_context_name(name): _context(values) for name, values in finding.contexts.items()},
        "sdk": SDK,
    }
    if finding.trace_id:
        example = span_id if finding.span_id else event_id("example", trace_id)[:16]
        event["contexts"]["trace"] = {"trace_id": trace_id, "span_id": example}
    environment, release = environment_name(finding.environment), release_name(finding.release)
    if environment:
        event["environment"] = environment
    if release:
        event["release"] = release
    return event


def _message(finding: Finding) -> dict[str, str]:
    """What Sentry lists an issue by is `formatted`: that of its latest event, so that numbers may stand in it."""
    if not finding.summary:
        return {"formatted": clip(finding.title, MAX_MESSAGE)}
    return {
        "message": clip(finding.title, MAX_MESSAGE),
        "formatted": clip(f"{finding.title}: {finding.summary}", MAX_MESSAGE),
    }


def _told_once(finding: Finding) -> tuple[str, ...]:
    """What no two events of one moment share."""
    instance = (finding.instance,) if finding.instance else ()
    return ("finding", finding.kind, finding.state, *finding.key, *instance)


def _tags(finding: Finding) -> dict[str, str]:
    tags = {"finding": finding.kind, "service.name": finding.service, **finding.tags}
    if finding.state != "once":
        tags["finding.state"] = finding.state
    named = {_NOT_IN_TAG_NAME.sub("_", name)[:MAX_NAME]: one_line(str(value), MAX_NAME) for name, value in tags.items()}
    return {name: value for name, value in named.items() if name and value}


def _context_name(name: str) -> str:
    return f"{_PREFIX}{name}" if name in _RESERVED_CONTEXTS else name


def _context(values: Mapping[str, Any]) -> dict[str, Any]:
    context = {shield_name(str(name)): _shielded(value, _MAX_DEPTH) for name, value in values.items()}
    fit(context, MAX_CONTEXT_BYTES)
    return context


def _shielded(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return shield(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shielded(item, depth - 1) for item in value] if depth else "…"
    if isinstance(value, Mapping):
        return {shield_name(str(name)): _shielded(item, depth - 1) for name, item in value.items()} if depth else "…"
    return scalar(value)

"""What Sentry would do with an envelope: Relay's own validation, normalisation, trimming and scrubbing.

`sentry_relay` is the library that Sentry itself uses; it is for tests only. Two things that it leaves to the server are
done here: the window of times, and the size of what Relay adds to each span before it trims.
"""

from __future__ import annotations

import copy
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from sentry_relay.processing import (
    VALID_PLATFORMS,
    StoreNormalizer,
    convert_datascrubbing_config,
    pii_strip_event,
)
from sentry_sdk.envelope import Envelope

MAX_ITEM_BYTES = 1024 * 1024
OLDEST_SECONDS, NEWEST_SECONDS = 5 * 86_400, 60
OURS = re.compile(r"otelbridge\.|gen_ai\.(usage|cost)\.|instrumentation\.|sentry\.|db\.(query|operation|collection)\.")
"""Names of span data that we write, whatever the client's spans hold."""

_DEFAULT_SCRUBBING = convert_datascrubbing_config(
    {"scrubData": True, "scrubDefaults": True, "scrubIpAddresses": False, "sensitiveFields": [], "excludeFields": []}
)
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")


def checked(body: bytes, now: float) -> dict[str, Any]:
    """The payload of an envelope with one event or transaction, after asserting that Sentry takes it as it is."""
    assert len(body) < MAX_ITEM_BYTES
    envelope = Envelope.deserialize(body)
    (item,) = envelope.items
    payload = item.payload.json
    assert isinstance(payload, dict)
    assert envelope.headers["event_id"] == payload["event_id"]
    assert item.headers["length"] == len(body.splitlines()[2])
    assert re.fullmatch(r"[0-9a-f]{32}", payload["event_id"])
    assert payload["platform"] in VALID_PLATFORMS
    _check_trace_header(envelope.headers.get("trace"), payload)
    if item.type == "transaction":
        _check_times(payload, now)
        _check_ids(payload)
        payload_at_relay = _with_what_relay_adds(payload)
        assert payload["transaction_info"]["source"] in ("route", "task", "custom")
    else:
        payload_at_relay = payload
    _check_normalisation(payload_at_relay, now)
    _check_scrubbing(payload)
    return payload


def _check_trace_header(header: Any, payload: dict[str, Any]) -> None:
    if header is None:
        return
    assert all(isinstance(value, str) for value in header.values())
    assert header["public_key"]
    assert header["trace_id"] == payload["contexts"]["trace"]["trace_id"]


def _check_times(payload: dict[str, Any], now: float) -> None:
    for one in (payload, *payload["spans"]):
        start, end = one["start_timestamp"], one["timestamp"]
        assert now - OLDEST_SECONDS < start <= end < now + NEWEST_SECONDS


def _check_ids(payload: dict[str, Any]) -> None:
    trace = payload["contexts"]["trace"]
    for one in (trace, *payload["spans"]):
        assert one["trace_id"] == trace["trace_id"]
        assert _TRACE_ID.fullmatch(one["trace_id"])
        assert _SPAN_ID.fullmatch(one["span_id"])
        assert _SPAN_ID.fullmatch(one.get("parent_span_id", "1" * 16))


def _with_what_relay_adds(payload: dict[str, Any]) -> dict[str, Any]:
    """The transaction as it is when Relay trims it: relay-event-normalization, tag_extraction.rs."""
    payload = copy.deepcopy(payload)
    shared = {
        "release": payload.get("release", ""),
        "environment": payload.get("environment", ""),
        "user": f"id:{payload.get('user', {}).get('id', '')}",
        "user.id": payload.get("user", {}).get("id", ""),
        "transaction.method": "POST",
        "transaction.op": payload["contexts"]["trace"]["op"],
        "trace.status": "ok",
        "platform": payload["platform"],
        "sdk.name": "otelbridge",
        "sdk.version": "0.1.0",
    }
    for span in payload["spans"]:
        description = span["description"][:200]
        own = {"description": description, "category": span["op"], "op": span["op"], "group": "0" * 16, "action": "GET"}
        span["sentry_tags"] = {**shared, **own, "domain": description[:60], "status": span["status"], "name": "SELECT"}
        span["exclusive_time"] = 1.25
        span["data"].setdefault("sentry.segment.name", payload["transaction"])
    return payload


def _check_normalisation(payload: dict[str, Any], now: float) -> None:
    normalizer = StoreNormalizer(
        project_id=1,
        received_at=datetime.fromtimestamp(now, UTC).isoformat(),
        max_secs_in_future=NEWEST_SECONDS,
        enable_trimming=True,
        is_renormalize=False,
        remove_other=True,
        normalize_user_agent=False,
    )
    normalized = normalizer.normalize_event(payload)
    assert not normalized.get("_meta"), json.dumps(normalized["_meta"])[:2000]
    assert not normalized.get("errors"), normalized["errors"]
    assert len(normalized.get("spans") or []) == len(payload.get("spans") or [])
    assert normalized.get("type", "error") in ("error", "default", "transaction")
    for name in ("environment", "release", "transaction"):
        assert normalized.get(name) == payload.get(name)


def _check_scrubbing(payload: dict[str, Any]) -> None:
    before = {key: value for key, value in payload.items() if key not in ("timestamp", "start_timestamp", "tags")}
    after = pii_strip_event(_DEFAULT_SCRUBBING, payload)
    destroyed = list(_differences(before, after, ()))
    assert not [path for path in destroyed if _is_ours(path, payload)], destroyed
    after_tags = dict(after.get("tags") or []) if isinstance(after.get("tags"), list) else after.get("tags") or {}
    assert after_tags == payload.get("tags", {})


def _differences(before: Any, after: Any, path: tuple[Any, ...]) -> Any:
    if isinstance(before, dict):
        for key, value in before.items():
            if key not in ("timestamp", "start_timestamp"):  # rounded to microseconds
                yield from _differences(value, after.get(key) if isinstance(after, dict) else None, (*path, key))
    elif isinstance(before, list):
        for index, value in enumerate(before):
            found = after[index] if isinstance(after, list) and index < len(after) else None
            yield from _differences(value, found, (*path, index))
    elif before != after and not _is_rounded(before, after):
        yield path


def _is_rounded(before: Any, after: Any) -> bool:
    return isinstance(before, float) and isinstance(after, float) and math.isclose(before, after)


def _is_ours(path: tuple[Any, ...], payload: dict[str, Any]) -> bool:
    """Whether what was destroyed is of our making, and not a value that a client put under a name of its own."""
    if path[0] == "user":
        return False
    if path[0] == "breadcrumbs":
        crumb = payload["breadcrumbs"]["values"][path[2]]
        return not (crumb["category"] == "span.event" and path[3] == "data")
    if path[0] == "extra":
        return path[1] == "stacktrace" and "/home/" not in payload["extra"]["stacktrace"]
    if path[0] == "spans" and path[2] == "links":
        return False
    key = path[3] if path[0] == "spans" and path[2] == "data" else None
    if path[:3] == ("contexts", "trace", "data"):
        key = path[3]
    return key is None or (bool(OURS.match(str(key))) and key != "sentry.status.message")

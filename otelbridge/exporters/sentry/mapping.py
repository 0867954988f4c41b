"""OTLP spans -> Sentry spans: op, description, status and data as Sentry itself derives them from OTLP.

The rules are Relay's (relay-spans/src/otel_to_sentry_v2.rs, op.rs, and the description templates of sentry-conventions)
as far as they have no reason to differ. They differ in two places. A statement is sent without its values. And the
status of a failed call is the precise one where HTTP or gRPC tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelbridge.exporters.sentry.attributes import DATA, RENAMED, STATEMENT, TAG, UNREADABLE, AttributeReader
from otelbridge.exporters.sentry.descriptions import description, failure_status
from otelbridge.exporters.sentry.error_texts import without_values
from otelbridge.exporters.sentry.limits import MAX_ATTRIBUTES, MAX_OP, MAX_SPAN_BYTES, clip, fit
from otelbridge.exporters.sentry.scrubbing import SECOND_SPELLING, is_destroyed
from otelbridge.exporters.sentry.survivors import Survivors
from otelbridge.semconv.statements import analyse

ORIGIN = "auto.otlp.spans"
REPAIRED = "otelbridge.repaired"
MAX_LINKS = 128  # as many as SDKs keep
STATUS_ERROR = 2
LINK_IS_SAMPLED = 1

_KINDS = ("", "internal", "server", "client", "producer", "consumer")
_NOT_PLAIN = ("", None)

encode_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class SpanMapper:
    """Maps the rows of `Survivors`."""

    def __init__(self, spans: Survivors, reader: AttributeReader) -> None:
        self._spans = spans
        self._reader = reader
        self._span_id = hexadecimal(spans.span_id)
        self._parent_id = hexadecimal(spans.parent_id)
        self._trace_id = _trace_ids(spans.trace_id)
        # Most attributes go into data as they are. Those are put there by one call a span, without a loop in Python.
        self._plain = [(name, value) if fate == DATA else _NOT_PLAIN for name, value, fate in spans.attributes]
        self._rare = {
            *spans.details.links,
            *spans.details.status_message,
            *(row for row, is_repaired in enumerate(spans.has_repaired_times) if is_repaired),
            *(row for row, emitter in enumerate(spans.emitter) if not emitter.is_readable),
        }

    def spans(self, rows: range) -> list[dict[str, Any]]:
        """The Sentry spans of some rows: of a trace at a time, which is then still in the processor's cache."""
        spans, offsets = self._spans, self._spans.details.offsets
        mapped: list[dict[str, Any]] = []
        for row in rows:
            op, kind = spans.op[row], spans.kind[row]
            span: dict[str, Any] = {
                "span_id": self._span_id[row],
                "trace_id": self._trace_id[row],
                "start_timestamp": spans.start_ns[row] / 1e9,
                "timestamp": spans.end_ns[row] / 1e9,
                "op": op if len(op) <= MAX_OP else clip(op, MAX_OP),
                "origin": ORIGIN,
            }
            if spans.parent_id[row]:
                span["parent_span_id"] = self._parent_id[row]
            if 0 < kind < len(_KINDS):
                span["kind"] = _KINDS[kind]
            self._describe(row, span, offsets[row], offsets[row + 1])
            mapped.append(span)
        return mapped

    def _describe(self, row: int, span: dict[str, Any], first: int, last: int) -> None:
        """Add data, status and description; the span's attributes are those from first to last."""
        spans = self._spans
        repaired = []
        if last - first > MAX_ATTRIBUTES:
            last = first + MAX_ATTRIBUTES
            repaired.append("attributes")
        attributes = spans.details.attributes[first:last]
        span["data"] = data = dict(map(self._plain.__getitem__, attributes))
        statement = spans.statement[row]
        if "" in data:
            statement = self._place(attributes, span, repaired, statement)
        if row in spans.added:
            data.update(spans.added[row])
        data.update(spans.emitter[row].scope)
        if statement and not is_destroyed(statement):
            data["db.query.text"] = statement
        if "gen_ai.usage.input_tokens" in data or "gen_ai.usage.output_tokens" in data:
            _spell_twice(data)
        if span["op"] == "default" and isinstance(data.get("gen_ai.operation.name"), str):
            span["op"] = clip(f"gen_ai.{data['gen_ai.operation.name']}", MAX_OP)  # known since a processor found out
        span["status"] = failure_status(data) if spans.status[row] == STATUS_ERROR else "ok"
        span["description"] = description(span["op"], spans.name[row], data, statement)
        if repaired or row in self._rare:
            self._add_rarities(row, span, repaired)

    def _place(
        self, attributes: Sequence[int], span: dict[str, Any], repaired: list[str], statement: str | None
    ) -> str | None:
        """Put attributes that are not plain where they belong; returns the statement without its values."""
        data = span["data"]
        del data[""]
        for name, value, fate in map(self._spans.attributes.__getitem__, attributes):
            if fate == DATA:
                continue
            if fate == RENAMED:
                data.setdefault(name, value)
            elif fate == TAG:
                span.setdefault("tags", {})[name] = value
            elif fate == STATEMENT:
                statement = statement or _without_values(value, data)
            elif fate == UNREADABLE:
                repaired.append("attributes")
        return statement

    def _add_rarities(self, row: int, span: dict[str, Any], repaired: list[str]) -> None:
        """What few spans have: a status message, links, repairs."""
        spans, data = self._spans, span["data"]
        details = spans.details
        if row in details.status_message:
            message = details.status_message[row].decode(errors="replace")
            data["sentry.status.message"] = without_values(message)
        if row in details.links:
            span["links"] = self._links(details.links[row], repaired)
        if spans.has_repaired_times[row]:
            repaired.append("times")
        if not spans.emitter[row].is_readable:
            repaired.append("resource")
        if repaired:
            data[REPAIRED] = ",".join(sorted(set(repaired)))

    def _links(self, encoded_links: list[bytes], repaired: list[str]) -> list[dict[str, Any]]:
        links = []
        for encoded in encoded_links[:MAX_LINKS]:
            try:
                link = Span.Link.FromString(encoded)
            except DecodeError:
                repaired.append("links")
                continue
            if len(link.trace_id) != 16 or len(link.span_id) != 8 or not any(link.trace_id) or not any(link.span_id):
                repaired.append("links")
                continue
            mapped = {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "sampled": bool(link.flags & LINK_IS_SAMPLED),
            }
            if link.attributes:
                mapped["attributes"] = self._reader.plain(link.attributes)
            links.append(mapped)
        return links


def hexadecimal(ids: Sequence[int | None]) -> list[str]:
    """Span ids as 16 digits each; null is all zero."""
    digits = np.array([number or 0 for number in ids], dtype=">u8").tobytes().hex()
    return [digits[place : place + 16] for place in range(0, len(digits), 16)]


def _trace_ids(ids: Sequence[int]) -> list[str]:
    """Trace ids as 32 digits each; equal ones follow each other."""
    known = {number: f"{number:032x}" for number in dict.fromkeys(ids)}
    return list(map(known.__getitem__, ids))


def shortened(span: dict[str, Any]) -> dict[str, Any]:
    """The span with its longest strings cut until it fits; what is still too large then is in links and tags."""
    for extra in ("links", "tags"):
        if len(encode_json(span.get(extra, ""))) > MAX_SPAN_BYTES // 4:
            del span[extra]
    everything_else = len(encode_json({**span, "data": {}}))
    fit(span["data"], MAX_SPAN_BYTES - everything_else - 100)
    reasons = {"size", *span["data"].get(REPAIRED, "size").split(",")}
    span["data"][REPAIRED] = ",".join(sorted(reasons))
    return span


def _without_values(text: str, data: Mapping[str, Any]) -> str | None:
    system = data.get("db.system.name") or data.get("db.system")
    statement = analyse(text, system if isinstance(system, str) else None)
    return statement.text if statement else None


def _spell_twice(data: dict[str, Any]) -> None:
    for today, yesterday in SECOND_SPELLING.items():
        if today in data:
            data[yesterday] = data[today]
        elif yesterday in data:
            data[today] = data[yesterday]

"""OTLP spans -> Sentry spans: op, description, status and data as Sentry itself derives them from OTLP.

The rules are Relay's (relay-spans/src/otel_to_sentry_v2.rs, op.rs, and the description templates of sentry-conventions)
as far as they have no reason to differ. They differ in two places. A statement is sent without its values. And the
status of a failed call is the precise one where HTTP or gRPC tells it.

All spans of an export are mapped at once, on columns. Spans that need a closer look, because they failed, because their
description is made of attributes, or because their data is irregular, are few and looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelbridge.core import schema
from otelbridge.exporters.sentry.attributes import AttributeReader
from otelbridge.exporters.sentry.data import REPAIRED, STATUS_MESSAGE, SpanData
from otelbridge.exporters.sentry.descriptions import (
    NAMES_IN_DESCRIPTIONS,
    NAMES_IN_STATUS,
    description,
    failure_status,
)
from otelbridge.exporters.sentry.error_texts import without_values
from otelbridge.exporters.sentry.fragments import (
    Mask,
    Pool,
    Rows,
    Texts,
    encode_json,
    seconds,
    span_ids,
    texts,
)
from otelbridge.exporters.sentry.limits import MAX_DESCRIPTION, MAX_OP, MAX_SPAN_BYTES, clip, fit
from otelbridge.exporters.sentry.spanjson import SpanJson
from otelbridge.exporters.sentry.survivors import NORMALIZED_STATEMENT, Survivors

ORIGIN = "auto.otlp.spans"
MAX_LINKS = 128  # as many as SDKs keep
STATUS_ERROR = 2
LINK_IS_SAMPLED = 1

_KINDS = ("", "internal", "server", "client", "producer", "consumer")
_AI_OPERATION = "gen_ai.operation.name"
_NO_OP = "default"


class SpanMapper:
    """Maps `Survivors`.

    Attributes:
        data: of the spans.
        names: of each row.
        op: of each row, as it is sent.
        descriptions: of each row.
        tags: of the few spans that have some, by row.
        json: all spans.
    """

    def __init__(self, spans: Survivors, reader: AttributeReader) -> None:
        self._spans = spans
        self._reader = reader
        self.names = texts(spans.frame["name"])
        self._statements = texts(spans.frame[NORMALIZED_STATEMENT])
        self.data = SpanData(spans, self._statements, self._is_rare())
        self._is_irregular = self.data.irregular
        self.op = self._ops()
        self._status = self._statuses()
        self.descriptions = self._described()
        self.tags: dict[int, dict[str, str]] = {}
        self._links: dict[int, list[dict[str, Any]]] = {}
        self._finished: dict[int, dict[str, Any]] = {}
        for row in np.flatnonzero(self._is_irregular).tolist():
            self._finish(row)
        self.json = self._json()
        for row in np.flatnonzero(self.json.sizes() > MAX_SPAN_BYTES).tolist():
            self.json.replace(row, *self._shortened(row))

    def is_regular(self, row: int) -> bool:
        """Whether `data.values` are what is sent of a span."""
        return row not in self._finished

    def all_data(self, row: int) -> Mapping[str, Any]:
        """Data of a span as it is sent."""
        return self._finished[row] if row in self._finished else self.data.read(row).data

    # columns

    def _is_rare(self) -> Mask:
        spans, details = self._spans, self._spans.details
        rare: Mask = (
            spans.has_repaired_times | np.array([not e.is_readable for e in spans.emitters])[spans.emitter_index]
        )
        rare[[*details.links, *details.status_message]] = True
        return rare

    def _ops(self) -> Texts:
        ops = texts(self._spans.frame["op"])
        ops.distinct = [clip(op, MAX_OP) for op in ops.distinct]
        unknown = _is_one_of(ops, (_NO_OP,)) & self.data.having((_AI_OPERATION,))
        for row, data in self._named(np.flatnonzero(unknown), (_AI_OPERATION,)):
            operation = data.get(_AI_OPERATION)
            if isinstance(operation, str):  # known since a processor found out
                ops[row] = clip(f"gen_ai.{operation}", MAX_OP)
        return ops

    def _statuses(self) -> Texts:
        statuses = Texts(["ok"], np.zeros(self._spans.height, np.int64))
        failed = self._spans.frame["status"].to_numpy() == STATUS_ERROR
        for row, data in self._named(np.flatnonzero(failed), NAMES_IN_STATUS):
            statuses[row] = failure_status(data)
        return statuses

    def _named(self, rows: Rows, names: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Rows, and at least their data under these names."""
        values = self.data.values
        known: dict[tuple[int, ...], Mapping[str, Any]] = {}
        for row, key in zip(rows.tolist(), values.keys(rows, names), strict=True):
            if self._is_irregular[row]:
                yield row, self.data.read(row).data
                continue
            data = known.get(key)
            if data is None:
                data = known[key] = values.data(names, key)
            yield row, data

    def _described(self) -> Texts:
        """The statement of queries, else the name, else the op; or what attributes say."""
        names, statements, ops = self.names, self._statements, self.op
        candidates = [clip(text, MAX_DESCRIPTION) for text in (*names.distinct, *statements.distinct)] + ops.distinct
        first_statement, first_op = len(names.distinct), len(names.distinct) + len(statements.distinct)
        is_query = np.array([op.startswith("db") for op in ops.distinct], np.bool_)[ops.index]
        is_told = is_query & self.data.has_statement
        has_name = np.array([bool(name) for name in names.distinct], np.bool_)[names.index]
        index = np.where(has_name, names.index, first_op + ops.index)
        described = Texts(candidates, np.where(is_told, first_statement + statements.index, index))
        for row in np.flatnonzero(self._is_irregular).tolist():
            reading = self.data.read(row)
            described[row] = description(ops[row], names[row], reading.data, reading.statement)
        for op, names_in in NAMES_IN_DESCRIPTIONS.items():
            if op in ops.distinct:
                self._describe_alike(op, names_in, _is_one_of(ops, (op,)) & ~self._is_irregular, names, described)
        return described

    def _describe_alike(self, op: str, names_in: Sequence[str], which: Mask, names: Texts, described: Texts) -> None:
        """Describe spans of one op by their attributes, those that say the same together."""
        rows = np.flatnonzero(which)
        known: dict[tuple[int, ...], int] = {}
        for row, name, key in zip(
            rows.tolist(), names.index[rows].tolist(), self.data.values.keys(rows, names_in), strict=True
        ):
            place = known.get((name, *key))
            if place is None:
                place = known[(name, *key)] = len(described.distinct)
                data = self.data.values.data(names_in, key)
                described.distinct.append(description(op, names.distinct[name], data, None))
            described.index[row] = place

    def _json(self) -> SpanJson:
        spans, frame = self._spans, self._spans.frame
        pool = Pool()
        rows = np.arange(spans.height)
        parent_ids = frame[schema.PARENT_SPAN_ID].to_numpy()
        kind = frame["kind"].to_numpy().astype(np.int64)
        described = [b'"description":%b,' % text for text in map(encode_json, self.descriptions.distinct)]
        opened = [b'"status":%b,"data":{' % encode_json(status) for status in self._status.distinct]
        head: tuple[int | Rows, ...] = (
            pool.add([b',{"start_timestamp":']),
            pool.add(seconds(frame["start_ns"])) + rows,
            pool.add([b'"timestamp":']),
            pool.add(seconds(frame["end_ns"])) + rows,
            _with_few(pool, b'"tags":%b,', self.tags, described, self.descriptions.index),
            pool.add([b'"kind":"%b",' % kind.encode() if kind else b"" for kind in _KINDS])
            + np.where((kind > 0) & (kind < len(_KINDS)), kind, 0),
        )
        context: tuple[int | Rows, ...] = (
            pool.add(span_ids(frame[schema.SPAN_ID].to_numpy(), b'"span_id":"', b'",')) + rows,
            pool.add(span_ids(parent_ids, b'"parent_span_id":"', b'",', parent_ids != 0)) + rows,
            pool.add([b'"trace_id":"%b",' % trace_id.encode() for trace_id in spans.trace_hex]) + spans.trace_index,
            pool.add([b'"op":%b,"origin":"%b",' % (encode_json(op), ORIGIN.encode()) for op in self.op.distinct])
            + self.op.index,
            _with_few(pool, b'"links":%b,', self._links, opened, self._status.index),
        )
        before = np.empty((spans.height, len(head) + len(context)), np.int64)
        for place, column in enumerate((*head, *context)):
            before[:, place] = column
        members = self.data.members(~self._is_irregular)
        finished = {row: b"," + encode_json(data)[1:-1] for row, data in self._finished.items() if data}
        members.add([*finished.values()], np.array([*finished], np.int64), np.arange(len(finished)))
        fragments, data, counts = members.by_row(spans.height)
        data += pool.add(fragments)
        return SpanJson(pool, before, data, counts, pool.add([b"}}"]), (1, 4, len(head)))

    # one by one

    def _finish(self, row: int) -> None:
        """Add to an irregular span what few have: tags, a status message, links, repairs."""
        spans, details, reading = self._spans, self._spans.details, self.data.read(row)
        data, repaired = reading.data, list(reading.repaired)
        if reading.tags:
            self.tags[row] = reading.tags
        if row in details.status_message:
            message = without_values(details.status_message[row].decode(errors="replace"))
            data = {**data, STATUS_MESSAGE: message}
        if row in details.links:
            self._links[row] = self._mapped_links(details.links[row], repaired)
        if spans.has_repaired_times[row]:
            repaired.append("times")
        if not spans.emitter[row].is_readable:
            repaired.append("resource")
        if repaired:
            data = {**data, REPAIRED: ",".join(sorted(set(repaired)))}
        self._finished[row] = data

    def _mapped_links(self, encoded_links: list[bytes], repaired: list[str]) -> list[dict[str, Any]]:
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

    def _shortened(self, row: int) -> tuple[bytes, bytes]:
        """Head and context of a span that is too large."""
        spans = self._spans
        head: dict[str, Any] = {
            "start_timestamp": spans.start_ns[row] / 1e9,
            "timestamp": spans.end_ns[row] / 1e9,
            "description": self.descriptions[row],
        }
        context: dict[str, Any] = {
            "span_id": f"{spans.span_id[row]:016x}",
            "trace_id": f"{spans.trace_id[row]:032x}",
            "op": self.op[row],
            "origin": ORIGIN,
            "status": self._status[row],
        }
        if spans.parent_id[row]:
            context["parent_span_id"] = f"{spans.parent_id[row]:016x}"
        if 0 < spans.kind[row] < len(_KINDS):
            head["kind"] = _KINDS[spans.kind[row]]
        if row in self.tags:
            head["tags"] = self.tags[row]
        if row in self._links:
            context["links"] = self._links[row]
        span = shortened({**head, **context, "data": dict(self.all_data(row))})
        self._finished[row] = span["data"]
        if "tags" not in span:
            self.tags.pop(row, None)
        head = {name: value for name, value in span.items() if name in head}
        context = {name: value for name, value in span.items() if name not in head}
        return encode_json(head)[:-1] + b",", encode_json(context)[1:-2]


def _with_few(pool: Pool, template: bytes, few: Mapping[int, Any], fragments: list[bytes], index: Rows) -> Rows:
    """Numbers of the fragments that rows have, before which the few rows that have something more have that."""
    numbers = index.copy()
    for row, value in few.items():
        numbers[row] = len(fragments)
        fragments.append(template % encode_json(value) + fragments[index[row]])
    return numbers + pool.add(fragments)


def _is_one_of(column: Texts, wanted: Iterable[str]) -> Mask:
    return np.array([text in wanted for text in column.distinct], np.bool_)[column.index]


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

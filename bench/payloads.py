"""Export requests of a chatbot, built before the clock starts.

What a span looks like comes from recordings (`bench.specimens`): each span is a copy of a recorded one of its kind, in
which values that differ from request to request in production differ here too (ids, ports, users, paths, query
parameters, token counts, prompts). How spans follow each other is what a batching exporter does: spans of the traces
that are under way in one process, in the order in which they end, cut at 512, grouped by instrumentation. Children come
before their parents, and a trace may lie in two requests.

A body is sent many times, but never twice with the same ids: `Payload.fresh` flips the same random bits in all ids of
a lap, which keeps them distinct and keeps parents and children together.

A `Fleet` of such services has as many series as are wanted: what is measured of each is the same, under other names.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from bench.specimens import RECORDED, resource
from bench.traces import write_trace
from tests.support import recordings

SPANS_PER_REQUEST = 512  # what the SDKs' batching exporters send at most by default
PROCESSES = 4  # of the application: each has a resource of its own and exports on its own
CONCURRENT_TRACES = 8  # in one process


@dataclass(frozen=True, slots=True)
class Fleet:
    """Many services, so that there are many series.

    Attributes:
        services: each is one process of the application under a name of its own.
        modules: equal parts of each service, with tables and routes of their own, as often used as the next.
        concurrent_traces: of each service.
        failing: share of the requests that fail.
    """

    services: int
    modules: int
    concurrent_traces: int
    failing: float = 0.01


@dataclass(frozen=True, slots=True)
class Payload:
    """One export request.

    Attributes:
        body: as serialized, with the ids of the first lap.
        spans: how many it holds.
    """

    body: bytes
    spans: int
    _halves_of_trace_ids: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    _span_ids: npt.NDArray[np.int64]
    _times: npt.NDArray[np.int64]

    def fresh(self, mask: bytes, later_ns: int = 0) -> bytes:
        """The body with other ids, and later; `mask` is 24 random bytes, the same for all payloads of a lap."""
        body = bytearray(self.body)
        words = np.ndarray(len(body) - 7, np.uint64, body, strides=(1,))  # the eight bytes that start at each byte
        upper, lower, span = np.frombuffer(mask, np.uint64)
        words[self._halves_of_trace_ids[0]] ^= upper
        words[self._halves_of_trace_ids[1]] ^= lower
        words[self._span_ids] ^= span
        if later_ns:
            words[self._times] += np.uint64(later_ns)
        return bytes(body)


def batches(
    count: int,
    *,
    spans: int = SPANS_PER_REQUEST,
    seed: int = 1,
    now_ns: int,
    prompt_bytes: int = 0,
    fleet: Fleet | None = None,
) -> list[Payload]:
    """About `count` requests of `spans` spans (the last ones have fewer), all traces whole; the same for the same seed.

    `prompt_bytes` lengthens prompts and answers of model calls, which are a few words in the recordings.
    """
    rng = random.Random(seed)
    processes = fleet.services if fleet else min(PROCESSES, count)
    per_process = [
        _process(number, -(-count * spans // processes), spans, rng, now_ns, prompt_bytes, fleet)
        for number in range(processes)
    ]
    longest = max(map(len, per_process))
    return [payloads[i] for i in range(longest) for payloads in per_process if i < len(payloads)]


def _process(
    number: int, total: int, spans: int, rng: random.Random, now_ns: int, prompt_bytes: int, fleet: Fleet | None
) -> list[Payload]:
    """The requests of one process of the application, at least `total` spans."""
    spans_of_all: list[tuple[str, Span]] = []
    lanes = [now_ns] * (fleet.concurrent_traces if fleet else CONCURRENT_TRACES)
    while len(spans_of_all) < total:
        lane = lanes.index(min(lanes))
        module = f"m{rng.randrange(fleet.modules):03}" if fleet else ""
        trace = write_trace(rng, lanes[lane], prompt_bytes, module)
        if fleet and rng.random() < fleet.failing:
            trace.spans[0][1].status.code = Status.STATUS_CODE_ERROR
        spans_of_all += trace.spans
        root = trace.spans[0][1]
        lanes[lane] = root.end_time_unix_nano + rng.randrange(20_000_000)
    ended = sorted(spans_of_all, key=lambda item: item[1].end_time_unix_nano)
    service = f"service-{number}" if fleet else ""
    return [_request(number, service, ended[start : start + spans]) for start in range(0, len(ended), spans)]


def _request(process: int, service: str, ended: Sequence[tuple[str, Span]]) -> Payload:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.CopyFrom(resource())
    for item in resource_spans.resource.attributes if service else ():
        if item.key == "service.name":
            item.value.string_value = service
    instance = resource_spans.resource.attributes.add(key="service.instance.id")
    instance.value.string_value = f"chatbot-7d9c6f5b8-{process:05}"
    scopes: dict[str, ScopeSpans] = {}
    for scope, span in ended:
        if scope not in scopes:
            scopes[scope] = resource_spans.scope_spans.add()
            scopes[scope].scope.name = scope
        scopes[scope].spans.append(span)
    body = message.SerializeToString()
    in_order = [span for scope_spans in resource_spans.scope_spans for span in scope_spans.spans]
    trace_ids, span_ids, times = _places(body, in_order)
    return Payload(body, len(ended), (trace_ids, trace_ids + 8), span_ids, times)


def _places(body: bytes, spans: Sequence[Span]) -> tuple[npt.NDArray[np.int64], ...]:
    """Where the trace ids begin, the span ids and parent span ids, and the times of start and end."""
    trace_ids, span_ids, times = [], [], []
    position = 0
    for span in spans:
        position = body.index(span.trace_id, position)
        trace_ids.append(position)
        for identifier in (span.span_id, span.parent_span_id):
            if identifier:
                position = body.index(identifier, position)
                span_ids.append(position)
        for time in (span.start_time_unix_nano, span.end_time_unix_nano):
            position = body.index(time.to_bytes(8, "little"), position)
            times.append(position)
    return np.array(trace_ids), np.array(span_ids), np.array(times)


@dataclass(slots=True)
class Profile:
    """What spans are made of: the numbers by which payloads can be compared with recordings."""

    spans: int = 0
    body_bytes: int = 0
    attributes: int = 0
    distinct: set[bytes] = field(default_factory=set)
    kinds: dict[str, int] = field(default_factory=dict)

    def add(self, body: bytes) -> None:
        """Count one request."""
        self.body_bytes += len(body)
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                scope = scope_spans.scope.name.removeprefix("@opentelemetry/instrumentation-")
                self.kinds[scope] = self.kinds.get(scope, 0) + len(scope_spans.spans)
                for span in scope_spans.spans:
                    self.spans += 1
                    self.attributes += len(span.attributes)
                    self.distinct.update(item.SerializeToString() for item in span.attributes)

    def line(self) -> str:
        """In words."""
        kinds = ", ".join(f"{scope} {count / self.spans:.0%}" for scope, count in sorted(self.kinds.items()))
        return (
            f"{self.body_bytes / self.spans:.0f} bytes and {self.attributes / self.spans:.1f} attributes a span, "
            f"{len(self.distinct) / self.attributes:.0%} of the attributes distinct ({kinds})"
        )


def profile(payloads: Sequence[Payload]) -> Profile:
    """Of payloads."""
    made = Profile()
    for payload in payloads:
        made.add(payload.body)
    return made


def recorded_profile() -> Profile:
    """Of the recordings that the specimens come from, together."""
    made = Profile()
    for name in RECORDED:
        made.add(recordings.load(name))
    return made

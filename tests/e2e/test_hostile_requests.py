"""Requests that nobody should send: each gets a clear answer, and those beside them are not affected."""

from __future__ import annotations

import gzip
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.e2e.today import now_ms, seconds_to_today, today, today_in_json
from tests.support import daemon, otlp, sentry
from tests.support.daemon import EXPORT, JSON, PROTOBUF, Daemon, wait_until
from tests.support.sentry import Sentry

SEED = 20_261_124
REQUESTS = 5_000  # over each protocol
CONNECTIONS = 4  # of each protocol
IN_FLIGHT = 25  # on each gRPC connection
GOOD_EVERY = 25
ANSWER_SECONDS = 60.0
MOST_BYTES = 1.5 * 2**30
RECORDED = ("ai-sdk-v7", "py-openinference", "drizzle-pg", "py-sqlalchemy-sqlite", "js-exception", "otlp-json")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Span = tuple[str, str]


@pytest.fixture
def server() -> Iterator[Sentry]:
    with sentry.running() as running:
        yield running


@pytest.fixture
def running(tmp_path: Path, server: Sentry) -> Iterator[Daemon]:
    """Keeps what is good, and enough of the rest to have it exported."""
    rules = [{"name": "good", "any_span": "service = 'good'", "keep": 100}]
    sampling = {"rules": rules, "default_keep": 25}
    with daemon.running(tmp_path, server.dsn, processors__dynamic_sampling=sampling) as started:
        yield started


# good requests


class GoodRequests:
    """Makes requests, and knows their spans."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.spans: set[Span] = set()

    def make(self) -> bytes:
        now = now_ms()
        tree = otlp.span("GET /", otlp.query("select 1", start_ms=now), kind="server", start_ms=now, ms=20.0)
        with self._lock:
            spans = otlp.spans_of(tree, self._random.randbytes(16))
            self.spans |= {(span.trace_id.hex(), span.span_id.hex()) for span in spans}
        return otlp.request_of(spans, {"service.name": "good"})


def arrived(server: Sentry) -> set[Span]:
    return {(span["trace_id"], span["span_id"]) for taken in server.transactions() for span in taken.spans}


# mutations


def specimens() -> list[bytes]:
    """Small requests, of a few recorded spans each."""
    made = []
    for name in RECORDED:
        whole = ExportTraceServiceRequest.FromString(today(name, seconds_to_today(name)))
        for resource_spans in whole.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for start in range(0, len(scope_spans.spans), 4):
                    small = ExportTraceServiceRequest()
                    part = small.resource_spans.add()
                    part.resource.CopyFrom(resource_spans.resource)
                    part_of_scope = part.scope_spans.add()
                    part_of_scope.scope.CopyFrom(scope_spans.scope)
                    part_of_scope.spans.extend(scope_spans.spans[start : start + 4])
                    made.append(small.SerializeToString())
    return [body for body in made if len(body) < 20_000]


def flipped(body: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def cut(body: bytearray, chance: random.Random) -> None:
    del body[chance.randrange(len(body)) :]


def with_hole(body: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(body))
    del body[start : start + chance.randrange(1, 40)]


def with_noise(body: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(body))
    body[start:start] = chance.randbytes(chance.randrange(1, 40))


def overwritten(body: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(body))
    noise = chance.choice((b"\xff" * 10, b"\x00" * 10, b"\x80" * 11, b"\xc0\xaf\xed\xa0\x80", chance.randbytes(8)))
    body[start : start + len(noise)] = noise


def repeated(body: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(body))
    part = body[start : start + chance.randrange(1, 400)]
    place = chance.randrange(len(body))
    body[place:place] = part * chance.choice((1, 2, 20))


def only_noise(body: bytearray, chance: random.Random) -> None:
    body[:] = chance.randbytes(chance.randrange(0, 300))


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flipped,
    flipped,
    cut,
    with_hole,
    with_noise,
    overwritten,
    repeated,
    only_noise,
)


def mutated(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 2))):
        if changed:
            chance.choice(MUTATIONS)(changed, chance)
    return bytes(changed)


# clients


def send_over_grpc(running: Daemon, bodies: list[bytes], specimen: GoodRequests) -> Counter[str]:
    """Answers by kind; many requests are in flight at once."""
    answers: Counter[str] = Counter()
    waiting: deque[tuple[bool, Any]] = deque()

    def take() -> None:
        is_good, future = waiting.popleft()
        error = future.exception(timeout=ANSWER_SECONDS)
        if error is None:
            response = ExportTraceServiceResponse.FromString(future.result())
            answers["partial" if response.partial_success.rejected_spans else "OK"] += 1
        else:
            answers[error.code().name] += 1
            assert error.details()
        assert not is_good or (error is None and future.result() == b"")

    with running.grpc() as export:
        for number, body in enumerate(bodies):
            is_good = number % GOOD_EVERY == 0
            for sent in [body, specimen.make()] if is_good else [body]:
                waiting.append((sent is not body, export.future(sent, timeout=ANSWER_SECONDS)))  # type: ignore[attr-defined] # a multi-callable has it
            while len(waiting) > IN_FLIGHT:
                take()
        while waiting:
            take()
    return answers


def send_over_http(running: Daemon, bodies: list[tuple[bytes, str, str]], specimen: GoodRequests) -> Counter[str]:
    answers: Counter[str] = Counter()
    with running.http() as post:
        for number, (body, content_type, encoding) in enumerate(bodies):
            status, answer = post(body, content_type, Content_Encoding=encoding)
            answers[str(status)] += 1
            assert status == 200 or answer
            if number % GOOD_EVERY == 0:
                assert post(specimen.make()) == (200, b"")
    return answers


def http_requests(chance: random.Random) -> Iterator[tuple[bytes, str, str]]:
    """Two in three are protobuf; some say they were compressed, and some of these were."""
    in_protobuf = specimens()
    in_json = [today_in_json("otlp-json", seconds_to_today("otlp-json"))]
    for _ in range(REQUESTS):
        is_json = chance.random() < 1 / 3
        body = mutated(chance.choice(in_json if is_json else in_protobuf), chance)
        encoding = chance.choice(("identity",) * 8 + ("gzip", "zstd", "gzip-really", "gzip-broken"))
        if encoding.startswith("gzip-"):
            body = gzip.compress(body, 1)
            body = mutated(body, chance) if encoding == "gzip-broken" else body
        yield body, JSON if is_json else PROTOBUF, encoding.split("-")[0]


def test_mutated_requests_are_answered_and_good_ones_beside_them_arrive(running: Daemon, server: Sentry) -> None:
    chance = random.Random(SEED)
    in_protobuf = specimens()
    over_grpc = [mutated(chance.choice(in_protobuf), chance) for _ in range(REQUESTS)]
    over_http = list(http_requests(chance))
    good = GoodRequests(SEED)
    pid = running.pid

    with ThreadPoolExecutor(2 * CONNECTIONS) as pool:
        shares = range(CONNECTIONS)
        grpc_answers = [pool.submit(send_over_grpc, running, over_grpc[i::CONNECTIONS], good) for i in shares]
        http_answers = [pool.submit(send_over_http, running, over_http[i::CONNECTIONS], good) for i in shares]
        by_grpc = sum((answer.result() for answer in grpc_answers), Counter())
        by_http = sum((answer.result() for answer in http_answers), Counter())

    assert by_grpc.keys() == {"OK", "INVALID_ARGUMENT", "partial"}
    assert by_http.keys() == {"200", "400"}
    assert sum(by_http.values()) == REQUESTS
    assert min(by_grpc["INVALID_ARGUMENT"], by_http["400"], by_grpc["OK"], by_http["200"]) > REQUESTS / 20
    assert running.is_alive
    assert running.pid == pid
    assert running.admin("/healthz")[0] == 200
    wait_until(lambda: good.spans <= arrived(server), "all good requests arrive")
    running.wait_until_all_is_delivered()
    assert running.metric("otelbridge_component_errors") == 0
    assert running.metric("otelbridge_spans_unaccounted") == 0
    assert running.stop() == 0


# bombs

Bomb = Callable[[Daemon], str]


def field_(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    length, size = b"", len(content)
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def span_with(attributes: bytes) -> bytes:
    """A request with one span that has these encoded attributes; in a trace that no good span is part of."""
    (span,) = otlp.spans_of(otlp.span("bomb", start_ms=now_ms()), random.Random(SEED + 1).randbytes(16))
    return field_(1, field_(2, field_(2, span.SerializeToString() + attributes)))


def over_grpc(running: Daemon, body: bytes) -> str:
    with running.grpc() as export:
        try:
            export(body, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def gzip_bomb(running: Daemon) -> str:
    return str(running.post(gzip.compress(bytes(16 * 2**20)) * 64, Content_Encoding="gzip")[0])


def zstd_bomb(running: Daemon) -> str:
    return str(running.post(zstandard.compress(bytes(512 * 2**20)), Content_Encoding="zstd")[0])


def gzip_bomb_over_grpc(running: Daemon) -> str:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}", options, compression=grpc.Compression.Gzip) as channel:
        export = channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)
        try:
            export(bytes(256 * 2**20), timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def deep_value(running: Daemon) -> str:
    value = b""
    for _ in range(10_000):
        value = field_(5, field_(1, value))
    return over_grpc(running, span_with(field_(9, field_(1, b"deep") + field_(2, value))))


def deep_json(running: Daemon) -> str:
    value = b'{"arrayValue":{"values":[' * 10_000 + b"]}}" * 10_000
    span = b'{"traceId":"%s","spanId":"%s","name":"deep","attributes":[{"key":"a","value":%s}]}'
    spans = span % (b"ab" * 16, b"cd" * 8, value)
    return str(running.post(b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' % spans, JSON)[0])


def million_attributes(running: Daemon) -> str:
    return over_grpc(running, span_with(field_(9, field_(1, b"key") + field_(2, b"\x18\x01")) * 1_000_000))


def million_names(running: Daemon) -> str:
    attributes = b"".join(field_(9, field_(1, b"%x" % i) + field_(2, b"\x18\x01")) for i in range(1_000_000))
    return over_grpc(running, span_with(attributes))


def huge_trace(running: Daemon) -> str:
    now = now_ms()
    trace = random.Random(SEED + 1).randbytes(16)
    root = otlp.spans_of(otlp.span("root", start_ms=now), trace)
    answers = set()
    for _ in range(10):
        below = [otlp.spans_of(otlp.span("below", start_ms=now), trace, root[0].span_id)[0] for _ in range(10_000)]
        answers.add(over_grpc(running, otlp.request_of(below, {"service.name": "good"})))
    (answer,) = answers
    wait_until(lambda: running.metric("otelbridge_spans_kept") >= 100_000, "the huge trace is kept")
    return answer


def empty_scopes(running: Daemon) -> str:
    return over_grpc(running, field_(1, field_(2, b"") * (8 * 2**20 - 8)))


def empty_resources(running: Daemon) -> str:
    return over_grpc(running, field_(1, b"") * (8 * 2**20 - 8))


@pytest.mark.parametrize(
    ("bomb", "allowed"),
    [
        (gzip_bomb, {"413"}),
        (zstd_bomb, {"413"}),
        (gzip_bomb_over_grpc, {"RESOURCE_EXHAUSTED"}),
        (deep_value, {"OK", "INVALID_ARGUMENT"}),
        (deep_json, {"400"}),
        (million_attributes, {"OK"}),
        (million_names, {"OK"}),
        (huge_trace, {"OK"}),
        (empty_scopes, {"OK", "INVALID_ARGUMENT"}),
        (empty_resources, {"OK", "INVALID_ARGUMENT"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_bomb_costs_bounded_memory_and_good_requests_still_arrive(
    bomb: Bomb, allowed: set[str], running: Daemon, server: Sentry
) -> None:
    answer = bomb(running)
    good = GoodRequests(SEED)

    assert answer in allowed
    assert over_grpc(running, good.make()) == "OK"
    wait_until(lambda: good.spans <= arrived(server), "the good request arrives")
    running.wait_until_all_is_delivered()
    assert peak_bytes(running.pid) < MOST_BYTES
    assert running.metric("otelbridge_component_errors") == 0
    assert running.metric("otelbridge_spans_unaccounted") == 0


def peak_bytes(pid: int) -> float:
    """The most memory that the process had resident since its start."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return float(line.split()[1]) * 1024

"""Thousands of broken requests over each protocol: every one gets a clear answer, and the good one after it passes."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelbridge.core.component import Accepted
from otelbridge.core.errors import Undecodable
from otelbridge.receivers.otlp.intake import Outcome
from tests.receivers.otlp.clients import TIMEOUT_SECONDS
from tests.receivers.otlp.conftest import Running
from tests.support import recordings

COUNT = 2_000


async def decode(request: bytes) -> Accepted:
    """Stands in for the log's validation."""
    try:
        decoded = ExportTraceServiceRequest.FromString(request)
    except DecodeError as error:
        raise Undecodable(str(error)) from None
    return Accepted(items=sum(len(scope.spans) for each in decoded.resource_spans for scope in each.scope_spans))


def mutations(original: bytes, seed: int, most: int = 8) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(COUNT):
        body = bytearray(original)
        for _ in range(rng.randint(1, most)):
            at, length = rng.randrange(len(body) + 1), rng.choice((0, 1, 1, 1, 8, 200))
            body[at : at + length] = rng.choice((b"", rng.randbytes(1), rng.randbytes(8), b"\xff" * 10, bytes(4)))
        yield bytes(body)


@pytest.fixture
async def decoding(running: Running) -> Running:
    running.log.take = decode
    return running


def all_counted(running: Running, transport: str, accepted: int) -> bool:
    requests = running.receiver.counts[transport].requests
    return requests == {Outcome.SUCCESS: accepted, Outcome.REFUSED: COUNT - accepted, Outcome.FAILURE: 0}


async def test_mutated_requests_over_grpc(decoding: Running) -> None:
    codes: Counter[grpc.StatusCode] = Counter()
    for body in mutations(recordings.load("js-exception"), seed=1):
        try:
            await decoding.grpc.export(body)
            codes[grpc.StatusCode.OK] += 1
        except grpc.aio.AioRpcError as error:
            codes[error.code()] += 1
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
    assert all_counted(decoding, "grpc", codes[grpc.StatusCode.OK])


@pytest.mark.parametrize("kind", ["protobuf", "json", "gzip"])
async def test_mutated_requests_over_http(decoding: Running, kind: str) -> None:
    original = recordings.load_json("otlp-json") if kind == "json" else recordings.load("js-exception")
    original = gzip.compress(original) if kind == "gzip" else original
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/%s\r\n" % (
        b"json" if kind == "json" else b"x-protobuf"
    )
    head += b"Content-Encoding: gzip\r\n" if kind == "gzip" else b""
    statuses = await to_one_connection(
        decoding, (head + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in mutations(original, seed=2))
    )
    assert set(statuses) <= {200, 400}
    assert statuses[400] > COUNT / 2
    assert all_counted(decoding, "http", statuses[200])


async def to_one_connection(running: Running, requests: Iterator[bytes]) -> Counter[int]:
    """Send well-formed HTTP requests one after the other; returns how often each status came."""
    host, _, port = running.http.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    statuses: Counter[int] = Counter()
    for request in requests:
        writer.write(request)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        (length,) = [line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.partition(b":")[2]))
        statuses[int(answer.split()[1])] += 1
    writer.close()
    return statuses


async def test_mutated_http(decoding: Running) -> None:
    """The head is broken too, so a connection may end at any point; but no answer is a 5xx, and nothing hangs."""
    body = recordings.load("otlp-json")
    request = (
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
    )
    for mutated in mutations(request % len(body), seed=3, most=1):
        answer = await half_closed(decoding, mutated + body)
        assert not answer or (answer.startswith(b"HTTP/1.1 ") and answer[9:10] in b"1234"), (mutated, answer)
    assert (await decoding.http.post(body)).status == 200


async def test_noise_is_no_http(decoding: Running) -> None:
    rng = random.Random(4)
    for _ in range(COUNT):
        answer = await half_closed(decoding, rng.randbytes(rng.randint(1, 300)))
        assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert (await decoding.http.post(recordings.load("otlp-json"))).status == 200


async def half_closed(running: Running, sent: bytes) -> bytes:
    """What comes back from a connection on which nothing follows `sent`."""
    host, _, port = running.http.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_noise_is_no_grpc(decoding: Running) -> None:
    rng = random.Random(5)
    host, _, port = decoding.receiver.endpoints["grpc"].rpartition(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
    for number in range(COUNT):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write((preface if number % 2 else b"") + rng.randbytes(rng.randint(1, 300)))
        writer.close()
    await decoding.grpc.export(recordings.load("otlp-json"))


@pytest.mark.parametrize("depth", [50, 5_000, 500_000])
async def test_nested_values_in_json_are_bounded(decoding: Running, depth: int) -> None:
    value = b'{"arrayValue":{"values":[' * depth + b"]}}" * depth
    body = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":%s}]}}]}' % value
    assert (await decoding.http.post(body, Content_Type="application/json")).status == 400
    assert (await decoding.http.post(b"{}", Content_Type="application/json")).status == 200


async def test_a_million_empty_objects_do_not_keep_others_waiting(decoding: Running) -> None:
    body = b'{"resourceSpans":[' + b"{}," * 1_000_000 + b"{}]}"
    large = asyncio.create_task(decoding.http.post(body, Content_Type="application/json"))
    answered_meanwhile = 0
    while not large.done():
        await decoding.grpc.export(recordings.load("otlp-json"))
        answered_meanwhile += 1
    assert large.result().status == 200
    assert answered_meanwhile > 3

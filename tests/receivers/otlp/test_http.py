from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator

import pytest
import zstandard
from google.rpc.code_pb2 import Code
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otelbridge.core.component import Accepted, Signal
from otelbridge.core.errors import RetryLater, Undecodable
from otelbridge.receivers.otlp.intake import Outcome
from tests.receivers.otlp.clients import JSON, retry_seconds
from tests.receivers.otlp.conftest import Running, Start
from tests.support import recordings

COMPRESS = {
    "identity": bytes,
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "zlib": zlib.compress,
    "zstd": zstandard.compress,
}
SMALL = {"max_request_body_size": 1024}


@pytest.mark.parametrize("encoding", COMPRESS)
async def test_the_bytes_of_a_request_are_submitted_as_they_were_before_encoding(
    running: Running, encoding: str
) -> None:
    body = bytes(range(256)) * 1000
    answer = await running.http.post(COMPRESS[encoding](body), Content_Encoding=encoding)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"", "application/x-protobuf")
    assert running.log.requests == [body]


async def test_a_large_compressed_request_is_read_in_full(running: Running) -> None:
    body = b"".join(bytes([number % 251, number % 241]) for number in range(1_000_000))
    assert (await running.http.post(gzip.compress(body, 0), Content_Encoding="gzip")).status == 200
    assert running.log.requests == [body]


async def test_json_is_submitted_as_protobuf_and_answered_in_json(running: Running) -> None:
    answer = await running.http.post(recordings.load_json("otlp-json"), **JSON)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"{}", "application/json")
    assert ExportTraceServiceRequest.FromString(running.log.requests[0]) == ExportTraceServiceRequest.FromString(
        recordings.load("otlp-json")
    )


async def test_a_charset_does_not_hide_the_content_type(running: Running) -> None:
    assert (await running.http.post(b"{}", Content_Type="Application/JSON; charset=utf-8")).status == 200


async def test_a_body_may_come_in_chunks(running: Running) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b"one ", b"two ", b"x" * 100_000)

    assert (await running.http.post(chunks())).status == 200
    assert running.log.requests == [b"one two " + b"x" * 100_000]


async def test_an_empty_request_is_submitted_too(running: Running) -> None:
    assert (await running.http.post(b"")).status == 200
    assert running.log.requests == [b""]


async def test_unusable_spans_are_told_to_the_client(running: Running) -> None:
    running.log.answer = Accepted(items=5, rejected=2, reason="no trace id")
    answer = await running.http.post()
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans, partial.error_message) == (200, 2, "no trace id")


async def test_unusable_spans_are_told_in_json_too(running: Running) -> None:
    running.log.answer = Accepted(items=5, rejected=2, reason="no trace id")
    answer = await running.http.post(b"{}", **JSON)
    assert json.loads(answer.body) == {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no trace id"}}


async def test_what_cannot_be_decoded_must_not_be_sent_again(running: Running) -> None:
    running.log.error = Undecodable("broken")
    answer = await running.http.post()
    assert answer.status == 400
    assert (answer.problem.code, answer.problem.message) == (Code.INVALID_ARGUMENT, "broken")
    assert answer.headers["Retry-After"] is None


async def test_broken_json_is_refused_in_json_and_never_submitted(running: Running) -> None:
    answer = await running.http.post(b'{"resourceSpans": 1}', **JSON)
    assert answer.status == 400
    assert json.loads(answer.body) == {"code": 3, "message": "resourceSpans: expected an array"}
    assert running.log.requests == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
async def test_a_body_that_is_not_what_its_encoding_says_is_refused(running: Running, encoding: str) -> None:
    answer = await running.http.post(b"not compressed", Content_Encoding=encoding)
    assert answer.status == 400
    assert answer.problem.message.startswith("the body cannot be decompressed")


async def test_a_full_log_names_the_time_to_come_back(running: Running) -> None:
    running.log.error = RetryLater("the log is full", seconds=2.5)
    answer = await running.http.post()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
    assert (answer.problem.code, retry_seconds(answer.problem)) == (Code.UNAVAILABLE, 2.5)


async def test_the_time_to_come_back_differs_from_client_to_client(running: Running) -> None:
    running.log.error = RetryLater("the log is full")
    answers = [await running.http.post() for _ in range(5)]
    assert len({retry_seconds(answer.problem) for answer in answers}) == 5
    assert {answer.headers["Retry-After"] for answer in answers} <= set("12345")


async def test_a_body_of_exactly_the_limit_is_taken(start: Start) -> None:
    running = await start(http=SMALL)
    assert (await running.http.post(bytes(1024))).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
async def test_a_decompression_bomb_is_too_large(start: Start, encoding: str) -> None:
    running = await start(http=SMALL)
    answer = await running.http.post(COMPRESS[encoding](bytes(1025)), Content_Encoding=encoding)
    assert answer.status == 413
    assert answer.problem.message == "the request is larger than 1024 bytes"


async def test_a_body_above_the_limit_is_refused_before_it_is_sent(start: Start) -> None:
    running = await start(http=SMALL)
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n"
    answer = await running.http.converse(head + b"Content-Length: 1025\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_chunked_body_is_refused_once_it_is_above_the_limit(start: Start) -> None:
    running = await start(http=SMALL)
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n"
    answer = await running.http.converse(head + b"Transfer-Encoding: chunked\r\n\r\n800\r\n" + bytes(0x800))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_sends_all_of_a_body_above_the_limit_still_gets_the_answer(running: Running) -> None:
    assert (await running.http.post(bytes(30 * 1024 * 1024))).status == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_allowed(running: Running, method: str) -> None:
    answer = await running.http.request(method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-ndjson", ""])
async def test_other_content_types_are_unsupported(running: Running, content_type: str) -> None:
    answer = await running.http.post(b"", Content_Type=content_type)
    assert answer.status == 415
    assert json.loads(answer.body)["message"] == "Content-Type must be application/x-protobuf or application/json"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
async def test_other_content_encodings_are_unsupported(running: Running, encoding: str) -> None:
    answer = await running.http.post(b"", Content_Encoding=encoding)
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "gzip, zstd, deflate, zlib")


@pytest.mark.parametrize("path", ["/v1/logs", "/", "/v1/traces/", "/%0a/../v1/traces"])
async def test_there_is_nothing_at_other_paths(running: Running, path: str) -> None:
    answer = await running.http.post(b"", path)
    assert answer.status == 404
    assert answer.problem.message.endswith("this receiver takes traces only, at /v1/traces")
    assert "\n" not in answer.problem.message


async def test_a_query_string_is_ignored(running: Running) -> None:
    assert (await running.http.post(b"", "/v1/traces?x=1")).status == 200


async def test_the_path_is_a_setting(start: Start) -> None:
    running = await start(http={"traces_url_path": "/otlp"})
    assert (await running.http.post(b"", "/otlp")).status == 200
    assert (await running.http.post(b"")).status == 404


async def test_the_right_token_passes(start: Start) -> None:
    running = await start(http={"auth": {"bearer": "s3cret"}})
    assert (await running.http.post(Authorization="Bearer s3cret")).status == 200


@pytest.mark.parametrize("authorization", ["", "Bearer other", "Bearer", "Basic s3cret", "Bearer \xe9"])
async def test_a_wrong_token_is_unauthenticated(start: Start, authorization: str) -> None:
    running = await start(http={"auth": {"bearer": "s3cret"}})
    answer = await running.http.post(Authorization=authorization)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.problem.code == Code.UNAUTHENTICATED
    assert running.log.requests == []


async def test_several_requests_share_a_connection(running: Running) -> None:
    request = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1\r\n"
    answer = await running.http.converse(
        request + b"\r\na" + request + b"\r\nb" + request + b"Connection: close\r\n\r\nc"
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert running.log.requests == [b"a", b"b", b"c"]


async def test_a_defect_is_a_failure_and_the_next_request_passes(running: Running) -> None:
    running.log.error = ZeroDivisionError("a defect")
    assert (await running.http.post()).status == 500
    assert running.receiver.counts["http"].requests[Outcome.FAILURE] == 1
    running.log.error = None
    assert (await running.http.post()).status == 200


async def test_requests_are_counted_by_outcome(running: Running) -> None:
    running.log.answer = Accepted(items=5, rejected=2, reason="no trace id")
    await running.http.post(gzip.compress(b"four"), Content_Encoding="gzip")
    await running.http.request("GET")
    await running.http.post(path="/v1/logs")
    counts = running.receiver.counts["http"]
    assert (counts.accepted[Signal.TRACES], counts.rejected[Signal.TRACES], counts.bytes) == (3, 2, 4)
    assert counts.requests == {Outcome.SUCCESS: 1, Outcome.REFUSED: 2, Outcome.FAILURE: 0}


async def test_a_client_that_leaves_within_its_body_is_counted_as_failure(running: Running) -> None:
    host, _, port = running.http.address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\nx"
    )
    await writer.drain()
    writer.close()
    counts = running.receiver.counts["http"]
    while not counts.requests[Outcome.FAILURE]:  # noqa: ASYNC110 # counted in the server's task
        await asyncio.sleep(0)
    assert running.log.requests == []


PAGE = {"Origin": "https://shop.example.com"}
PREFLIGHT = {**PAGE, "Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}


async def test_a_page_of_an_allowed_origin_may_ask_and_send(start: Start) -> None:
    cors = {"allowed_origins": ["https://*.example.com"], "allowed_headers": ["x-team"], "max_age_seconds": 60}
    running = await start(http={"cors": cors, "auth": {"bearer": "s3cret"}})
    asked = await running.http.request("OPTIONS", **PREFLIGHT)
    assert asked.status == 200  # without a token: browsers send none with the question
    assert asked.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert asked.headers["Access-Control-Allow-Methods"] == "POST"
    assert asked.headers["Access-Control-Max-Age"] == "60"
    assert "x-team" in asked.headers["Access-Control-Allow-Headers"]
    sent = await running.http.post(b"{}", Authorization="Bearer s3cret", **JSON, **PAGE)
    assert (sent.status, sent.headers["Access-Control-Allow-Origin"]) == (200, PAGE["Origin"])


@pytest.mark.parametrize("origin", ["https://evil.com", "https://x.example.com.evil.com", "http://shop.example.com"])
async def test_pages_of_other_origins_are_not_allowed(start: Start, origin: str) -> None:
    running = await start(http={"cors": {"allowed_origins": ["https://*.example.com"]}})
    asked = await running.http.request("OPTIONS", **{**PREFLIGHT, "Origin": origin})
    assert asked.headers["Access-Control-Allow-Origin"] is None


async def test_without_the_setting_no_page_is_allowed(running: Running) -> None:
    asked = await running.http.request("OPTIONS", **PREFLIGHT)
    assert (asked.status, asked.headers["Access-Control-Allow-Origin"]) == (405, None)

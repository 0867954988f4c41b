from __future__ import annotations

import asyncio

import grpc
import pytest
import uvloop
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otelbridge.core.component import Accepted, Signal
from otelbridge.core.errors import RetryLater, TooLarge, Undecodable
from otelbridge.receivers.otlp.grpc_server import OTHER_SIGNALS, GrpcServer, GrpcSettings
from otelbridge.receivers.otlp.intake import Outcome
from tests.receivers.otlp.clients import GrpcClient, retry_seconds, status_of
from tests.receivers.otlp.conftest import FakeLog, Running, Start

MEBIBYTE = 1024 * 1024


def spans_only(count: int) -> dict[Signal, int]:
    return {Signal.TRACES: count, Signal.METRICS: 0}


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_the_bytes_of_a_request_are_submitted_as_they_were_before_compression(
    running: Running, compression: grpc.Compression | None
) -> None:
    body = bytes(range(256)) * 1000
    assert await running.grpc.export(body, compression=compression) == b""
    assert running.log.requests == [body]


async def test_an_empty_request_is_submitted_too(running: Running) -> None:
    assert await running.grpc.export(b"") == b""
    assert running.log.requests == [b""]


async def test_unusable_spans_are_told_to_the_client(running: Running) -> None:
    running.log.answer = Accepted(items=5, rejected=2, reason="no trace id")
    answer = ExportTraceServiceResponse.FromString(await running.grpc.export())
    assert (answer.partial_success.rejected_spans, answer.partial_success.error_message) == (2, "no trace id")


@pytest.mark.parametrize("error", [Undecodable("broken"), TooLarge("broken")])
async def test_what_cannot_be_decoded_must_not_be_sent_again(running: Running, error: Exception) -> None:
    running.log.error = error
    refused = await running.grpc.refused()
    assert (refused.code(), refused.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "broken")
    assert not status_of(refused).details


async def test_a_full_log_names_the_time_to_come_back(running: Running) -> None:
    running.log.error = RetryLater("the log is full", seconds=2.5)
    refused = await running.grpc.refused()
    assert (refused.code(), refused.details()) == (grpc.StatusCode.UNAVAILABLE, "the log is full")
    assert retry_seconds(status_of(refused)) == 2.5


async def test_the_time_stands_where_the_python_exporter_looks_for_it_too(running: Running) -> None:
    running.log.error = RetryLater("the log is full", seconds=2.5)
    metadata = dict((await running.grpc.refused()).trailing_metadata())
    assert RetryInfo.FromString(metadata["google.rpc.retryinfo-bin"]).retry_delay.ToMilliseconds() == 2500


async def test_clients_that_were_refused_together_come_back_at_different_times(running: Running) -> None:
    running.log.error = RetryLater("the log is full")
    seconds = {retry_seconds(status_of(await running.grpc.refused())) for _ in range(5)}
    assert len(seconds) == 5
    assert all(1 <= delay <= 5 for delay in seconds)


async def test_a_long_reason_does_not_break_the_headers(running: Running) -> None:
    running.log.error = Undecodable("ü" * 100_000)
    refused = await running.grpc.refused()
    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.details() == "ü" * 497 + "..."


@pytest.mark.parametrize("method", OTHER_SIGNALS)
async def test_other_signals_are_told_that_only_traces_are_taken(running: Running, method: str) -> None:
    refused = await running.grpc.refused(b"anything", method)
    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "takes traces only" in (refused.details() or "")


async def test_other_services_are_unknown(running: Running) -> None:
    refused = await running.grpc.refused(method="/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_request_above_the_limit_is_refused(start: Start) -> None:
    running = await start(grpc={"max_recv_msg_size_mib": 1})
    await running.grpc.export(bytes(MEBIBYTE))
    refused = await running.grpc.refused(bytes(MEBIBYTE + 1))
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # by grpcio; clients drop it, as they should
    assert [len(request) for request in running.log.requests] == [MEBIBYTE]


async def test_a_decompression_bomb_is_not_decompressed_beyond_the_limit(start: Start) -> None:
    running = await start(grpc={"max_recv_msg_size_mib": 1})
    refused = await running.grpc.refused(bytes(50 * MEBIBYTE), compression=grpc.Compression.Gzip)
    # grpcio before 1.82 decompressed all of it first, and said "Received message larger than max".
    assert refused.details() == "Decompressed message larger than max"
    assert running.log.requests == []


@pytest.mark.parametrize("authorization", ["Bearer s3cret", "bearer s3cret"])
async def test_the_right_token_passes(start: Start, authorization: str) -> None:
    running = await start(grpc={"auth": {"bearer": "s3cret"}})
    await running.grpc.export(b"x", authorization=authorization)
    assert running.log.requests == [b"x"]


@pytest.mark.parametrize("metadata", [{}, {"authorization": "Bearer other"}, {"authorization": "Basic s3cret"}])
async def test_a_wrong_token_is_unauthenticated(start: Start, metadata: dict[str, str]) -> None:
    running = await start(grpc={"auth": {"bearer": "s3cret"}})
    refused = await running.grpc.refused(b"x", **metadata)
    assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    assert running.log.requests == []


async def test_a_defect_is_a_failure_and_the_next_request_passes(running: Running) -> None:
    running.log.error = ZeroDivisionError("a defect")
    assert (await running.grpc.refused()).code() is grpc.StatusCode.UNKNOWN
    assert running.receiver.counts["grpc"].requests[Outcome.FAILURE] == 1
    running.log.error = None
    await running.grpc.export()


async def test_requests_are_counted_by_outcome(running: Running) -> None:
    running.log.answer = Accepted(items=5, rejected=2, reason="no trace id")
    await running.grpc.export(b"four")
    running.log.error = Undecodable("broken")
    await running.grpc.refused(b"x")
    counts = running.receiver.counts["grpc"]
    assert (counts.accepted, counts.rejected, counts.bytes) == (spans_only(3), spans_only(2), 4)
    assert counts.requests == {Outcome.SUCCESS: 1, Outcome.REFUSED: 1, Outcome.FAILURE: 0}


async def test_a_client_that_leaves_before_its_answer_is_counted_as_failure(running: Running) -> None:
    running.log.opened.clear()
    call = asyncio.create_task(running.grpc.export(b"x"))
    await running.log.reached.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    counts = running.receiver.counts["grpc"]
    while not counts.requests[Outcome.FAILURE]:  # noqa: ASYNC110 # counted in the server's task
        await asyncio.sleep(0)
    assert counts.accepted == spans_only(0)


async def test_many_requests_of_one_connection_are_in_flight_together(running: Running) -> None:
    running.log.opened.clear()
    calls = [asyncio.create_task(running.grpc.export(bytes([number]))) for number in range(50)]
    await running.log.reached.wait()
    running.log.opened.set()
    await asyncio.gather(*calls)
    assert sorted(running.log.requests) == [bytes([number]) for number in range(50)]


def test_the_server_runs_on_uvloop() -> None:
    async def exchange() -> list[bytes]:
        log = FakeLog()
        server = GrpcServer(GrpcSettings(endpoint="127.0.0.1:0"), "otlp")
        await server.start(log.submits(Signal.TRACES))
        async with GrpcClient(server.endpoint) as client:
            await asyncio.gather(*(client.export(b"x" * 100_000) for _ in range(20)))
        await server.stop(1)
        return log.requests

    assert uvloop.run(exchange()) == [b"x" * 100_000] * 20

from __future__ import annotations

import asyncio

import grpc
import pytest

from otelbridge.receivers.otlp.intake import Outcome
from tests.receivers.otlp.clients import retry_seconds, status_of
from tests.receivers.otlp.conftest import Running

GRACE_SECONDS = 30.0  # longer than any of these tests takes
REQUEST = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1\r\n\r\nx"


async def in_flight(running: Running, transport: str) -> asyncio.Task[object]:
    """A request that reached the log and waits there."""
    running.log.opened.clear()
    running.log.reached.clear()
    sending = running.grpc.export(b"x") if transport == "grpc" else running.http.post(b"x")
    task: asyncio.Task[object] = asyncio.create_task(sending)
    await running.log.reached.wait()
    return task


async def stopping(running: Running, grace_seconds: float = GRACE_SECONDS) -> asyncio.Task[None]:
    """The receiver's stop, begun."""
    task = asyncio.create_task(running.receiver.stop(grace_seconds))
    await asyncio.sleep(0)  # both servers have begun
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_what_is_in_flight_is_answered_before_the_receiver_stops(running: Running, transport: str) -> None:
    request = await in_flight(running, transport)
    stop = await stopping(running)
    assert not stop.done()
    running.log.opened.set()
    await request
    await stop
    assert running.log.requests == [b"x"]
    assert running.receiver.counts[transport].requests[Outcome.SUCCESS] == 1


async def test_a_new_call_is_told_to_come_back(running: Running) -> None:
    request = await in_flight(running, "grpc")
    stop = await stopping(running)
    refused = await running.grpc.refused()
    assert (refused.code(), refused.details()) == (grpc.StatusCode.UNAVAILABLE, "shutting down")
    assert 1 <= retry_seconds(status_of(refused)) <= 5
    running.log.opened.set()
    await asyncio.gather(request, stop)


async def test_a_new_http_request_is_told_to_come_back(running: Running) -> None:
    request = await in_flight(running, "http")
    stop = await stopping(running)
    refused = await running.http.post()
    assert (refused.status, refused.problem.message) == (503, "shutting down")
    assert refused.headers["Retry-After"] in set("12345")
    running.log.opened.set()
    await asyncio.gather(request, stop)


async def test_a_call_that_outlasts_the_grace_is_told_to_come_back(running: Running) -> None:
    request = await in_flight(running, "grpc")
    await running.receiver.stop(0)
    (error,) = await asyncio.gather(request, return_exceptions=True)
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert retry_seconds(status_of(error)) >= 1
    assert running.receiver.counts["grpc"].requests == {Outcome.SUCCESS: 0, Outcome.REFUSED: 1, Outcome.FAILURE: 0}


async def test_an_http_request_that_outlasts_the_grace_is_told_to_come_back(running: Running) -> None:
    running.log.opened.clear()
    answer = asyncio.create_task(running.http.converse(REQUEST))
    await running.log.reached.wait()
    await running.receiver.stop(0)
    assert (await answer).startswith(b"HTTP/1.1 503 ")
    assert running.receiver.counts["http"].requests == {Outcome.SUCCESS: 0, Outcome.REFUSED: 1, Outcome.FAILURE: 0}


async def test_a_client_that_does_not_finish_its_body_holds_the_receiver_no_longer_than_the_grace(
    running: Running,
) -> None:
    host, _, port = running.http.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(REQUEST[:-3] + b"Expect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # the body is being waited for
    await running.receiver.stop(0)
    assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    writer.close()
    assert running.receiver.counts["http"].requests[Outcome.REFUSED] == 1


async def test_idle_connections_are_closed(running: Running) -> None:
    await running.grpc.export()
    idle = asyncio.create_task(running.http.converse(REQUEST))
    while not running.receiver.counts["http"].requests[Outcome.SUCCESS]:  # noqa: ASYNC110 # counted in the server
        await asyncio.sleep(0)
    await running.receiver.stop(GRACE_SECONDS)
    assert (await idle).startswith(b"HTTP/1.1 200 ")


async def test_stopping_twice_is_harmless(running: Running) -> None:
    await running.receiver.stop(0)
    await running.receiver.stop(0)

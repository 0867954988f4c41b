from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from otelbridge.receivers.otlp.http_protocol import MAX_HEAD_BYTES, BoundedProtocol, Deadlines

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


@dataclass
class Timer:
    seconds: float
    action: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class FakeLoop:
    """Collects timers and lets no application run."""

    timers: list[Timer] = field(default_factory=list)

    def call_later(self, seconds: float, action: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, action))
        return self.timers[-1]

    def create_task(self, coroutine: Any) -> asyncio.Future[None]:
        coroutine.close()
        return asyncio.get_running_loop().create_future()

    @property
    def waiting(self) -> list[float]:
        return [timer.seconds for timer in self.timers if not timer.is_cancelled]

    def expire(self) -> None:
        (timer,) = (timer for timer in self.timers if not timer.is_cancelled)
        timer.action()


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass
class Connection:
    protocol: BoundedProtocol
    loop: FakeLoop
    transport: FakeTransport


@pytest.fixture
async def connection() -> Connection:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        pass

    loop, transport = FakeLoop(), FakeTransport()
    config = uvicorn.Config(app, lifespan="off", ws="none", interface="asgi3", log_config=None)
    protocol = BoundedProtocol(
        deadlines=Deadlines(head_seconds=10, request_seconds=60),
        config=config,
        server_state=ServerState(),
        app_state={},
        _loop=loop,
    )
    protocol.connection_made(transport)
    return Connection(protocol, loop, transport)


async def test_a_connection_that_stays_silent_is_closed(connection: Connection) -> None:
    assert connection.loop.waiting == [10]
    connection.loop.expire()
    assert connection.transport.is_aborted


async def test_a_head_that_does_not_end_is_closed_however_often_a_byte_comes(connection: Connection) -> None:
    connection.protocol.data_received(HEAD[:1])
    (deadline,) = (timer for timer in connection.loop.timers if not timer.is_cancelled)
    for at in range(1, len(HEAD) - 1):
        connection.protocol.data_received(HEAD[at : at + 1])
    assert not deadline.is_cancelled
    connection.loop.expire()
    assert connection.transport.is_aborted


async def test_a_body_that_does_not_end_is_closed(connection: Connection) -> None:
    connection.protocol.data_received(HEAD + b"x")
    assert connection.loop.waiting == [60]
    connection.protocol.data_received(b"x")
    connection.loop.expire()
    assert connection.transport.is_aborted


async def test_a_request_that_came_in_full_has_no_deadline(connection: Connection) -> None:
    connection.protocol.data_received(HEAD + b"body")
    assert connection.loop.waiting == []


async def test_the_next_request_has_a_deadline_of_its_own(connection: Connection) -> None:
    connection.protocol.data_received(HEAD + b"body" + HEAD[:5])
    assert connection.loop.waiting == [10]


async def test_a_lost_connection_has_no_deadline(connection: Connection) -> None:
    connection.protocol.connection_lost(None)
    assert connection.loop.waiting == []


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n"])
async def test_a_head_of_endless_size_is_refused(connection: Connection, start: bytes) -> None:
    connection.protocol.data_received(start)
    filler = b"x: y\r\n" * 1000 if start.endswith(b"\n") else b"x" * 6000
    received = 0
    while not connection.transport.is_closed and received < 10 * MAX_HEAD_BYTES:
        connection.protocol.data_received(filler)
        received += len(filler)
    assert connection.transport.written.startswith(b"HTTP/1.1 400 ")
    assert MAX_HEAD_BYTES < received <= MAX_HEAD_BYTES + len(filler)


async def test_the_end_of_a_large_body_does_not_count_as_the_head_behind_it(connection: Connection) -> None:
    body = b"x" * (2 * MAX_HEAD_BYTES)
    head = HEAD.replace(b": 4", b": %d" % len(body))
    connection.protocol.data_received(head)
    connection.protocol.data_received(body + HEAD[:5])
    connection.protocol.data_received(HEAD[5:] + b"body")
    assert connection.transport.written == b""

"""A running receiver on free ports, in front of a stand-in for the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from otelbridge.core.component import Accepted, BuildContext, Signal, Submit
from otelbridge.receivers.otlp import SPEC, Config, OtlpReceiver
from tests.receivers.otlp.clients import GrpcClient, HttpClient

CERTIFICATES = Path(__file__).parent / "certificates"


@dataclass
class FakeLog:
    """Takes every request, unless told to refuse, to wait, or to leave it to `take`."""

    requests: list[bytes] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    answer: Accepted = field(default_factory=lambda: Accepted(items=3))
    error: Exception | None = None
    take: Submit | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    def submits(self, *signals: Signal) -> dict[Signal, Submit]:
        return {signal: partial(self.submit, signal=signal) for signal in signals}

    async def submit(self, request: bytes, signal: Signal) -> Accepted:
        self.reached.set()
        await self.opened.wait()
        if self.error is not None:
            raise self.error
        if self.take is not None:
            return await self.take(request)
        self.requests.append(request)
        self.signals.append(signal)
        return self.answer


@dataclass
class Running:
    """A receiver that listens, its log, and a client for each protocol."""

    receiver: OtlpReceiver
    log: FakeLog
    grpc: GrpcClient
    http: HttpClient


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a receiver of spans, or of signals by name, with settings of each protocol on top of a free port.

    Stops it after the test.
    """
    async with AsyncExitStack() as stack:

        async def start_receiver(
            *signals: Signal, grpc: dict[str, Any] | None = None, http: dict[str, Any] | None = None
        ) -> Running:
            local = {"endpoint": "127.0.0.1:0"}
            settings = {"protocols": {"grpc": local | (grpc or {}), "http": local | (http or {})}}
            receiver = SPEC.build(Config.model_validate(settings), BuildContext("otlp"))
            log = FakeLog()
            await receiver.start(log.submits(*signals or (Signal.TRACES,)))
            stack.push_async_callback(receiver.stop, 0)
            client = await stack.enter_async_context(GrpcClient(receiver.endpoints["grpc"]))
            return Running(receiver, log, client, HttpClient(receiver.endpoints["http"]))

        yield start_receiver


@pytest.fixture
async def running(start: Start) -> Running:
    """A receiver with default settings."""
    return await start()

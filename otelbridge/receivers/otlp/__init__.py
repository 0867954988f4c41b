"""Takes spans and metrics that applications, SDKs and collectors send over OTLP, as gRPC and as HTTP.

The two protocols are one component, configured as in the Collector, because they hand over the same bytes and tell
clients the same things: `answers` decides what, each server says it in its protocol's words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from otelbridge.core.component import (
    BuildContext,
    ComponentConfig,
    ComponentSpec,
    Kind,
    Receiver,
    ReceiverCounts,
    Signal,
    Submit,
)
from otelbridge.core.errors import CannotStart
from otelbridge.receivers.otlp.grpc_server import GrpcServer, GrpcSettings
from otelbridge.receivers.otlp.http_server import HttpServer, HttpSettings


class Protocols(ComponentConfig):
    """A protocol is served if its key is there, with defaults if nothing stands under it."""

    grpc: GrpcSettings | None = None
    """OTLP over gRPC."""

    http: HttpSettings | None = None
    """OTLP over HTTP, in protobuf and JSON."""

    @model_validator(mode="before")
    @classmethod
    def _take_empty_keys_for_defaults(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {key: {} if value is None else value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _serve_something(self) -> Protocols:
        if self.grpc is None and self.http is None:
            raise ValueError("name at least one protocol: grpc, http")
        return self


class Config(ComponentConfig):
    """Settings of the `otlp` receiver."""

    protocols: Protocols = Protocols(grpc=GrpcSettings(), http=HttpSettings())
    """Which protocols to serve; both on this machine's own address if this is left out."""


class OtlpReceiver(Receiver):
    """Both servers as one receiver."""

    def __init__(self, config: Config, context: BuildContext) -> None:
        protocols = config.protocols
        self._servers: dict[str, GrpcServer | HttpServer] = {}
        if protocols.grpc is not None:
            self._servers["grpc"] = GrpcServer(protocols.grpc, context.id)
        if protocols.http is not None:
            self._servers["http"] = HttpServer(protocols.http, context.id)

    async def start(self, submit: Mapping[Signal, Submit]) -> None:
        """Open the sockets; raises CannotStart, and then none is open."""
        try:
            for server in self._servers.values():
                await server.start(submit)
        except CannotStart:
            await self.stop(0)
            raise

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and return when those in flight are answered or the grace is over."""
        await asyncio.gather(*(server.stop(grace_seconds) for server in self._servers.values()))

    @property
    def endpoint(self) -> str:
        """Like `grpc 127.0.0.1:4317, http 127.0.0.1:4318`, as bound."""
        return ", ".join(f"{transport} {endpoint}" for transport, endpoint in self.endpoints.items())

    @property
    def endpoints(self) -> dict[str, str]:
        """host:port as bound, by transport (`grpc`, `http`)."""
        return {transport: server.endpoint for transport, server in self._servers.items()}

    @property
    def counts(self) -> dict[str, ReceiverCounts]:
        """What came in since start, by transport (`grpc`, `http`)."""
        return {transport: server.counts for transport, server in self._servers.items()}


SPEC: ComponentSpec[OtlpReceiver] = ComponentSpec(
    kind=Kind.RECEIVER,
    name="otlp",
    config=Config,
    build=OtlpReceiver,
    summary="Receives spans and metrics over OTLP: gRPC, HTTP with protobuf, HTTP with JSON.",
)

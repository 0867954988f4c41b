"""OTLP over gRPC: grpcio's asyncio server with handlers that take and return raw bytes.

Nothing is decoded here: the bytes go to the log as they came. Of grpcio's two servers the asyncio one costs less CPU a
request on this loop than the threaded one with a handover to it (`bench/receive.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NoReturn

import grpc
from pydantic import Field

from otelbridge.core.component import ComponentConfig, ReceiverCounts, Signal, Submit
from otelbridge.core.errors import CannotStart, OtelbridgeError
from otelbridge.receivers.otlp import answers
from otelbridge.receivers.otlp.answers import NotOffered, Unauthenticated
from otelbridge.receivers.otlp.intake import ANSWER_SECONDS, Intake
from otelbridge.receivers.otlp.settings import MEBIBYTE, AuthSettings, Endpoint, TlsSettings
from otelbridge.telemetry.serving import Address, listen

EXPORT_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
EXPORT_METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
SIGNALS = {EXPORT_TRACES: Signal.TRACES, EXPORT_METRICS: Signal.METRICS}
OTHER_SIGNALS = {
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export": "profiles",
}
_HANDSHAKE_SECONDS = 10  # a connection that does not get to HTTP/2 by then is not an exporter
_READ_AHEAD_BYTES = 1 * MEBIBYTE
"""Flow-control window of a call: a usual request arrives without waiting for our leave. Fixed instead of probed with
pings, which saves 10 % CPU on requests of 180 kB."""

Context = grpc.aio.ServicerContext[bytes, bytes]


class ServerParameters(ComponentConfig):
    """How the server watches its connections."""

    time_seconds: float = Field(default=120.0, gt=0)
    """A client that was silent for so long is asked for a sign of life."""

    timeout_seconds: float = Field(default=20.0, gt=0)
    """A client that does not answer for so long is disconnected."""

    max_connection_idle_seconds: float | None = Field(default=None, gt=0)
    """Close connections without a request for so long; null: never."""

    max_connection_age_seconds: float | None = Field(default=None, gt=0)
    """Close connections after so long, so that clients spread over instances behind a load balancer; null: never."""

    max_connection_age_grace_seconds: float | None = Field(default=None, gt=0)
    """Time for calls in flight when a connection is closed for its age; null: until they end."""


class EnforcementPolicy(ComponentConfig):
    """What clients may ask of the server; a client that asks more often is disconnected."""

    min_time_seconds: float = Field(default=10.0, gt=0)
    """Least time between a client's pings."""

    permit_without_stream: bool = True
    """Clients may ping while no request is in flight."""


class KeepaliveSettings(ComponentConfig):
    """Detection of connections that died without a word."""

    server_parameters: ServerParameters = ServerParameters()
    """How the server watches its connections."""

    enforcement_policy: EnforcementPolicy = EnforcementPolicy()
    """What clients may ask of the server."""


class GrpcSettings(ComponentConfig):
    """OTLP over gRPC."""

    endpoint: Endpoint = "127.0.0.1:4317"
    """host:port to listen on; 0.0.0.0:4317 for all interfaces."""

    max_recv_msg_size_mib: int = Field(default=16, ge=1, le=1024)
    """Largest request, in MiB, as it comes and decompressed. Larger ones are answered RESOURCE_EXHAUSTED by gRPC."""

    max_concurrent_streams: int = Field(default=100, ge=1, le=100_000)
    """Requests that one connection may have in flight; a client waits with further ones."""

    keepalive: KeepaliveSettings = KeepaliveSettings()
    """Detection of connections that died without a word."""

    tls: TlsSettings | None = None
    """Encrypt connections; without, they are in the clear."""

    auth: AuthSettings | None = None
    """Who may send; without, everybody who can connect."""


class GrpcServer:
    """Serves Export of the signals it is given, and tells clients of the others that they are at the wrong address."""

    def __init__(self, settings: GrpcSettings, receiver: str) -> None:
        self._settings = settings
        self._receiver = receiver
        self._setting = f"receivers.{receiver}.protocols.grpc"
        self._address = Address.parse(settings.endpoint)
        self._server: grpc.aio.Server | None = None
        self._intake: Intake | None = None
        self.counts = ReceiverCounts()

    @property
    def endpoint(self) -> str:
        """host:port as bound."""
        return str(self._address)

    async def start(self, submit: Mapping[Signal, Submit]) -> None:
        """Listen; raises CannotStart."""
        self._intake = Intake(submit, "grpc", self._receiver, self.counts)
        server = grpc.aio.server(
            handlers=[_Methods(self._intake, self._settings.auth)], options=_channel_arguments(self._settings)
        )
        self._address = self._address._replace(port=self._open_port(server))
        await server.start()
        self._server = server

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and return when those in flight are answered or the grace is over."""
        if self._server is None or self._intake is None:
            return
        await self._intake.drain(grace_seconds)
        await self._server.stop(ANSWER_SECONDS)
        self._server = None

    def _open_port(self, server: grpc.aio.Server) -> int:
        # gRPC says in many lines that it failed, and not why.
        probe = listen(self._address, f"receiver {self._receiver}_grpc", f"{self._setting}.endpoint")
        probe.close()
        try:
            if self._settings.tls is None:
                return server.add_insecure_port(str(self._address))
            return server.add_secure_port(str(self._address), self._credentials(self._settings.tls))
        except RuntimeError as error:
            raise CannotStart(f"{self._address} cannot be listened on ({self._setting}): {error}") from None

    def _credentials(self, tls: TlsSettings) -> grpc.ServerCredentials:
        tls.check(f"{self._setting}.tls")
        authority = tls.client_ca_file.read_bytes() if tls.client_ca_file else None
        return grpc.ssl_server_credentials(
            [(tls.key_file.read_bytes(), tls.cert_file.read_bytes())],
            root_certificates=authority,
            require_client_auth=authority is not None,
        )


class _Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg] # it takes arguments in the stubs only
    """Finds the handler of a call. Without serialisers, handlers are given the message's bytes and return bytes."""

    def __init__(self, intake: Intake, auth: AuthSettings | None) -> None:
        self._intake = intake
        self._auth = auth
        self._handlers = {
            method: grpc.unary_unary_rpc_method_handler(self._export(signal))
            for method, signal in SIGNALS.items()
            if signal in intake.signals
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = handler_call_details.method
        if method in self._handlers:
            if self._auth is None or self._auth.allows(_authorization(handler_call_details)):
                return self._handlers[method]
            return self._refuse(Unauthenticated("send the header: authorization: Bearer <token>"))
        if method in SIGNALS:
            return self._refuse(answers.not_fed(SIGNALS[method]))
        if method in OTHER_SIGNALS:
            reason = f"this receiver takes {answers.taken_only(self._intake.signals)}, no {OTHER_SIGNALS[method]}"
            return self._refuse(NotOffered(reason, HTTPStatus.NOT_FOUND))
        return None  # gRPC answers UNIMPLEMENTED

    def _export(self, signal: Signal) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def export(request: bytes, context: Context) -> bytes:
            try:
                with self._intake.request():
                    accepted = await self._intake.submit(signal, request)
            except OtelbridgeError as error:
                await _abort(context, error)
            return answers.success(accepted, signal).SerializeToString()

        return export

    def _refuse(self, error: OtelbridgeError) -> grpc.RpcMethodHandler[Any, Any]:
        async def refuse(_requests: object, context: Context) -> bytes:
            try:
                with self._intake.request():
                    raise error
            except OtelbridgeError as refused:
                await _abort(context, refused)

        # A stream of requests, so that the message of a client that may not send is not read at all.
        return grpc.stream_unary_rpc_method_handler(refuse)


def _authorization(call: grpc.HandlerCallDetails) -> str | bytes | None:
    for key, value in call.invocation_metadata or ():
        if key == "authorization":
            return value
    return None


async def _abort(context: Context, error: OtelbridgeError) -> NoReturn:
    refusal = answers.refusal(error)
    metadata = [("grpc-status-details-bin", refusal.status.SerializeToString())]
    if refusal.retry_after_seconds is not None:
        # Where OpenTelemetry's Python exporter looks for the delay; the others take it from the details.
        retry_info = answers.retry_info(refusal.retry_after_seconds)
        metadata.append(("google.rpc.retryinfo-bin", retry_info.SerializeToString()))
    await context.abort(_STATUS_CODES[refusal.status.code], refusal.status.message, tuple(metadata))


_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _channel_arguments(settings: GrpcSettings) -> list[tuple[str, int]]:
    watch, policy = settings.keepalive.server_parameters, settings.keepalive.enforcement_policy
    milliseconds = {
        "grpc.keepalive_time_ms": watch.time_seconds,
        "grpc.keepalive_timeout_ms": watch.timeout_seconds,
        "grpc.max_connection_idle_ms": watch.max_connection_idle_seconds,
        "grpc.max_connection_age_ms": watch.max_connection_age_seconds,
        "grpc.max_connection_age_grace_ms": watch.max_connection_age_grace_seconds,
        "grpc.http2.min_recv_ping_interval_without_data_ms": policy.min_time_seconds,
        "grpc.server_handshake_timeout_ms": _HANDSHAKE_SECONDS,
    }
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_recv_msg_size_mib * MEBIBYTE),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        ("grpc.keepalive_permit_without_calls", int(policy.permit_without_stream)),
        ("grpc.http2.lookahead_bytes", _READ_AHEAD_BYTES),
        ("grpc.http2.bdp_probe", 0),
        *((name, round(seconds * 1000)) for name, seconds in milliseconds.items() if seconds is not None),
    ]

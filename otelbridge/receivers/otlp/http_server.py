"""OTLP over HTTP: uvicorn with the application of `http_app`, embedded in the loop of the daemon."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import partial

import uvicorn
from pydantic import Field, model_validator

from otelbridge.core.component import ComponentConfig, ReceiverCounts, Signal, Submit
from otelbridge.receivers.otlp.http_app import CorsSettings, OtlpApp, with_cors
from otelbridge.receivers.otlp.http_protocol import BoundedProtocol, Deadlines
from otelbridge.receivers.otlp.intake import ANSWER_SECONDS, Intake
from otelbridge.receivers.otlp.settings import MEBIBYTE, AuthSettings, Endpoint, TlsSettings
from otelbridge.telemetry.serving import Address, EmbeddedServer, listen


class HttpSettings(ComponentConfig):
    """OTLP over HTTP, in protobuf and JSON."""

    endpoint: Endpoint = "127.0.0.1:4318"
    """host:port to listen on; 0.0.0.0:4318 for all interfaces."""

    traces_url_path: str = Field(default="/v1/traces", pattern=r"^/[\w./~-]*$")
    """Where traces are taken."""

    metrics_url_path: str = Field(default="/v1/metrics", pattern=r"^/[\w./~-]*$")
    """Where metrics are taken, if the receiver feeds a pipeline of metrics."""

    max_request_body_size: int = Field(default=16 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE)
    """Largest request body in bytes, as it comes and decompressed."""

    read_header_timeout_seconds: float = Field(default=10.0, gt=0)
    """A client that takes longer to send a request's headers is disconnected."""

    read_timeout_seconds: float = Field(default=60.0, gt=0)
    """A client that takes longer to send a request's body is disconnected."""

    idle_timeout_seconds: int = Field(default=60, ge=1)
    """Connections without a request for so long are closed."""

    cors: CorsSettings | None = None
    """Which web pages may send from a browser; without, none."""

    tls: TlsSettings | None = None
    """Encrypt connections; without, they are in the clear."""

    auth: AuthSettings | None = None
    """Who may send; without, everybody who can connect."""

    @model_validator(mode="after")
    def _tell_signals_apart(self) -> HttpSettings:
        if self.traces_url_path == self.metrics_url_path:
            raise ValueError("traces_url_path and metrics_url_path must differ")
        return self

    @property
    def signals(self) -> dict[str, Signal]:
        """What is taken where."""
        return {self.traces_url_path: Signal.TRACES, self.metrics_url_path: Signal.METRICS}


class HttpServer:
    """Serves the application on a socket that was bound before, so that a taken port is an error of ours to word."""

    def __init__(self, settings: HttpSettings, receiver: str) -> None:
        self._settings = settings
        self._receiver = receiver
        self._setting = f"receivers.{receiver}.protocols.http"
        self._address = Address.parse(settings.endpoint)
        self._server: EmbeddedServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._intake: Intake | None = None
        self.counts = ReceiverCounts()

    @property
    def endpoint(self) -> str:
        """host:port as bound."""
        return str(self._address)

    async def start(self, submit: Mapping[Signal, Submit]) -> None:
        """Listen; raises CannotStart."""
        settings = self._settings
        if settings.tls is not None:
            settings.tls.check(f"{self._setting}.tls")
        self._intake = Intake(submit, "http", self._receiver, self.counts)
        server = EmbeddedServer(self._configuration(self._intake))
        listener = listen(self._address, f"receiver {self._receiver}_http", f"{self._setting}.endpoint")
        self._address = self._address._replace(port=listener.getsockname()[1])
        self._server = server
        self._serving = asyncio.create_task(server.serve(sockets=[listener]), name=f"receiver {self._receiver} http")
        await server.listening.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and return when those in flight are answered or the grace is over."""
        if self._server is None or self._serving is None or self._intake is None:
            return
        await self._intake.drain(grace_seconds)
        self._server.should_exit = True
        await self._serving
        self._server = None

    def _configuration(self, intake: Intake) -> uvicorn.Config:
        settings = self._settings
        app = OtlpApp(intake, settings.signals, settings.auth, settings.max_request_body_size)
        deadlines = Deadlines(settings.read_header_timeout_seconds, settings.read_timeout_seconds)
        tls = settings.tls
        authority = tls.client_ca_file if tls else None
        return uvicorn.Config(
            with_cors(app, settings.cors) if settings.cors else app,
            http=partial(BoundedProtocol, deadlines=deadlines),  # type: ignore[arg-type] # uvicorn only calls it
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,  # the daemon's own logging stands
            access_log=False,
            proxy_headers=False,
            server_header=False,
            workers=1,  # else taken from the environment
            timeout_keep_alive=settings.idle_timeout_seconds,
            timeout_graceful_shutdown=round(ANSWER_SECONDS),
            ssl_certfile=tls.cert_file if tls else None,
            ssl_keyfile=tls.key_file if tls else None,
            ssl_ca_certs=str(authority) if authority else None,
            ssl_cert_reqs=ssl.CERT_REQUIRED if authority else ssl.CERT_NONE,
        )

"""The application around the Python recordings: tracing, a Flask server on loopback, and a client that drives it.

The driver is the standard library's urllib, which no instrumentation here touches: only the server is traced.
"""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import flask
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from werkzeug.serving import WSGIRequestHandler, make_server

USER = "user_42"


def tracer_provider(service_name: str) -> TracerProvider:
    """Tracing that exports over OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT."""
    attributes = {"service.name": service_name, "service.version": "1.0.0"}
    provider = TracerProvider(resource=Resource.create(attributes | {"deployment.environment.name": "test"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@contextlib.contextmanager
def tracing(service_name: str) -> Iterator[TracerProvider]:
    """Tracing for the whole process; on leaving the block everything is exported."""
    provider = tracer_provider(service_name)
    trace.set_tracer_provider(provider)
    yield provider
    provider.shutdown()


def traced_flask(provider: TracerProvider) -> flask.Flask:
    """A Flask application with server spans that know their user."""
    application = flask.Flask("shop")
    FlaskInstrumentor().instrument_app(application, tracer_provider=provider)

    @application.before_request
    def name_the_user() -> None:
        span = trace.get_current_span()
        span.set_attributes({"user.id": USER, "session.id": f"sess_of_{USER}"})
        if "scenario" in flask.request.args:
            span.set_attribute("scenario", flask.request.args["scenario"])

    return application


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: the driver prints what came back."""


@contextlib.contextmanager
def serving(application: Any) -> Iterator[str]:
    """Run a WSGI application on a free loopback port; yields its URL."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def request(url: str, method: str = "GET") -> None:
    """Send one request, read the answer whatever its status, and print how it went."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as response:
            print(method, url, response.status, response.read()[:60])
    except urllib.error.HTTPError as error:
        print(method, url, error.code)


def to_stand_in(request: Any) -> None:
    """Request hook of HTTP clients: what is meant for a provider's real host goes to the stand-in.

    The clients keep their real addresses, so that spans name the real host.
    """
    host, _, port = os.environ["PROVIDER_URL"].removeprefix("http://").partition(":")
    request.url = request.url.copy_with(scheme="http", host=host, port=int(port))


def serve_scenarios(
    provider: TracerProvider, scenarios: dict[str, Callable[[], object]], refusals: tuple[type[Exception], ...]
) -> None:
    """One request to POST /chat for each scenario; one that ends in a refusal is answered with 502."""
    application = traced_flask(provider)

    @application.post("/chat")
    def chat() -> tuple[str, int]:
        try:
            scenarios[flask.request.args["scenario"]]()
        except refusals as error:
            return str(error), 502
        return "", 200

    with serving(application) as url:
        for scenario in scenarios:
            request(f"{url}/chat?scenario={scenario}", "POST")

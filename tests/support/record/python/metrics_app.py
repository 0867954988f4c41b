"""Metrics alone: SQLAlchemy's pools of connections, the process and the machine, requests that are served and sent.

Exported are three moments: connections of two pools in use, then none, then all that one of them may have.
"""

from __future__ import annotations

import os

import flask
import httpx
from app import serving
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.system_metrics import _DEFAULT_CONFIG, SystemMetricsInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from sqlalchemy import Connection, Engine, create_engine, text

HOUR_MS = 3_600_000  # exports happen when force_flush is called
POOL_SIZE, OVERFLOW = 3, 1
LEFT_OUT = ("system.cpu.", "system.disk.", "system.network.")  # series for each device: most of the file, no limit


def meter_provider(service_name: str) -> MeterProvider:
    """Metering that exports over OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT."""
    attributes = {"service.name": service_name, "service.version": "1.0.0"}
    resource = Resource.create(attributes | {"deployment.environment.name": "test"})
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=HOUR_MS)
    return MeterProvider([reader], resource, shutdown_on_exit=False)


def engine(**options: str) -> Engine:
    """A pool of three connections, and one more when they are not enough."""
    url = f"postgresql+psycopg://{os.environ['PGUSER']}@{os.environ['PGHOST']}:{os.environ['PGPORT']}/postgres"
    return create_engine(url, pool_size=POOL_SIZE, max_overflow=OVERFLOW, **options)


def held(made: Engine, number: int) -> list[Connection]:
    """So many connections, each of which has done something."""
    connections = [made.connect() for _ in range(number)]
    for connection in connections:
        connection.execute(text("select 1"))
    return connections


def release(connections: list[Connection]) -> None:
    """Give them back to their pool."""
    for connection in connections:
        connection.close()


def main() -> None:
    """Measure, and export three times."""
    provider = meter_provider("bookshop")
    orders, unnamed = engine(pool_logging_name="orders"), engine()
    SQLAlchemyInstrumentor().instrument(engines=[orders, unnamed], meter_provider=provider)
    config = {name: states for name, states in _DEFAULT_CONFIG.items() if not name.startswith(LEFT_OUT)}
    SystemMetricsInstrumentor(config=config).instrument(meter_provider=provider)
    HTTPXClientInstrumentor().instrument(meter_provider=provider)
    application = flask.Flask("bookshop")
    FlaskInstrumentor().instrument_app(application, meter_provider=provider)

    @application.get("/books/<int:book_id>")
    def book(book_id: int) -> dict[str, int]:
        with orders.connect() as connection:
            connection.execute(text("select 1"))
        return {"id": book_id}

    with serving(application) as url, httpx.Client(base_url=url) as client:
        connections = held(orders, 2) + held(unnamed, 1)
        client.get("/books/1")
        provider.force_flush()

        release(connections)
        client.get("/books/2")
        provider.force_flush()

        connections = held(orders, POOL_SIZE + OVERFLOW) + held(unnamed, 2)
        provider.shutdown()
        release(connections)


if __name__ == "__main__":
    main()

"""The configurations in pipelines/: each is loaded, and run on what real applications sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelbridge.catalogue import catalogue
from otelbridge.config.files import READY_MADE, ready_made
from otelbridge.config.load import load
from otelbridge.config.model import Configuration
from otelbridge.engine.pipeline import build
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from tests.support import recordings

DSN = "https://0123456789abcdef0123456789abcdef@sentry.test/1"
RECORDINGS = ("ai-sdk-v6", "drizzle-pg", "py-django-psycopg", "js-exception")


def configuration(name: str, folder: Path) -> Configuration:
    environment = {"SENTRY_DSN": DSN, "OTELBRIDGE_FILE": str(folder / "file")}
    return load([name], (), environment, catalogue())


def fail(component: str, error: BaseException) -> None:
    raise AssertionError(component) from error


@dataclass
class Outcome:
    """Spans, over all recordings."""

    received: int = 0
    kept: int = 0
    dropped: int = 0
    held: int = 0
    exported: Counter[str] = field(default_factory=Counter)


def run(name: str, folder: Path) -> Outcome:
    """What becomes of the recordings, each in a task of its own a second after its last span ended."""
    plan = configuration(name, folder).pipelines[0]
    assert plan.id == "traces"
    outcome = Outcome()
    for recording in RECORDINGS:
        task = TracesTask(build(plan.id, plan.processors, plan.exporters, str(folder)), fail)
        body = recordings.load(recording)
        list(task.feed(decode([body]), [Stamp(1, last_end_seconds(body) + 1)]))
        task.drain()
        outcome.received += task.ledger.received
        outcome.kept += task.ledger.kept
        outcome.dropped += sum(task.ledger.dropped.values())
        outcome.held += task.ledger.held()
        for exporter, parcels in task.progress().parcels.items():
            outcome.exported[exporter] += sum(parcel.spans for parcel in parcels)
    return outcome


def last_end_seconds(body: bytes) -> float:
    request = ExportTraceServiceRequest.FromString(body)
    groups = (scope.spans for resource in request.resource_spans for scope in resource.scope_spans)
    return max(span.end_time_unix_nano for spans in groups for span in spans) / 1e9


@pytest.mark.parametrize("name", ready_made())
def test_a_ready_made_configuration_is_right_without_any_variable(name: str) -> None:
    assert load([name], (), {}, catalogue()).warnings == ()


@pytest.mark.parametrize("name", ready_made())
def test_a_ready_made_configuration_runs_and_loses_nothing(name: str, tmp_path: Path) -> None:
    outcome = run(name, tmp_path)

    assert outcome.received > 100
    assert outcome.held == 0
    assert outcome.received == outcome.kept + outcome.dropped
    assert outcome.kept > 0
    assert set(outcome.exported.values()) == {outcome.kept}


def test_minimal_keeps_everything(tmp_path: Path) -> None:
    outcome = run("minimal", tmp_path)

    assert outcome.kept == outcome.received


def test_all_of_them_are_documented() -> None:
    page = (READY_MADE.parent / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert [name for name in ready_made() if f"| `{name}` |" not in page] == []

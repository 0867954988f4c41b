"""A Sentry in trouble: what was acknowledged waits, within bounds, and arrives once when the trouble is over."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.e2e.today import now_ms
from tests.support import daemon, otlp, sentry
from tests.support.daemon import Daemon, wait_until
from tests.support.sentry import GOOD, HANGING, RESETTING, Mood, Sentry

SEED = 20_261_124
MIB = 2**20
TRACES = 40
IDLE_BYTES = 300 * MIB  # of a daemon that has imported everything and done nothing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

Span = tuple[str, str]


class Application:
    """Sends traces of three spans, one a request, and knows which were acknowledged."""

    def __init__(self, running: Daemon) -> None:
        self._running = running
        self._random = random.Random(SEED)
        self.acknowledged: set[Span] = set()

    def send(self, traces: int, *, text: int = 0, events: bool = False) -> int:
        """Send so many traces, the root with so much text; stops when the daemon refuses. Returns how many it took."""
        with self._running.grpc() as export:
            for number in range(traces):
                spans = self._trace(text, events=events)
                try:
                    export(otlp.request_of(spans), timeout=60)
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE:  # the only refusal after which clients try again
                        raise
                    return number
                self.acknowledged |= {(span.trace_id.hex(), span.span_id.hex()) for span in spans}
        return traces

    def _trace(self, text: int, *, events: bool) -> list[trace_pb2.Span]:
        now = now_ms()
        queries = [otlp.query(f"select * from t{i}", start_ms=now) for i in range(2)]
        noise = {"noise": self._random.randbytes(text // 2).hex()} if text else {}
        root = otlp.span("GET /", *queries, kind="server", start_ms=now, ms=20.0, attributes=noise)
        if events:
            thrown = {"exception.type": "Broken", "exception.message": f"no {self._random.random()}"}
            root.events = [
                trace_pb2.Span.Event(name="exception", attributes=[otlp.key_value(*i) for i in thrown.items()])
            ]
        return otlp.spans_of(root, self._random.randbytes(16))


@pytest.fixture
def server() -> Iterator[Sentry]:
    with sentry.running() as started:
        yield started


def arrived(server: Sentry) -> Counter[Span]:
    transactions = {taken.payload["event_id"]: taken for taken in server.transactions()}
    return Counter((span["trace_id"], span["span_id"]) for taken in transactions.values() for span in taken.spans)


def peak_bytes(pid: int) -> int:
    """The most memory that the process had resident since its start."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def assert_waiting(running: Daemon, application: Application, failed_attempts: int) -> None:
    """All traces are in the outbox, and the attempts that failed were few."""
    wait_until(lambda: running.metric("otelcol_exporter_queue_size") == TRACES, "all traces are in the outbox")
    metrics = running.metrics()
    assert metrics.value("otelbridge_spans_outbox") == len(application.acknowledged)
    assert metrics.value("otelcol_exporter_queue_size_bytes") > 100 * TRACES
    assert metrics.value("otelcol_exporter_sent_spans") == 0
    assert metrics.value("otelcol_exporter_send_failed_spans") == 0
    assert failed_attempts <= metrics.value("otelcol_exporter_send_attempts_failed") < TRACES


def assert_all_arrived_once(running: Daemon, application: Application, server: Sentry) -> None:
    running.wait_until_all_is_delivered(len(application.acknowledged))
    assert arrived(server) == Counter(application.acknowledged)
    metrics = running.metrics()
    assert metrics.value("otelcol_exporter_sent_spans") == len(application.acknowledged)
    assert metrics.value("otelcol_exporter_send_failed_spans") == 0
    assert metrics.value("otelcol_exporter_queue_size_bytes") == 0
    assert metrics.value("otelbridge_spans_unaccounted") == 0


@pytest.mark.parametrize(
    ("mood", "failed_attempts"),
    [
        (Mood(500), 1),
        (Mood(429, {"X-Sentry-Rate-Limits": "2:transaction:organization"}), 0),
        (HANGING, 1),
        (RESETTING, 1),
    ],
    ids=["500", "429 limits", "hangs", "resets"],
)
def test_what_was_acknowledged_during_a_trouble_arrives_once_when_it_is_over(
    mood: Mood, failed_attempts: int, server: Sentry, tmp_path: Path
) -> None:
    server.mood = mood
    with daemon.running(tmp_path, server.dsn, exporters__sentry__timeout_seconds=1) as running:
        application = Application(running)
        assert application.send(TRACES) == TRACES
        wait_until(lambda: server.attempts, "Sentry is asked")
        wait_until(
            lambda: running.metric("otelcol_exporter_send_attempts_failed") >= failed_attempts, "the failure is counted"
        )
        assert_waiting(running, application, failed_attempts)
        server.mood = GOOD
        assert_all_arrived_once(running, application, server)
        assert running.stop() == 0


def test_a_429_without_a_time_pauses_everything_and_a_new_start_asks_again(server: Sentry, tmp_path: Path) -> None:
    server.mood = Mood(429)
    with daemon.running(tmp_path, server.dsn, service__shutdown_timeout_seconds=3) as running:
        application = Application(running)
        application.send(TRACES)
        wait_until(lambda: server.attempts, "Sentry is asked")
        assert_waiting(running, application, 0)
        assert server.attempts < TRACES
        assert running.stop() == 0
        server.mood = GOOD
        running.start()
        assert_all_arrived_once(running, application, server)


def test_a_limit_on_transactions_does_not_delay_errors(server: Sentry, tmp_path: Path) -> None:
    server.mood = Mood(429, {"X-Sentry-Rate-Limits": "3600:transaction:key"})
    with daemon.running(tmp_path, server.dsn, service__shutdown_timeout_seconds=3) as running:
        application = Application(running)
        application.send(1)
        wait_until(lambda: server.attempts, "Sentry is asked")
        server.mood = GOOD
        application.send(10, events=True)
        wait_until(lambda: len(server.events()) == 10, "the errors arrive")
        assert {taken.kind for taken in server.events()} == {"event"}
        wait_until(lambda: running.metric("otelcol_exporter_queue_size") == 11, "only the transactions wait")
        running.kill()
        running.start()
        assert_all_arrived_once(running, application, server)


def test_a_sentry_that_is_away_for_a_whole_run_gets_everything_after_it(server: Sentry, tmp_path: Path) -> None:
    server.go_away()
    with daemon.running(tmp_path, server.dsn, service__shutdown_timeout_seconds=3) as running:
        application = Application(running)
        assert application.send(3000, text=20_000) == 3000
        wait_until(lambda: running.metric("otelcol_exporter_queue_size") == 3000, "all traces are in the outbox")
        metrics = running.metrics()
        assert 3000 * 10_000 < metrics.value("otelcol_exporter_queue_size_bytes") < 3000 * 80_000
        assert 1 <= metrics.value("otelcol_exporter_send_attempts_failed") < 100
        assert peak_bytes(running.pid) < IDLE_BYTES + 256 * MIB
        assert running.stop() == 0
        assert arrived(server) == Counter()
        server.come_back()
        running.start()
        assert_all_arrived_once(running, application, server)
        assert peak_bytes(running.pid) < IDLE_BYTES + 256 * MIB


def fill(application: Application, running: Daemon) -> bool:
    """Send some; true when the daemon does not go on."""
    application.send(20, text=20_000)
    return running.metric("otelbridge_stalled") == 1


def test_when_everything_is_full_clients_are_refused_and_nothing_acknowledged_is_lost(
    server: Sentry, tmp_path: Path
) -> None:
    server.go_away()
    bounds: dict[str, Any] = {"outbox_capacity_mib": 2, "log_capacity_mib": 4, "segment_mib": 1}
    changes = {f"service__storage__{name}": value for name, value in bounds.items()}
    with daemon.running(tmp_path, server.dsn, **changes) as running:
        application = Application(running)
        wait_until(lambda: fill(application, running), "the outbox is full")
        wait_until(lambda: application.send(100, text=20_000) < 100, "the log is full")
        assert len(application.acknowledged) > 200
        status, reason = running.admin("/readyz")
        assert (status, "outbox" in reason) == (503, True)
        assert running.admin("/healthz")[0] == 200
        server.come_back()
        assert_all_arrived_once(running, application, server)
        assert running.admin("/readyz")[0] == 200
        assert application.send(1) == 1
        assert_all_arrived_once(running, application, server)

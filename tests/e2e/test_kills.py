"""kill -9 at random moments under load: nothing acknowledged is lost, and nothing is told twice in two versions.

One run with many kills, because what matters is what a long life with them leaves behind. The moments spread from
before the daemon is ready, over its first checkpoints, to deliveries, with a Sentry that answers or hangs.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import polars as pl
import pytest

from otelbridge.core.batch import Batch
from otelbridge.processors.dynamic_sampling import Config, DynamicSampling
from tests.support import otlp, sentry
from tests.support.daemon import Daemon, wait_until
from tests.support.sentry import GOOD, HANGING, Sentry

SEED = 20_261_124
KILLS = 21
CLIENTS = 4
KEEP_PERCENT = 50
PAUSE_SECONDS = 0.01  # between a client's requests: load, and still an end
MOMENTS_SECONDS = 0.4  # after the first acknowledgement: appends, the first checkpoint and the first deliveries

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Span = tuple[str, str]
"""Trace id and span id, as Sentry writes them."""


@dataclass
class Book:
    """What the clients know.

    Attributes:
        acknowledged: spans of acknowledged requests.
        repeated: traces of which a request was sent again, because its connection broke before the answer. The daemon
            may have got them twice: OTLP has no means to tell.
    """

    acknowledged: set[Span] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    acknowledgements: int = 0


class Client(threading.Thread):
    """Sends unique traces, each third one in two requests, and each request until it is acknowledged."""

    def __init__(self, daemon: Daemon, number: int, book: Book, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._daemon = daemon
        self._random = random.Random(SEED + number)
        self._book = book
        self._ended = ended
        self._over_http = number == 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            if self._over_http:
                while not self._ended.is_set():
                    self._send_traces(lambda body: self._daemon.post(body)[0] == 200)
            else:
                with self._daemon.grpc() as export:
                    while not self._ended.is_set():
                        self._send_traces(lambda body: export(body, timeout=30) is not None)
        except BaseException as error:
            self.failure = error
            raise

    def _send_traces(self, send: Callable[[bytes], bool]) -> None:
        traces = [self._trace() for _ in range(2)]
        is_cut = self._random.random() < 1 / 3
        parts = [[spans[1::2] for spans in traces], [spans[::2] for spans in traces]] if is_cut else [traces]
        for part in parts:
            self._send([span for spans in part for span in spans], send)
            self._ended.wait(PAUSE_SECONDS)

    def _trace(self) -> list[Any]:
        now_ms = (time.time_ns() - otlp.START_NS) / otlp.MS
        below = [
            otlp.query(f"select * from t{i} where id = {self._random.randrange(1000)}", start_ms=now_ms)
            for i in range(self._random.randint(1, 4))
        ]
        root = otlp.span("GET /", *below, kind="server", start_ms=now_ms, ms=20.0)
        return otlp.spans_of(root, self._random.randbytes(16))

    def _send(self, spans: list[Any], send: Callable[[bytes], bool]) -> None:
        body = otlp.request_of(spans)
        while True:
            try:
                if send(body):
                    break
            except (grpc.RpcError, OSError, http.client.HTTPException):
                self._book.repeated |= {span.trace_id.hex() for span in spans}
            time.sleep(PAUSE_SECONDS)
        self._book.acknowledged |= {(span.trace_id.hex(), span.span_id.hex()) for span in spans}
        self._book.acknowledgements += 1


@dataclass(frozen=True)
class Life:
    """What is left at the end."""

    book: Book
    sentry: Sentry
    balance: dict[str, float]
    kept: set[str]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with sentry.running() as server:
        daemon = Daemon(
            tmp_path_factory.mktemp("kills"),
            server.dsn,
            processors__dynamic_sampling__default_keep=KEEP_PERCENT,
            service__storage__segment_mib=1,
        )
        try:
            book = _live(daemon, server)
            yield Life(book, server, _balance(daemon), _expected({trace for trace, _ in book.acknowledged}))
        finally:
            if daemon.is_alive:
                daemon.kill()


def _live(daemon: Daemon, server: Sentry) -> Book:
    moments = random.Random(SEED)
    book, stop = Book(), threading.Event()
    clients = [Client(daemon, number, book, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for number in range(KILLS):
        server.mood = HANGING if number % 4 == 3 else GOOD
        if number % 11 == 10:  # while it resumes
            daemon.start(ready=False)
        else:
            before = book.acknowledgements
            daemon.start()
            wait_until(lambda before=before: book.acknowledgements > before, "a request is acknowledged")  # type: ignore[misc] # a lambda with a default
        time.sleep(moments.uniform(0, MOMENTS_SECONDS))
        assert daemon.is_alive, daemon.log()
        daemon.kill()
    server.mood = GOOD
    daemon.start()
    stop.set()
    for client in clients:
        client.join(60)
        assert client.failure is None
        assert not client.is_alive()
    return book


def _balance(daemon: Daemon) -> dict[str, float]:
    daemon.wait_until_all_is_delivered(seconds=120)
    metrics = daemon.metrics()
    balance = {
        name: metrics.value(f"otelbridge_spans_{name}") for name in ("received", "kept", "dropped", "unaccounted")
    }
    balance["sampled_out"] = metrics.value("otelbridge_spans_dropped", reason="sampled_out")
    balance["late_sampled_out"] = metrics.value("otelbridge_spans_dropped", reason="late_sampled_out")
    balance["sent"] = metrics.value("otelcol_exporter_sent_spans")
    balance["component_errors"] = metrics.value("otelbridge_component_errors")
    assert daemon.stop() == 0
    return balance


def _expected(traces: set[str]) -> set[str]:
    """Which of these traces a daemon that nothing happens to keeps."""
    ordered = sorted(traces)
    spans = pl.DataFrame(
        {
            "trace_id": pl.Series([int(trace, 16) for trace in ordered], dtype=pl.UInt128),
            "trace_state": pl.Series([""] * len(ordered), dtype=pl.String),
        }
    )
    sampling = DynamicSampling(Config(rules=(), default_keep=KEEP_PERCENT))
    kept = sampling.process(Batch(spans, 0.0, {})).spans["trace_id"]
    return {f"{trace:032x}" for trace in kept}


def _arrived(server: Sentry) -> dict[Span, set[str]]:
    """The spans that Sentry took, with the ids of the transactions that they are in."""
    arrived: dict[Span, set[str]] = {}
    for transaction in server.transactions():
        for span in transaction.spans:
            arrived.setdefault((span["trace_id"], span["span_id"]), set()).add(transaction.payload["event_id"])
    return arrived


def test_every_acknowledged_span_of_a_kept_trace_arrives_and_no_other(life: Life) -> None:
    arrived = _arrived(life.sentry).keys()
    kept = {span for span in life.book.acknowledged if span[0] in life.kept}

    assert len(life.book.acknowledged) > 1000
    assert 0.3 < len(kept) / len(life.book.acknowledged) < 0.7
    assert kept - arrived == set()
    assert {span for span in arrived if span in life.book.acknowledged} == kept


def test_a_trace_is_there_as_a_whole_or_not_at_all(life: Life) -> None:
    there = Counter(trace for trace, _ in _arrived(life.sentry).keys() & life.book.acknowledged)
    sent = Counter(trace for trace, _ in life.book.acknowledged)

    assert {trace: count for trace, count in there.items() if sent[trace] != count} == {}


def test_the_kept_traces_are_those_of_an_uninterrupted_run(life: Life) -> None:
    sent = {trace for trace, _ in life.book.acknowledged}
    assert {trace for trace, _ in _arrived(life.sentry)} & sent == life.kept


def test_what_is_delivered_again_is_the_same_under_the_same_id(life: Life) -> None:
    versions: dict[str, set[bytes]] = {}
    for transaction in life.sentry.transactions():
        if transaction.payload["contexts"]["trace"]["trace_id"] not in life.book.repeated:
            versions.setdefault(transaction.payload["event_id"], set()).add(transaction.body)

    assert versions
    assert [event for event, bodies in versions.items() if len(bodies) > 1] == []


def test_no_span_is_in_two_transactions(life: Life) -> None:
    arrived = {span: ids for span, ids in _arrived(life.sentry).items() if span[0] not in life.book.repeated}

    assert arrived
    assert {span: ids for span, ids in arrived.items() if len(ids) > 1} == {}


def test_most_traces_were_sent_once_so_that_these_tests_say_something(life: Life) -> None:
    sent = {trace for trace, _ in life.book.acknowledged}
    assert len(life.book.repeated) < len(sent) / 2


def test_the_balance_is_even_over_all_restarts(life: Life) -> None:
    balance = life.balance

    assert balance["unaccounted"] == 0
    assert balance["received"] >= len(life.book.acknowledged)
    assert balance["received"] == balance["kept"] + balance["dropped"]
    assert balance["dropped"] == balance["sampled_out"] + balance["late_sampled_out"]
    assert balance["kept"] == balance["sent"]
    assert balance["component_errors"] == 0

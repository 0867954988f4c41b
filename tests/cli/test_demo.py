from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otelbridge.cli.demo import orders, outage, pool
from otelbridge.cli.demo.child import Addresses, addresses
from otelbridge.cli.demo.outcome import Balance, Call, Error, Finding, Stored, Transaction, read_balance, read_stored
from otelbridge.cli.demo.provider import Billed
from otelbridge.cli.demo.report import Shown, broken_promises, report, table
from otelbridge.exporters.local_store import StoredEnvelope

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 100

BALANCE = Balance(
    received=10,
    kept=6,
    dropped={"sampled_out": 4},
    held=0,
    waiting=0,
    rules={"llm": (1, 0), "default": (1, 4)},
    requests={"grpc": 2, "http": 1},
    points=pool.POINTS,
    watched_points=pool.POINTS,
)
CALL = Call("gpt-4o-mini", "ada", 1000, 0, 200, 0.00027)
N_PLUS_ONE = Finding(
    "N+1 query: SELECT messages in GET /conversations",
    {"route": "GET /conversations", "count": 15, "total_ms": 80.4, "example": "select " + "a_column, " * 30},
    kind="n_plus_one",
)
SLOWER = Finding(
    "Queries: postgresql SELECT orders became slower",
    {
        "measurement": "db.query.duration",
        "unit": "ms",
        "since": "2026-11-28T05:06:00+00:00",
        "time": "2026-11-28T05:10:48+00:00",
        "baseline": 19.9231,
        "recent": 35.4513,
        "increase": 0.779402,
    },
    kind="degradation",
    service="orders",
    state="raised",
    key=("degradation", "orders"),
    trace_id="5" * 32,
)
SPIKE = Finding(
    "Errors of orders spike: OrderLocked",
    {
        "error_type": "OrderLocked",
        "start": "2026-11-28T06:10:40+00:00",
        "time": "2026-11-28T06:15:50+00:00",
        "rate": 0.330097,
        "baseline": 0.00574853,
        "multiplier": 57.4228,
    },
    kind="error_spike",
    service="orders",
    state="raised",
    key=("error_spike", "orders"),
    trace_id="6" * 32,
)
SPREAD = Finding(
    "Failures spread from ledger",
    {
        "root": "ledger",
        "count": 3,
        "calls": ["payments -> ledger", "checkout -> payments"],
        "start": "2026-11-28T04:10:40+00:00",
        "time": "2026-11-28T04:11:10+00:00",
    },
    kind="cascade",
    service="ledger",
    state="raised",
    key=("cascade", "ledger"),
    trace_id="6" * 32,
)
FILLING = Finding(
    "db.client.connection.count orders-db is filling up",
    {
        "measurement": "db.client.connection.count",
        "limit": 40.0,
        "utilization": 0.42,
        "growth_per_hour": 0.35,
        "seconds_to_saturation": 6120.0,
        "time": "2026-11-28T05:40:10+00:00",
    },
    kind="capacity",
    service="orders",
    state="raised",
    key=("capacity", "orders-db"),
)
SPIKE_ENDED = replace(
    SPIKE,
    title="Errors of orders are as rare as before: OrderLocked",
    context={"end": "2026-11-28T06:25:40+00:00", "time": "2026-11-28T06:30:50+00:00"},
    state="resolved",
)
STORED = Stored(
    transactions=(
        Transaction("GET /health", "http.server", "chatbot", 1, 2.0, "default"),
        Transaction("GET /health", "http.server", "chatbot", 1, 7.0, "default"),
        Transaction("POST /chat", "http.server", "chatbot", 4, 80.0, "llm"),
        Transaction("GET /orders/{id}", "http.server", "orders", 2, 170.0, "findings", "5" * 32),
        Transaction("GET /orders/{id}", "http.server", "orders", 2, 170.0, "errors", "6" * 32),
    ),
    errors=(
        Error("InvalidRatingError", "'x' is not a rating", "rate (app.py:7)", "POST /ratings", ("ValueError: x",)),
    ),
    findings=(N_PLUS_ONE, SPREAD, FILLING, SLOWER, SPIKE, SPIKE_ENDED),
    slow_queries=(("GET /search", "Slow query detected: documents (600ms)"),),
    calls=(CALL, replace(CALL, user="grace", model="gpt-5-mini", cost_usd=0.001)),
    envelopes=5,
)
SHOWN = Shown(
    sent=10,
    balance=BALANCE,
    stored=STORED,
    bill=(Billed("gpt-4o-mini", 1000, 0, 200), Billed("gpt-5-mini", 1000, 0, 200)),
    seconds=5.0,
)


def with_findings(*findings: Finding) -> Shown:
    """These instead of all that were made of spans alone."""
    return replace(SHOWN, stored=replace(STORED, findings=(*findings, SPREAD, FILLING)))


def only(*findings: Finding) -> Shown:
    return replace(SHOWN, stored=replace(STORED, findings=findings))


def without(finding: Finding) -> Shown:
    rest = tuple(one for one in STORED.findings if one is not finding)
    return replace(SHOWN, stored=replace(STORED, findings=rest))


def environment(temporary: Path) -> dict[str, str]:
    """As hostile as a shell can be: nothing of it may lead the telemetry elsewhere."""
    elsewhere = "http://127.0.0.1:9"
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
        "SENTRY_DSN": "http://key@127.0.0.1:9/1",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": elsewhere,
        "HTTP_PROXY": elsewhere,
        "http_proxy": elsewhere,
        "OPENAI_BASE_URL": elsewhere,
    }


OUTAGE_FAILED = len(outage.FAILING) * 60 // outage.SECONDS_BETWEEN
OUTAGE_FINE = outage.MINUTES * 60 // outage.SECONDS_BETWEEN - OUTAGE_FAILED


def section(printed: str, title: str) -> str:
    found = re.search(rf"^{title}[^\n]*\n-+\n(.*?)\n\n(?=\S)", printed, re.DOTALL | re.MULTILINE)
    assert found, f"no section {title!r} in:\n{printed}"
    return found[1]


@pytest.mark.slow
def test_the_demo_finds_what_its_application_does(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "otelbridge", "demo"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    printed = result.stdout
    assert (result.returncode, result.stderr) == (0, ""), printed
    sent = re.search(r"decide about (\d+) spans", printed)
    assert sent
    assert re.search(
        rf"{sent[1]} of {sent[1]} spans .* in \d+ requests over grpc and \d+ requests over http",
        section(printed, "Received"),
    )
    kept = section(printed, "Kept, and why")
    failed = 1 + sum(request.is_failed for request in orders.requests()) + OUTAGE_FAILED
    assert re.search(rf"errors +100 % +{failed} +{failed} +0", kept)
    assert re.search(r"findings +100 % +2 +2 +0", kept)
    assert re.search(r"llm +100 % +12 +12 +0", kept)
    assert re.search(rf"default +10 % +{150 + OUTAGE_FINE} +\d+ +\d\d+", kept)
    findings = section(printed, "Findings")
    assert "N+1 query: SELECT messages in GET /conversations" in findings
    assert "15 times in one trace" in findings
    assert findings.count("became slower") == 1
    levels = re.search(r"orders became slower\n +how much +([\d.]+) -> ([\d.]+) ms, \+\d\d%\n", findings)
    assert levels
    assert float(levels[1]) == pytest.approx(orders.QUERY_MS, rel=0.1)
    assert float(levels[2]) == pytest.approx(orders.QUERY_MS * orders.SLOWER_BY, rel=0.1)
    assert findings.count("Errors of orders spike") == 1
    spike = re.search(
        r"OrderLocked\n +how often +([\d.]+)% of all requests, (\d+) times the normal ([\d.]+)%", findings
    )
    assert spike
    assert float(spike[1]) == pytest.approx(100 * orders.SPIKE_RATE, rel=0.2)
    assert float(spike[3]) == pytest.approx(100 * orders.BACKGROUND_RATE, rel=0.4)
    assert int(spike[2]) == pytest.approx(float(spike[1]) / float(spike[3]), rel=0.02)
    assert re.search(r"over +\d\d:\d\d:\d\d UTC: Errors of orders are as rare as before", findings)
    assert findings.count("kept by the rule `findings`") == 1
    assert findings.count("kept by the rule `errors`") == 2
    assert re.search(r"spread from ledger\n +through +payments -> ledger, checkout -> payments\n", findings)
    assert re.search(r"orders-db is filling up\n +how full +\d\d% of 40, \+\d\d% an hour\n +full in", findings)
    assert re.search(r"documents \(6\d\dms\), in GET /search", section(printed, "Slow queries"))
    errors = section(printed, "Errors")
    assert "InvalidRatingError: 'eleven' is not a rating" in errors
    assert re.search(r"raised by +rate \(.*application\.py:\d+\)", errors)
    costs = section(printed, "Cost of model calls")
    assert re.search(r"gpt-5-mini-2025-08-07 +6 .* 0\.00[1-9]\d+", costs)
    assert re.search(r"grace +4 .* 0\.00[1-9]\d+", costs)
    assert re.search(rf"{sent[1]} spans received = \d+ kept \+ \d+ dropped", section(printed, "Balance"))
    assert max(map(len, printed.splitlines())) <= WIDTH
    assert list(tmp_path.glob("otelbridge-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "otelbridge", "demo"],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        while "ready" not in demo.stdout.readline():
            assert demo.poll() is None
        (log,) = tmp_path.glob("otelbridge-demo-*/daemon.log")
        os.link(log, tmp_path / "daemon.log")
        demo.send_signal(number)
        _, complaints = demo.communicate(timeout=60)

    assert (demo.returncode, complaints) == (130, "")
    assert list(tmp_path.glob("otelbridge-demo-*")) == []
    assert '"event": "stopped"' in (tmp_path / "daemon.log").read_text()


def test_missing_packages_are_named_with_what_installs_them() -> None:
    program = "import sys; sys.modules['openai'] = None; from otelbridge.cli.main import main; sys.exit(main(['demo']))"

    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(
        r"otelbridge: otelbridge demo needs more packages \(.*openai.*\): pip install 'otelbridge\[demo\]'\n",
        result.stderr,
    )


def test_a_demo_in_which_all_was_found_keeps_its_promises() -> None:
    assert broken_promises(SHOWN) == []


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (replace(SHOWN, sent=11), "10 of 11 spans were received"),
        (replace(SHOWN, balance=replace(BALANCE, kept=5)), "received is not kept + dropped + held"),
        (replace(SHOWN, balance=replace(BALANCE, kept=5, held=1)), "1 spans are undecided"),
        (replace(SHOWN, balance=replace(BALANCE, waiting=2)), "2 kept spans are not delivered"),
        (replace(SHOWN, balance=replace(BALANCE, kept=10, dropped={})), "nothing was sampled out"),
        (with_findings(SLOWER, SPIKE), "the N+1 of GET /conversations was not found"),
        (with_findings(N_PLUS_ONE, SPIKE), "0 degradations were found, not the one of the queries of orders"),
        (
            with_findings(N_PLUS_ONE, SLOWER, SLOWER, SPIKE),
            "2 degradations were found, not the one of the queries of orders",
        ),
        (
            with_findings(N_PLUS_ONE, replace(SLOWER, context={"measurement": "http.route.duration"}), SPIKE),
            "1 degradations were found, not the one of the queries of orders",
        ),
        (with_findings(N_PLUS_ONE, SLOWER, SPIKE_ENDED), "0 error spikes were found, not the one of OrderLocked"),
        (with_findings(N_PLUS_ONE, SLOWER, SPIKE, SPIKE), "2 error spikes were found, not the one of OrderLocked"),
        (
            with_findings(N_PLUS_ONE, replace(SLOWER, trace_id="7" * 32), SPIKE),
            "the example of a finding was not kept",
        ),
        (
            replace(SHOWN, balance=replace(BALANCE, points=pool.POINTS - 1)),
            f"{pool.POINTS - 1} of {pool.POINTS} data points were received",
        ),
        (without(FILLING), "0 findings of capacity were made, not the one of the pool orders-db"),
        (without(SPREAD), "0 cascades were found, not the one from ledger"),
        (replace(SHOWN, stored=replace(STORED, slow_queries=())), "the slow query of GET /search was not found"),
        (replace(SHOWN, stored=replace(STORED, errors=())), "the exception of POST /ratings was not found"),
        (replace(SHOWN, bill=SHOWN.bill[:1]), "the tokens are not those that the provider billed"),
        (
            replace(SHOWN, stored=replace(STORED, calls=(*STORED.calls[:1], replace(STORED.calls[1], cost_usd=None)))),
            "a model call has no cost",
        ),
        (
            replace(SHOWN, stored=replace(STORED, calls=(*STORED.calls[:1], replace(STORED.calls[1], user="")))),
            "a model call has no user",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_promise_is_named(shown: Shown, expected: str) -> None:
    assert broken_promises(shown) == [expected]


def test_the_report_fits_into_its_width() -> None:
    lines = report(SHOWN, kept_folder=False)

    assert max(map(len, lines)) <= WIDTH
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_report_adds_up_costs_by_model_and_by_user() -> None:
    printed = "\n".join(report(SHOWN, kept_folder=False))

    costs = section(printed, "Cost of model calls")
    rows = [line.split() for line in costs.splitlines() if line]
    assert ["gpt-5-mini", "1", "1,000", "0", "200", "0.001000"] in rows
    assert ["ada", "1", "1,000", "0", "200", "0.000270"] in rows
    assert rows.count(["all", "2", "2,000", "0", "400", "0.001270"]) == 2


def test_the_report_groups_transactions_that_are_alike_and_tells_the_slowest() -> None:
    printed = "\n".join(report(SHOWN, kept_folder=False))

    rows = [line.split() for line in section(printed, "What Sentry would get").splitlines()]
    assert ["2", "GET", "/health", "http.server", "chatbot", "1", "7", "ms", "default"] in rows


def test_the_report_tells_of_cached_tokens_that_were_not_passed_on() -> None:
    shown = replace(SHOWN, bill=(Billed("gpt-4o-mini", 1000, 640, 200),))

    assert "640 input tokens came from its cache" in "\n".join(report(shown, kept_folder=False))
    assert "cache, which" not in "\n".join(report(SHOWN, kept_folder=False))


def test_a_balance_that_is_not_even_is_not_called_equal() -> None:
    shown = replace(SHOWN, balance=replace(BALANCE, kept=5))

    assert "10 spans received is NOT 5 kept" in "\n".join(report(shown, kept_folder=False))


def test_a_table_is_as_wide_as_its_widest_cells() -> None:
    assert table(("name", "n"), [("a", "100"), ("longer", "1")], "<>") == [
        "name      n",
        "a       100",
        "longer    1",
    ]


def test_the_balance_is_read_from_metrics() -> None:
    exposition = """
# TYPE otelbridge_spans_received_total counter
otelbridge_spans_received_total{pipeline="traces"} 10.0
# TYPE otelbridge_spans_kept_total counter
otelbridge_spans_kept_total{pipeline="traces"} 6.0
# TYPE otelbridge_spans_dropped_total counter
otelbridge_spans_dropped_total{pipeline="traces",reason="sampled_out"} 4.0
otelbridge_spans_dropped_total{pipeline="traces",reason="expired"} 0.0
# TYPE otelbridge_spans_held gauge
otelbridge_spans_held{pipeline="traces"} 0.0
# TYPE otelbridge_spans_outbox gauge
otelbridge_spans_outbox{exporter="sentry",pipeline="traces"} 0.0
# TYPE otelbridge_sampling_traces_total counter
otelbridge_sampling_traces_total{outcome="kept",pipeline="traces",rule="llm"} 1.0
otelbridge_sampling_traces_total{outcome="dropped",pipeline="traces",rule="llm"} 0.0
otelbridge_sampling_traces_total{outcome="kept",pipeline="traces",rule="mcp"} 0.0
otelbridge_sampling_traces_total{outcome="dropped",pipeline="traces",rule="mcp"} 0.0
otelbridge_sampling_traces_total{outcome="kept",pipeline="traces",rule="default"} 1.0
otelbridge_sampling_traces_total{outcome="dropped",pipeline="traces",rule="default"} 4.0
# TYPE otelcol_receiver_requests_total counter
otelcol_receiver_requests_total{outcome="success",receiver="otlp",transport="grpc"} 2.0
otelcol_receiver_requests_total{outcome="refused",receiver="otlp",transport="grpc"} 3.0
otelcol_receiver_requests_total{outcome="success",receiver="otlp",transport="http"} 1.0
# TYPE otelbridge_metric_points_received_total counter
otelbridge_metric_points_received_total{pipeline="metrics"} 720.0
# TYPE otelbridge_metric_points_measured_total counter
otelbridge_metric_points_measured_total{pipeline="metrics"} 720.0
"""

    assert read_balance(exposition) == BALANCE


def stored(category: str, count: int = 0, **payload: Any) -> StoredEnvelope:
    return StoredEnvelope("id", 0.0, category, count, {"timestamp": 12.0, **payload})


def test_a_transaction_is_read_with_its_slow_queries_and_its_billed_calls() -> None:
    call = {
        "gen_ai.operation.type": "ai_client",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 200,
        "user.id": "ada",
        "otelbridge.cost.usd": 0.00027,
    }
    found = read_stored(
        [
            stored(
                "transaction",
                count=3,
                transaction="POST /chat",
                start_timestamp=11.5,
                contexts={"trace": {"op": "http.server", "data": {"gen_ai.operation.type": "agent"}}},
                tags={"service.name": "chatbot", "sampling.rule": "llm"},
                spans=[{"data": call}, {"data": {}}],
                breadcrumbs={
                    "values": [
                        {"category": "db.performance", "message": "Slow query detected"},
                        {"category": "span.event", "message": "something else"},
                    ]
                },
            )
        ]
    )

    assert found.transactions == (Transaction("POST /chat", "http.server", "chatbot", 3, 500.0, "llm"),)
    assert found.calls == (CALL,)
    assert found.slow_queries == (("POST /chat", "Slow query detected"),)


def test_an_error_is_read_with_its_innermost_frame_and_its_causes() -> None:
    frames = [{"function": "outer"}, {"function": "rate", "filename": "app.py", "lineno": 7}]
    values = [
        {"type": "ValueError", "value": "x"},
        {"type": "InvalidRatingError", "value": "'x' is not a rating", "stacktrace": {"frames": frames}},
    ]

    found = read_stored([stored("error", transaction="POST /ratings", exception={"values": values})])

    assert found.errors == STORED.errors
    assert found.findings == ()


def test_a_finding_is_read_with_its_own_context() -> None:
    found = read_stored(
        [
            stored(
                "error",
                logentry={"formatted": "N+1 query"},
                tags={"finding": "n_plus_one", "service.name": "chatbot"},
                contexts={"n_plus_one": {"count": 15}, "trace": {"trace_id": "1"}},
                fingerprint=["otelbridge", "n_plus_one", "a"],
            )
        ]
    )

    (finding,) = found.findings
    assert finding == Finding(
        "N+1 query",
        {"count": 15},
        kind="n_plus_one",
        service="chatbot",
        key=("otelbridge", "n_plus_one", "a"),
        trace_id="1",
    )
    assert found.errors == ()


def test_where_a_finding_is_in_its_life_is_read() -> None:
    tags = {"finding": "degradation", "finding.state": "resolved"}

    found = read_stored([stored("error", logentry={"formatted": "as fast as before"}, tags=tags, contexts={})])

    assert [finding.state for finding in found.findings] == ["resolved"]


def test_a_degradation_is_told_with_its_levels_its_beginning_and_its_example() -> None:
    printed = section("\n".join(report(only(SLOWER), kept_folder=False)), "Findings")

    assert [line.strip() for line in printed.splitlines()] == [
        "Queries: postgresql SELECT orders became slower",
        "how much      19.9 -> 35.5 ms, +78%",
        "since         05:06:00 UTC, told 5 min later",
        "where         orders",
        "example       trace 55555555, kept by the rule `findings`",
    ]


def test_a_cascade_is_told_with_its_way_and_what_fills_up_with_when_it_is_full() -> None:
    printed = section("\n".join(report(only(FILLING, SPREAD), kept_folder=False)), "Findings")

    assert [line.strip() for line in printed.splitlines()] == [
        "Failures spread from ledger",
        "through       payments -> ledger, checkout -> payments",
        "since         04:10:40 UTC, told 0 min later",
        "where         ledger",
        "example       trace 66666666, kept by the rule `errors`",
        "db.client.connection.count orders-db is filling up",
        "how full      42% of 40, +35% an hour",
        "full in       102 minutes, if it goes on like this",
        "where         orders",
    ]


def test_the_end_of_a_spike_stands_with_its_beginning() -> None:
    printed = section("\n".join(report(only(SPIKE_ENDED, SPIKE), kept_folder=False)), "Findings")

    assert [line.strip() for line in printed.splitlines()] == [
        "Errors of orders spike: OrderLocked",
        "how often     33.0% of all requests, 57 times the normal 0.57%",
        "since         06:10:40 UTC, told 5 min later",
        "where         orders",
        "over          06:25:40 UTC: Errors of orders are as rare as before: OrderLocked",
        "example       trace 66666666, kept by the rule `errors`",
    ]


def test_an_example_that_was_not_kept_is_not_called_kept() -> None:
    shown = replace(SHOWN, stored=replace(STORED, findings=(SLOWER,), transactions=()))

    assert "example       was not kept" in section("\n".join(report(shown, kept_folder=False)), "Findings")


def test_the_end_of_a_finding_is_no_envelope_that_sentry_would_get_unasked() -> None:
    printed = "\n".join(report(SHOWN, kept_folder=False))

    assert f"What Sentry would get: {STORED.envelopes - 1} envelopes" in printed
    assert "1  on demand, the end of a finding: Errors of orders are as rare as before: OrderLocked" in printed
    assert "1  finding: Errors of orders spike: OrderLocked" in printed


def test_the_addresses_are_those_that_the_daemon_logs() -> None:
    runs = '{"admin": "127.0.0.1:3", "event": "otelbridge runs"}'
    receiving = '{"endpoint": "grpc 127.0.0.1:1, http 127.0.0.1:2", "event": "receiving"}'

    assert addresses(["warning: something", runs]) is None
    assert addresses([runs, receiving[:-20]]) is None
    assert addresses([runs, receiving]) == Addresses("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")

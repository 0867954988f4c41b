"""How a daemon starts, refuses to start, stops and goes on."""

from __future__ import annotations

import json
import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.today import now_ms
from tests.support import daemon, otlp, sentry
from tests.support.daemon import Daemon, wait_until
from tests.support.sentry import Sentry

CONFIGURATION_ERROR = 78

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Sentry]:
    with sentry.running() as started:
        yield started


def refused(unstarted: Daemon) -> tuple[int, str]:
    """Exit code of a daemon that cannot start, and the one line that it said."""
    unstarted.start(ready=False)
    code = unstarted.wait_for_end()
    said = unstarted.log().splitlines()
    assert "Traceback" not in unstarted.log()
    assert len(said) == 1, said
    return code, said[0]


def trace(*, with_root: bool = True, number: int = 1) -> list[Any]:
    now = now_ms()
    tree = otlp.span("GET /", otlp.query("select 1", start_ms=now), kind="server", start_ms=now, ms=20.0)
    return otlp.spans_of(tree, random.Random(number).randbytes(16))[0 if with_root else 1 :]


def span_ids(server: Sentry) -> list[str]:
    return sorted(span["span_id"] for taken in server.transactions() for span in taken.spans)


@pytest.mark.parametrize("port", ["grpc_port", "http_port", "admin_port"])
def test_a_port_in_use_is_one_line_that_names_it(port: str, server: Sentry, tmp_path: Path) -> None:
    unstarted = Daemon(tmp_path, server.dsn)
    number = getattr(unstarted, port)
    with socket.create_server(("127.0.0.1", number)):
        code, line = refused(unstarted)
    assert code == 1
    assert f"127.0.0.1:{number}" in line
    assert "in use" in line


@pytest.mark.parametrize("folder", ["/proc/nowhere/data", "{tmp}/a-file/data", "{tmp}/a-file"])
def test_an_unusable_folder_is_one_line_that_names_it(folder: str, server: Sentry, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a folder")
    path = folder.format(tmp=tmp_path)
    code, line = refused(Daemon(tmp_path, server.dsn, service__storage__data_directory=path))
    assert code == 1
    assert path in line
    assert (tmp_path / "a-file").read_text() == "not a folder"


def test_a_second_daemon_on_a_folder_ends_and_the_first_goes_on(server: Sentry, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with daemon.running(tmp_path, server.dsn) as first:
        second = Daemon(tmp_path / "second", server.dsn, service__storage__data_directory=str(first.data))
        code, line = refused(second)
        assert code == 1
        assert str(first.data) in line

        assert first.post(otlp.request_of(trace()))[0] == 200
        first.wait_until_all_is_delivered(2)
        assert len(set(span_ids(server))) == 2  # one may come twice: the kill was before it was noted as delivered
        assert first.stop() == 0


def test_errors_in_the_configuration_are_told_all_at_once(server: Sentry, tmp_path: Path) -> None:
    unstarted = Daemon(tmp_path, server.dsn)
    config = {**unstarted.config, "exporters": {"sentry": {"dns": server.dsn}}, "processors": {"db_querys": None}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    unstarted.start(ready=False)

    assert unstarted.wait_for_end() == CONFIGURATION_ERROR
    said = unstarted.log()
    assert "did you mean" in said
    assert "dns" in said
    assert "db_querys" in said
    assert "Traceback" not in said
    assert not unstarted.data.exists()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_delivers_what_is_decided_and_keeps_what_is_not(
    by: signal.Signals, server: Sentry, tmp_path: Path
) -> None:
    with daemon.running(tmp_path, server.dsn, processors__group_by_trace__decision_wait_seconds=600) as running:
        complete, open_ = trace(number=1), trace(number=2, with_root=False)
        assert running.post(otlp.request_of(complete + open_))[0] == 200
        wait_until(lambda: running.metric("otelbridge_spans_received") == 3, "the spans are read")
        wait_until(lambda: running.metric("otelbridge_spans_held") == 1, "the complete trace is decided")
        assert running.stop(by) == 0
        assert span_ids(server) == sorted(span.span_id.hex() for span in complete)

        running.start()
        assert running.metric("otelbridge_spans_held") == 1
        (root,) = trace(number=2)[:1]
        root.span_id = open_[0].parent_span_id
        assert running.post(otlp.request_of([root]))[0] == 200
        running.wait_until_all_is_delivered(4)
        assert span_ids(server) == sorted(span.span_id.hex() for span in [*complete, *open_, root])
        (together,) = [taken for taken in server.transactions() if taken.spans[0]["span_id"] == root.span_id.hex()]
        assert len(together.spans) == 2
        assert running.metric("otelbridge_spans_unaccounted") == 0
        assert running.stop(by) == 0


def test_a_log_in_memory_decides_everything_at_a_stop(server: Sentry, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "service__storage__log": "memory",
        "processors__group_by_trace__decision_wait_seconds": 600,
    }
    with daemon.running(tmp_path, server.dsn, **changes) as running:
        open_ = trace(with_root=False)
        assert running.post(otlp.request_of(open_))[0] == 200
        wait_until(lambda: running.metric("otelbridge_spans_held") == 1, "the span is held")
        assert running.stop() == 0
        assert span_ids(server) == [open_[0].span_id.hex()]


def test_a_log_in_memory_that_was_killed_counts_what_is_lost(server: Sentry, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "service__storage__log": "memory",
        "processors__group_by_trace__decision_wait_seconds": 600,
    }
    with daemon.running(tmp_path, server.dsn, **changes) as running:
        assert running.post(otlp.request_of(trace(with_root=False)))[0] == 200
        wait_until(lambda: running.metric("otelbridge_spans_held") == 1, "the span is held")
        assert running.post(otlp.request_of(trace(number=2)))[0] == 200
        wait_until(
            lambda: len(set(span_ids(server))) == 2, "a trace that came later is delivered: both are in a checkpoint"
        )
        running.kill()
        running.start()
        assert running.metric("otelbridge_spans_dropped", reason="lost") == 1
        assert running.metric("otelbridge_spans_unaccounted") == 0
        running.wait_until_all_is_delivered(3)
        assert len(set(span_ids(server))) == 2  # one may come twice: the kill was before it was noted as delivered
        assert running.stop() == 0


def test_a_second_signal_ends_the_wait_for_deliveries_and_loses_nothing(server: Sentry, tmp_path: Path) -> None:
    server.mood = sentry.HANGING
    with daemon.running(tmp_path, server.dsn, service__shutdown_timeout_seconds=5) as running:
        assert running.post(otlp.request_of(trace()))[0] == 200
        wait_until(lambda: server.attempts, "Sentry is asked")
        running.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr] # it runs
        assert running.stop() == 0
        server.mood = sentry.GOOD
        running.start()
        running.wait_until_all_is_delivered(2)
        assert len(set(span_ids(server))) == 2
        assert running.stop() == 0


def test_what_is_configured_no_longer_is_forgotten_and_the_log_says_so(server: Sentry, tmp_path: Path) -> None:
    queries = [otlp.query(f"select * from t{number}", start_ms=now_ms()) for number in range(3)]
    tree = otlp.span("GET /", *queries, kind="server", start_ms=now_ms(), ms=20.0)
    with daemon.running(tmp_path, server.dsn) as running:
        assert running.post(otlp.request_of(otlp.spans_of(tree, random.Random(1).randbytes(16))))[0] == 200
        running.wait_until_all_is_delivered(4)
        assert running.stop() == 0
    fewer: dict[str, Any] = {
        "service__pipelines__traces__trackers": ["degradation"],
        "trackers__degradation": {"max_series": 1},
    }

    with daemon.running(tmp_path, server.dsn, **fewer) as running:
        assert running.stop() == 0
    with daemon.running(tmp_path, server.dsn, **fewer) as running:
        assert running.stop() == 0

    said = [json.loads(line) for line in running.log().splitlines() if line.startswith("{")]  # not a warning at start
    forgotten = [(line["of"], line.get("series")) for line in said if line["event"].startswith("forgot ")]
    assert forgotten == [("cascade, error_spike", None), ("degradation", 2)]

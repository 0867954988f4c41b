from __future__ import annotations

from typing import Any

import pytest

from tests.exporters.conftest import NOW, Sent, kept, send
from tests.support.otlp import MS, START_NS, request_of, span, spans_of, trace_id

DAY_NS = 86_400 * 10**9
NOW_NS = int(NOW) * 10**9


def sent(start_ns: int, end_ns: int, *, of: str = "child", resource: dict[str, Any] | None = None) -> Sent:
    """A root and two children, one of the three with these times."""
    spans = spans_of(span("root", span("child"), span("sound", start_ms=1), ms=100), trace_id(1))
    for one in spans:
        if one.name == of:
            one.start_time_unix_nano, one.end_time_unix_nano = start_ns, end_ns
    return send(kept(request_of(spans, resource)))


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "start", "end"),
    [
        pytest.param(START_NS, START_NS - MS, 0.0, 0.0, id="end before start"),
        pytest.param(0, START_NS + MS, 0.001, 0.001, id="no start"),
        pytest.param(START_NS + MS, 0, 0.001, 0.001, id="no end"),
        pytest.param(START_NS, 2**63, 0.0, 80.0, id="end in 2262"),
        pytest.param(2**64 - 1, 2**64 - 1, 80.0, 80.0, id="all in 2554"),
        pytest.param(NOW_NS - 30 * DAY_NS, START_NS, -431_970.0 + 3_600.0, 0.0, id="began a month ago"),
    ],
)
def test_what_can_be_put_right_is_put_right_and_marked(start_ns: int, end_ns: int, start: float, end: float) -> None:
    child = sent(start_ns, end_ns).spans["child"]
    assert child["start_timestamp"] == pytest.approx(START_NS / 1e9 + start, abs=1e-3)
    assert child["timestamp"] == pytest.approx(START_NS / 1e9 + end, abs=1e-3)
    assert child["data"]["otelbridge.repaired"] == "times"


@pytest.mark.parametrize(("start_ns", "end_ns"), [(0, 0), (NOW_NS - 6 * DAY_NS, NOW_NS - 6 * DAY_NS + MS), (1, 2)])
@pytest.mark.parametrize("of", ["root", "child"])
def test_what_is_too_old_is_dropped_alone(start_ns: int, end_ns: int, of: str) -> None:
    result = sent(start_ns, end_ns, of=of)
    assert result.dropped == {"timestamp": 1}
    names = {t["transaction"] for t in result.transactions} | set(result.spans)
    assert names == {"root", "child", "sound"} - {of}


def test_a_bad_time_of_one_span_does_not_touch_the_others() -> None:
    sound = sent(START_NS, 2**63).spans["sound"]
    assert sound["start_timestamp"] == pytest.approx(START_NS / 1e9 + 0.001)
    assert "otelbridge.repaired" not in sound["data"]


def test_a_clock_that_runs_ahead_keeps_its_durations() -> None:
    ahead = 3_600 * 10**9
    spans = spans_of(span("root", span("child", start_ms=10, ms=20), ms=100), trace_id(1))
    for one in spans:
        one.start_time_unix_nano += ahead
        one.end_time_unix_nano += ahead
    made = send(kept(request_of(spans))).transaction
    (child,) = made["spans"]
    assert made["timestamp"] == pytest.approx(NOW)
    assert made["timestamp"] - made["start_timestamp"] == pytest.approx(0.1, abs=1e-5)
    assert child["start_timestamp"] - made["start_timestamp"] == pytest.approx(0.01, abs=1e-5)


def test_only_the_process_with_the_wrong_clock_is_moved() -> None:
    caller = span("a", span("call"))
    theirs = spans_of(span("serve"), trace_id(1), parent=caller.children[0].span_id)
    theirs[0].start_time_unix_nano += 3_600 * 10**9
    theirs[0].end_time_unix_nano += 3_600 * 10**9
    result = send(kept(request_of(spans_of(caller, trace_id(1))), request_of(theirs, {"service.name": "users"})))
    by_name = {t["transaction"]: t for t in result.transactions}
    assert by_name["a"]["start_timestamp"] == pytest.approx(START_NS / 1e9)
    assert by_name["serve"]["timestamp"] == pytest.approx(NOW)


def test_the_age_that_a_server_takes_is_a_setting() -> None:
    spans = spans_of(span("root"), trace_id(1))
    spans[0].start_time_unix_nano -= 2 * DAY_NS
    spans[0].end_time_unix_nano -= 2 * DAY_NS
    assert send(kept(request_of(spans)), max_age_days=1).dropped == {"timestamp": 1}
    assert send(kept(request_of(spans)), max_age_days=3).dropped == {}

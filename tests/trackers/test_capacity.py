from __future__ import annotations

import random
from itertools import accumulate, pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.identities import hash_series
from otelbridge.core.findings import Finding
from otelbridge.engine.open_findings import OpenFindings
from otelbridge.exporters.sentry.findings import finding_event
from otelbridge.semconv.measurements import LLM_TOKENS
from otelbridge.trackers.capacity import Capacity, Config
from otelbridge.trackers.capacity.latest import latest
from otelbridge.trackers.capacity.limits import ToldLimits
from otelbridge.trackers.capacity.open_alarms import OpenAlarms

START = 1_790_000_000.0
MINUTE = 60.0


def minute(number: int, **tokens: float) -> pl.DataFrame:
    """What each provider used in a minute."""
    rows = [
        {
            "time": START + number * MINUTE,
            "value": amount,
            "count": 1,
            "trace_id": number + 1,
            "span_id": number + 1,
            "environment": "prod",
            "gen_ai.provider.name": provider,
        }
        for provider, amount in tokens.items()
    ]
    return pl.DataFrame(rows, schema=LLM_TOKENS.schema())


def findings(by: list[str] | None) -> list[Finding]:
    """Of four hours in which two providers use what would be up after five."""
    limit = {"measurement": LLM_TOKENS.name, "limit": 300.0, "by": by, "per": "day"}
    tracker = Capacity(Config.model_validate({"limits": [limit]}))
    return [
        finding
        for number in range(240)
        for finding in tracker.observe({LLM_TOKENS.name: minute(number, openai=0.5, mistral=0.5)}, START)
    ]


def test_all_series_share_a_limit_that_is_by_nothing() -> None:
    assert [finding.key for finding in findings(by=[])] == [("llm.tokens a day",)]


@pytest.mark.parametrize("by", [["gen_ai.provider.name"], None])
def test_each_series_has_the_whole_limit(by: list[str] | None) -> None:
    assert findings(by=by) == []


POOL = "db.client.connection.count"
MAX = "db.client.connection.max"


def points(number: int, state: str, value: float, pool: str = "orders", instance: str = "a") -> dict[str, object]:
    """A data point of a pool's metric, as a measurement."""
    return {
        "time": START + number * MINUTE,
        "value": value,
        "count": 1,
        "trace_id": 0,
        "span_id": 0,
        "release": None,
        "environment": "prod",
        "service": "shop",
        "instance": instance,
        "db.client.connection.pool.name": pool,
        "db.client.connection.state": state,
    }


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema_overrides={"trace_id": pl.UInt128, "span_id": pl.UInt64})


def filling(tracker: Capacity, told: bool = True, hours: int = 4, largest: float = 60.0) -> list[Finding]:
    """A pool of 60 connections that fills up within five hours, and one of 600 that is as busy."""
    found: list[Finding] = []
    for number in range(hours * 60):
        used = number * 60.0 / 300.0
        measurements = {
            POOL: frame(
                points(number, "used", used),
                points(number, "idle", 60.0 - used),
                points(number, "used", used, "large"),
            )
        }
        if told:
            measurements[MAX] = frame(points(number, "", largest), points(number, "", 600.0, "large"))
        found += tracker.observe(measurements, START + number * MINUTE)
    return found


def test_a_limit_that_a_metric_tells_is_known_and_each_series_has_its_own() -> None:
    (finding,) = filling(Capacity(Config()))

    assert finding.tags["db.client.connection.pool.name"] == "orders"
    assert finding.title == f"{POOL} orders is filling up"
    assert finding.contexts["capacity"]["limit"] == 60.0
    assert finding.contexts["capacity"]["utilization"] == pytest.approx(0.6, abs=0.1)


def test_pools_of_two_instances_have_lives_of_their_own_and_one_issue() -> None:
    tracker = Capacity(Config())
    found: list[Finding] = []
    for number in range(240):
        rows = [points(number, "used", number * 60.0 / 300.0, instance=instance) for instance in ("a", "b")]
        limits = [points(number, "", 60.0, instance=instance) for instance in ("a", "b")]
        found += tracker.observe({POOL: frame(*rows), MAX: frame(*limits)}, START + number * MINUTE)

    told = list(OpenFindings().admit(found))
    events = [finding_event(finding) for finding in told]

    assert [finding.instance for finding in told] == ["a", "b"]
    assert events[0]["fingerprint"] == events[1]["fingerprint"]
    assert events[0]["event_id"] != events[1]["event_id"]


def test_a_series_whose_limit_nobody_tells_is_not_watched() -> None:
    tracker = Capacity(Config())

    assert filling(tracker, told=False) == []
    assert tracker.series == 0


def test_a_limit_of_nothing_is_none() -> None:
    assert filling(Capacity(Config()), largest=0.0) == []


def test_known_limits_can_be_left_out() -> None:
    assert filling(Capacity(Config(known_limits=False))) == []


def test_an_own_limit_takes_the_place_of_a_known_one() -> None:
    by = ["environment", "service", "instance", "db.client.connection.pool.name"]
    own = {"measurement": POOL, "limit": 6000, "by": by, "where": {"db.client.connection.state": "used"}}

    assert filling(Capacity(Config.model_validate({"limits": [own]}))) == []


def test_only_rows_that_are_asked_for_count() -> None:
    by = ["db.client.connection.pool.name"]
    limit = {"measurement": POOL, "limit": 60, "by": by, "where": {"db.client.connection.state": "waiting"}}

    assert filling(Capacity(Config.model_validate({"limits": [limit], "known_limits": False}))) == []


def test_what_was_told_about_limits_outlives_a_restart() -> None:
    saved, restored = Capacity(Config()), Capacity(Config())
    filling(saved, hours=1)
    restored.restore({part: state for part, state in saved.changes().items() if state is not None})
    later = [
        {POOL: frame(points(number, "used", number * 60.0 / 300.0))} for number in range(60, 240)
    ]  # the limit is not told again

    findings = [restored.observe(measurements, START) for measurements in later]

    assert [finding.kind for found in findings for finding in found] == ["capacity"]
    assert dict(saved.changes()) == {}


def test_no_more_limits_are_remembered_than_series() -> None:
    limits = ToldLimits(max_series=2)
    watched = (POOL, ("db.client.connection.pool.name",))
    frames = [frame(points(0, "", 60.0, pool)) for pool in ("a", "b", "c")]
    for one in frames:
        limits.learn(watched, one)

    told = [limits.of(hash_series(watched, one)).tolist() for one in frames]

    assert str(told) == "[[nan], [60.0], [60.0]]"


def test_what_a_known_metric_cannot_be_is_ignored_and_counted() -> None:
    tracker = Capacity(Config())
    found = [
        finding
        for number in range(60)
        for finding in tracker.observe(
            {
                POOL: frame(points(number, "used", 10.0), points(number, "used", -8.0, "large")),
                MAX: frame(points(number, "", 4.0), points(number, "", 10.0, "large")),
            },
            START + number * MINUTE,
        )
    ]

    assert found == []
    assert tracker.counters["impossible"] == 120


def test_an_own_limit_may_be_exceeded() -> None:
    tracker = Capacity(Config.model_validate({"limits": [{"measurement": "queue.depth", "limit": 100, "by": []}]}))
    rows = [{"queue.depth": frame(points(number, "", 150.0))} for number in range(60)]

    (finding,) = [one for number, row in enumerate(rows) for one in tracker.observe(row, START + number * MINUTE)]

    assert finding.contexts["capacity"]["utilization"] == 1.5


def test_a_known_pool_of_one_is_not_judged() -> None:
    tracker = Capacity(Config())
    for number in range(60):
        measurements = {POOL: frame(points(number, "used", 1.0)), MAX: frame(points(number, "", 1.0))}
        assert tracker.observe(measurements, START + number * MINUTE) == []

    assert tracker.series == 0


def test_an_alarm_ends_when_its_instance_is_not_heard_of_any_more() -> None:
    tracker = Capacity(Config())
    found: list[Finding] = []
    for number in range(500):
        rows = [points(number, "used", 6.0, instance="b")]
        limits = [points(number, "", 60.0, instance=instance) for instance in ("a", "b")]
        if number < 120:
            rows.append(points(number, "used", 57.0, instance="a"))
        found += tracker.observe({POOL: frame(*rows), MAX: frame(*limits)}, START + number * MINUTE)

    raised, resolved = found

    assert (raised.state, raised.instance, resolved.state, resolved.instance) == ("raised", "a", "resolved", "a")
    assert resolved.title == f"{POOL} orders is not heard of any more"
    assert resolved.time - START == pytest.approx((119 + 180) * MINUTE)
    assert (tracker.series, tracker.counters["gone"]) == (1, 1)


def test_an_alarm_ends_when_its_series_has_to_leave() -> None:
    tracker = Capacity(Config(max_series=1))
    found: list[Finding] = []
    for number in range(61):
        instance = "a" if number < 60 else "b"
        measurements = {
            POOL: frame(points(number, "used", 57.0, instance=instance)),
            MAX: frame(points(number, "", 60.0, instance=instance)),
        }
        found += tracker.observe(measurements, START + number * MINUTE)

    assert [(one.state, one.instance) for one in found] == [("raised", "a"), ("resolved", "a")]


def test_open_alarms_outlive_a_restart() -> None:
    saved, restored = Capacity(Config()), Capacity(Config())
    for number in range(60):
        measurements = {POOL: frame(points(number, "used", 57.0)), MAX: frame(points(number, "", 60.0))}
        saved.observe(measurements, START + number * MINUTE)
    restored.restore({part: state for part, state in saved.changes().items() if state is not None})

    other = {POOL: frame(points(400, "used", 1.0, "other")), MAX: frame(points(400, "", 60.0, "other"))}

    assert [one.state for one in restored.observe(other, START)] == ["resolved"]


def test_a_share_a_little_above_its_limit_counts() -> None:
    tracker = Capacity(Config())
    full = [{"container.memory.percent": frame(points(number, "", 100.2))} for number in range(60)]

    found = [one for number, rows in enumerate(full) for one in tracker.observe(rows, START + number * MINUTE)]

    assert [one.state for one in found] == ["raised"]


def test_an_alarm_about_what_is_watched_no_more_is_forgotten_at_a_restart() -> None:
    saved, restored = OpenAlarms(), OpenAlarms()
    saved.note(0, (POOL, (), ()), is_alarm=True)
    state = saved.changes()

    assert state is not None
    restored.restore(state, {0: (MAX, (), ())})
    restored.hear([0], [START])
    assert restored.take_silent() == []


def test_how_late_it_is_outlives_a_restart() -> None:
    saved, restored = OpenAlarms(), OpenAlarms()
    identity = (POOL, (), ())
    saved.note(0, identity, is_alarm=True)
    saved.changes()
    saved.hear([1], [START])
    state = saved.changes()

    assert state is not None
    restored.restore(state, {0: identity})
    assert [slot for slot, _ in restored.take_silent()] == [slot for slot, _ in saved.take_silent()] == [0]


ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["", "openai", "mistral"]),
        st.sampled_from([-0.0, 0.0, 59.9, 60.0, 119.999999, 120.0, 3600.0]),
        st.floats(-1e300, 1e300),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=40,
)


@given(ROWS, st.integers(0, 40))
def test_each_series_and_minute_is_one_row_with_its_latest_value_and_the_sum_of_all(
    rows: list[tuple[str | None, float, float, int]], cut: int
) -> None:
    expected: dict[tuple[str | None, float], tuple[float, float, int]] = {}
    for place, (provider, time, value, count) in enumerate(rows):
        newest, total, _ = expected.get((provider, time // MINUTE), (time, 0.0, 0))
        expected[provider, time // MINUTE] = (max(newest, time), total + value * count, place + 1)
    columns = {"time": 1, "value": 2, "count": 3, "gen_ai.provider.name": 0}
    whole = pl.DataFrame(
        {
            **{name: [row[place] for row in rows] for name, place in columns.items()},
            "trace_id": range(1, len(rows) + 1),
        },
        schema_overrides={"gen_ai.provider.name": pl.String, "count": pl.UInt32},
    )
    pieces = pl.concat([whole[:cut], whole[cut:]], rechunk=False)

    seen = latest(("llm.tokens a day", ("gen_ai.provider.name",)), pieces)

    examples = [seen.example(place)["trace_id"] for place in range(len(seen))]
    found = list(zip(seen.times.tolist(), seen.sums.tolist(), examples, strict=True))
    assert found == list(expected.values())
    assert seen.values.tolist() == [rows[example - 1][2] for example in examples]


def test_sums_are_made_in_the_order_of_the_rows_however_the_frame_is_cut() -> None:
    values = [random.Random(1).lognormvariate(0.0, 8.0) for _ in range(5000)]
    whole = pl.DataFrame({"time": 0.0, "value": values, "count": 1})
    expected = 0.0
    for value in values:
        expected += value

    for cuts in ([5000], [1, 4999], [1000, 3000, 1000], [7] * 700 + [100]):
        bounds = [0, *accumulate(cuts)]
        pieces = [whole[begin:end] for begin, end in pairwise(bounds)]
        seen = latest(("llm.cost.usd a day", ()), pl.concat(pieces, rechunk=False))
        assert seen.sums.tolist() == [expected]

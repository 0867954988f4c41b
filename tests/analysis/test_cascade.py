from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.cascade import Call, CascadeDetector, Outcome

SECONDS = 700
START = 300
Calls = list[tuple[str, str]]
Failing = dict[str, tuple[int, float]]

CHAIN = [("edge", "shop"), ("shop", "stock"), ("stock", "store")]
FAN_IN = [("a", "shared"), ("b", "shared"), ("c", "shared")]
DATABASE = [("edge", "shop"), ("shop", "postgresql"), ("stock", "postgresql")]


def seconds(
    calls: Calls,
    failing: Failing,
    silent: set[str] = frozenset(),  # type: ignore[assignment]
    rate: float = 5.0,
    seed: int = 1,
    ends: dict[str, int] = {},  # noqa: B006 # read only
) -> list[tuple[list[Call], list[Outcome]]]:
    """Per second, the calls and outcomes: a failing service fails from a second on, for two minutes, with a share.

    Those in `ends` fail until another second.
    """
    random = np.random.default_rng(seed)
    names = sorted({name for call in calls for name in call} | failing.keys())
    stream = []
    for second in range(SECONDS):
        share = dict.fromkeys(names, 0.005)
        share |= {
            name: part for name, (start, part) in failing.items() if start <= second < ends.get(name, start + 120)
        }
        totals = {name: int(random.poisson(rate)) for name in names}
        failed = {name: int(random.binomial(totals[name], share[name])) for name in names}
        stream.append(
            (
                [Call("prod", a, b, second, totals[b], failed[b]) for a, b in calls if totals[b]],
                [
                    Outcome("prod", name, second, totals[name], failed[name])
                    for name in names
                    if name not in silent and totals[name]
                ],
            )
        )
    return stream


def said(
    stream: list[tuple[list[Call], list[Outcome]]], detector: CascadeDetector | None = None
) -> list[dict[str, Any]]:
    detector = CascadeDetector() if detector is None else detector  # an empty one is false
    return [event for calls, outcomes in stream for event in detector.update(calls, outcomes)]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


@pytest.mark.parametrize(
    ("calls", "failing", "silent", "root"),
    [
        (CHAIN, {"store": (START, 0.8), "stock": (START + 3, 0.7), "shop": (START + 6, 0.6)}, set(), "store"),
        (FAN_IN, {"shared": (START, 0.9), "a": (START + 2, 0.8), "b": (START + 3, 0.5)}, set(), "shared"),
        (DATABASE, {"postgresql": (START, 0.9), "shop": (START + 1, 0.8), "stock": (START + 1, 0.8)}, {"postgresql"},
         "postgresql"),
    ],
    ids=["chain", "fan in", "shared database"],
)  # fmt: skip
def test_a_cascade_is_told_once_with_its_root(calls: Calls, failing: Failing, silent: set[str], root: str) -> None:
    events = said(seconds(calls, failing, silent))

    assert kinds(events) in (["alert", "recovery"], ["alert", "info", "recovery"])
    assert events[0]["root"] == root
    assert set(events[-1]["services"]) == failing.keys()
    assert events[0]["services"][0] == root
    assert 0 <= events[0]["time"] - START <= 60


def test_services_stand_in_causal_order() -> None:
    failing = {"store": (START, 0.9), "stock": (START + 2, 0.9), "shop": (START + 4, 0.9), "edge": (START + 6, 0.9)}

    (alert, *_) = said(seconds(CHAIN, failing, rate=20.0))

    assert alert["services"] == ["store", "stock", "shop", "edge"]
    assert alert["edges"] == [("stock", "store"), ("shop", "stock"), ("edge", "shop")]
    assert alert["trigger"] == "store"


def test_a_cascade_that_grows_is_the_same_one() -> None:
    failing = {"store": (START, 0.9), "stock": (START + 2, 0.9), "shop": (START + 4, 0.9), "edge": (START + 60, 0.9)}

    events = said(seconds(CHAIN, failing, rate=20.0))

    assert kinds(events) == ["alert", "info", "recovery"]
    assert events[1]["services"] == ["store", "stock", "shop", "edge"]
    assert {event["root"] for event in events} == {"store"}


CHAT = [("chatbot", "assistant"), ("assistant", "retriever"), ("retriever", "store"), ("chatbot", "store")]
FROM_THE_STORE = {"store": (START, 0.9), "assistant": (START, 0.9), "chatbot": (START, 0.9), "retriever": (380, 0.9)}
"""The retriever is known to fail much later than the rest: until then nothing that the assistant calls seems to."""


def roots(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["kind"], event["root"]) for event in events]


def test_of_two_callees_that_fail_at_once_the_one_that_sends_no_spans_is_the_root() -> None:
    calls = [("chatbot", "assistant"), ("chatbot", "postgresql")]
    failing = dict.fromkeys(("assistant", "chatbot", "postgresql"), (START, 0.9))

    events = said(seconds(calls, failing, {"postgresql"}, rate=20.0))

    assert roots(events) == [("alert", "postgresql"), ("recovery", "postgresql")]
    assert set(events[0]["first_failures"].values()) == {START}
    assert events[0]["trigger"] == "postgresql"


@pytest.mark.parametrize("calls", [[("front", "a"), ("front", "b")], [("front", "b"), ("front", "a")]])
def test_of_two_services_that_one_calls_and_that_fail_at_once_the_first_by_name_is_the_root(calls: Calls) -> None:
    events = said(seconds(calls, dict.fromkeys(("b", "front", "a"), (START, 0.9)), rate=20.0))

    assert roots(events) == [("alert", "a"), ("recovery", "a")]


def test_a_call_that_is_first_seen_when_the_cascade_is_told_counts_at_once() -> None:
    failing = dict.fromkeys(("assistant", "chatbot", "store"), (START, 0.9))
    stream = seconds([("chatbot", "assistant"), ("assistant", "store"), ("chatbot", "store")], failing, rate=20.0)
    (told, *_) = said(stream)
    detector = CascadeDetector()
    for calls, outcomes in stream[: int(told["time"]) + 1]:
        known = [call for call in calls if call.caller == "chatbot" or call.time == told["time"]]
        events = detector.update(known, outcomes)

    assert roots(events) == [("alert", "store")]
    assert ("assistant", "store") in events[0]["edges"]


def test_a_root_that_calls_what_is_known_to_fail_only_later_is_corrected() -> None:
    events = said(seconds(CHAT, FROM_THE_STORE, rate=20.0))

    assert roots(events) == [
        ("alert", "assistant"),
        ("recovery", "assistant"),
        ("alert", "store"),
        ("recovery", "store"),
    ]
    assert [event["root_now"] for event in events] == ["", "store", "", ""]
    assert [event["root_before"] for event in events] == ["", "", "assistant", "assistant"]
    assert events[1]["time"] == events[2]["time"]
    assert {event["start"] for event in events} == {float(START)}
    assert events[2]["services"] == ["store", "chatbot", "retriever", "assistant"]


def test_a_root_is_corrected_when_a_call_becomes_known_though_nobody_joins() -> None:
    failing = {name: (START, 0.9) for name in FROM_THE_STORE if name != "retriever"}
    calls = [("chatbot", "assistant"), ("assistant", "store"), ("chatbot", "store")]
    stream = [
        ([call for call in seen if call.caller == "chatbot" or call.time > START + 60], outcomes)
        for seen, outcomes in seconds(calls, failing, rate=20.0)
    ]

    assert roots(said(stream)) == [
        ("alert", "assistant"),
        ("recovery", "assistant"),
        ("alert", "store"),
        ("recovery", "store"),
    ]


def test_a_root_that_calls_nothing_that_fails_stays_whatever_else_begins_to() -> None:
    calls = [*CHAIN, ("edge", "openai")]
    failing = {"store": (START, 0.9), "stock": (START, 0.9), "shop": (START, 0.9), "edge": (START, 0.9)}

    events = said(seconds(calls, {**failing, "openai": (START + 50, 0.9)}, {"openai"}, rate=20.0))

    assert roots(events) == [("alert", "store"), ("info", "store"), ("recovery", "store")]


def test_services_that_fail_a_little_longer_than_the_root_are_no_new_root() -> None:
    failing = {"store": (START, 0.9), "stock": (START, 0.9), "shop": (START, 0.9)}
    ends = {"store": START + 90, "stock": START + 110, "shop": START + 120}

    events = said(seconds(CHAIN, failing, rate=20.0, ends=ends))

    assert roots(events) == [("alert", "store"), ("recovery", "store")]


def test_a_root_that_is_over_is_another_one_where_failures_still_spread() -> None:
    failing = dict.fromkeys(("store", "assistant", "chatbot"), (START, 0.9))
    ends = {"assistant": START + 60, "chatbot": START + 250, "store": START + 250}

    events = said(seconds([("chatbot", "assistant"), ("chatbot", "store")], failing, rate=20.0, ends=ends))

    assert roots(events) == [
        ("alert", "assistant"),
        ("recovery", "assistant"),
        ("alert", "store"),
        ("recovery", "store"),
    ]


def test_what_is_told_last_tells_the_whole_cascade() -> None:
    failing = {"store": (START, 0.9), "stock": (START + 2, 0.9), "shop": (START + 6, 0.9), "edge": (START + 60, 0.9)}

    alert, info, recovery = said(seconds(CHAIN, failing, rate=20.0))

    told = ("services", "first_failures", "edges", "trigger", "start", "root")
    assert [recovery[name] for name in told] == [info[name] for name in told]
    assert recovery["first_failures"].keys() == failing.keys()
    assert recovery["edges"] == [("stock", "store"), ("shop", "stock"), ("edge", "shop")]
    assert recovery["first_failures"].items() >= alert["first_failures"].items()


def test_who_failed_first_is_the_same_while_it_lasts() -> None:
    failing = {**FROM_THE_STORE, "chatbot": (START - 5, 0.9)}
    ends = {"chatbot": START + 60}

    events = said(seconds(CHAT, failing, rate=20.0, ends=ends))

    assert len(events) == 4
    assert {event["trigger"] for event in events} == {"chatbot"}


@pytest.mark.parametrize(
    ("calls", "failing"),
    [
        ([("x", "a"), ("y", "b"), ("z", "c")], {"a": (START, 0.9), "b": (START + 1, 0.9), "c": (START + 2, 0.9)}),
        (CHAIN, {"store": (START, 0.9), "stock": (START + 2, 0.9)}),
        (CHAIN, {"store": (200, 0.9), "stock": (340, 0.9), "shop": (480, 0.9)}),
        (CHAIN, {}),
    ],
    ids=["not connected", "only two", "minutes apart", "background errors"],
)
def test_what_is_no_cascade_is_not_told(calls: Calls, failing: Failing) -> None:
    assert said(seconds(calls, failing, rate=20.0)) == []


def test_services_that_always_fail_are_no_cascade() -> None:
    always = dict.fromkeys(("edge", "shop", "stock", "store"), (0, 0.4))
    stream = seconds(CHAIN, always, rate=20.0)[:110]

    assert said(stream) == []


def test_environments_have_cascades_of_their_own() -> None:
    failing = {"store": (START, 0.9), "stock": (START + 3, 0.9), "shop": (START + 6, 0.9)}
    stream = seconds(CHAIN, failing)
    split = [
        (
            [Call("a" if call.callee == "store" else "b", call.caller, call.callee, call.time, 1, 0) for call in calls],
            [
                Outcome("a" if one.service == "store" else "b", one.service, one.time, one.total, one.failed)
                for one in outcomes
            ],
        )
        for calls, outcomes in stream
    ]

    assert said(split) == []


def said_with_kills(stream: Any, kills: set[int]) -> list[dict[str, Any]]:
    """What is said if another detector takes over at these seconds."""
    events, detector = [], CascadeDetector()
    for second, (calls, outcomes) in enumerate(stream):
        if second in kills:
            state, detector = detector.snapshot(), CascadeDetector()
            detector.restore(state)
        events += detector.update(calls, outcomes)
    return events


@given(st.sets(st.integers(1, SECONDS - 1), max_size=3))
def test_a_restored_detector_says_the_same(kills: set[int]) -> None:
    failing = {"store": (START, 0.8), "stock": (START + 3, 0.7), "shop": (START + 6, 0.6)}
    stream = _stream(failing)
    assert said_with_kills(stream, kills) == said(stream)


@given(st.sets(st.integers(START - 5, SECONDS - 1), max_size=3))
def test_a_restored_detector_corrects_the_same(kills: set[int]) -> None:
    stream = _stream_of_chat()
    assert said_with_kills(stream, kills) == said(stream)


def _stream_of_chat(known: dict[str, Any] = {}) -> Any:  # noqa: B006 # made once for all examples
    return known.setdefault("stream", seconds(CHAT, FROM_THE_STORE))


def _stream(failing: Failing, known: dict[str, Any] = {}) -> Any:  # noqa: B006 # made once for all examples
    return known.setdefault("stream", seconds(CHAIN, failing))


def test_state_is_bounded_whoever_calls_whom() -> None:
    detector = CascadeDetector(max_services=20, max_edges=30)
    for number in range(500):
        detector.update(
            [Call("prod", f"a{number}", f"b{number}", number, 1, 1)], [Outcome("prod", f"a{number}", number, 1, 1)]
        )

    assert len(detector) == 20
    assert detector.forgotten == 980
    assert len(detector.snapshot()) < 8_000


def test_state_is_bounded_however_many_join_a_cascade() -> None:
    detector = CascadeDetector(max_services=20)
    said(seconds(CHAIN, dict.fromkeys(("store", "stock", "shop"), (START, 0.8)))[: START + 60], detector)
    for second in range(START + 60, START + 10_000):
        calls = [Call("prod", name, "store", second, 5, 4) for name in ("stock", f"reader-{second // 150}")]
        services = ("store", "stock", f"reader-{second // 150}")
        fails = second % 150 > 125  # who was not seen for two minutes has no normal
        detector.update(
            calls, [Outcome("prod", name, second, 5, 4 * (fails or name != services[2])) for name in services]
        )

    (cascade,) = msgspec.msgpack.decode(detector.snapshot())[2].values()
    assert len(cascade[2]) == 20


def test_state_is_bounded_where_nobody_tells_of_operations() -> None:
    detector = CascadeDetector()
    for second in range(0, 20_000, 5):
        detector.update([Call("prod", "poller", "postgresql", second, 5, 0)], [])

    assert len(detector.snapshot()) < 1_000


def test_state_is_bounded_however_many_environments_there_are() -> None:
    detector = CascadeDetector(max_services=20, max_edges=30)
    for number in range(500):
        detector.update([], [Outcome(f"preview-{number}", "shop", number, 1, 1)])

    assert len(detector.snapshot()) < 8_000


def test_a_cascade_of_an_environment_that_is_forgotten_is_over() -> None:
    detector = CascadeDetector(max_services=20)
    stream = seconds(CHAIN, {"store": (START, 0.8), "stock": (START + 3, 0.7), "shop": (START + 6, 0.6)})
    assert kinds(said(stream[: START + 60], detector)) == ["alert"]

    others: list[tuple[list[Call], list[Outcome]]] = [
        ([], [Outcome(f"preview-{number}", "shop", number, 1, 0)]) for number in range(30)
    ]

    assert [(event["kind"], event["environment"]) for event in said(others, detector)] == [("recovery", "prod")]


@pytest.mark.parametrize("time", [0.0, -1.0, 1e15, 5e8])
def test_any_time_is_borne(time: float) -> None:
    detector = CascadeDetector()
    for at in (1_790_000_000.0, time, 1_790_000_001.0):
        detector.update([Call("prod", "a", "b", at, 3, 3)], [Outcome("prod", "a", at, 5, 5)])


class CountedText(str):
    """Counts how often it is compared with another text."""

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedText.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_what_is_known_of_other_environments_is_not_looked_at() -> None:
    detector = CascadeDetector(max_services=3000)
    names = [CountedText(f"environment-{number}") for number in range(1000)]
    for name in names:
        detector.update([Call(name, "a", "b", 100.0, 1, 0)], [Outcome(name, "a", 100.0, 1, 0)])
    CountedText.comparisons = 0

    detector.update([], [Outcome(names[0], "a", 101.0, 1, 0), Outcome(names[0], "b", 101.0, 1, 0)])

    assert CountedText.comparisons < 50  # some for every look-up of a service; there are 2,000 services and 1,000 edges


def test_an_environment_of_which_everything_has_left_takes_no_memory() -> None:
    detector = CascadeDetector(max_services=2, max_edges=1)
    for number in range(100):
        name = f"environment-{number}"
        detector.update([Call(name, "a", "b", 100.0, 1, 0)], [Outcome(name, "a", 100.0, 1, 0)])

    assert len(detector._environments) <= 3

from __future__ import annotations

from typing import Any

import pytest

from otelbridge.core.findings import Finding, State
from otelbridge.engine.open_findings import MAX_OPEN, RAISE_SECONDS, UPDATE_SECONDS, OpenFindings


def finding(state: State, time: float = 100.0, key: str = "orders", **fields: Any) -> Finding:
    return Finding(kind="degradation", level="warning", title="slower", key=(key,), time=time, state=state, **fields)


def told(book: OpenFindings, *findings: Finding) -> list[State]:
    return [one.state for one in book.admit(findings)]


def test_a_finding_is_raised_once_and_its_repeats_are_counted() -> None:
    book = OpenFindings()

    assert told(book, finding("raised"), finding("raised", 101.0), finding("raised", 102.0)) == ["raised"]
    (resolved,) = book.admit([finding("resolved", 103.0)])

    assert resolved.contexts["finding"] == {"state": "resolved", "since": "1970-01-01T00:01:40+00:00", "repeats": 2}


def test_one_whose_end_was_never_told_is_raised_again_after_an_hour() -> None:
    book = OpenFindings()
    told(book, finding("raised", 100.0))

    assert told(book, finding("raised", 100.0 + RAISE_SECONDS - 1)) == []
    assert told(book, finding("raised", 100.0 + RAISE_SECONDS)) == ["raised"]
    assert told(book, finding("raised", 101.0 + RAISE_SECONDS)) == []


def test_one_that_was_resolved_can_be_raised_again() -> None:
    book = OpenFindings()

    assert told(book, finding("raised"), finding("resolved"), finding("raised")) == ["raised", "resolved", "raised"]


def test_an_end_without_a_beginning_is_not_told() -> None:
    assert told(OpenFindings(), finding("resolved")) == []


def test_an_update_of_what_is_not_open_raises_it() -> None:
    assert told(OpenFindings(), finding("updated")) == ["raised"]


def test_updates_are_told_once_a_minute() -> None:
    book = OpenFindings()
    told(book, finding("raised", 100.0))

    assert told(book, finding("updated", 100.0 + UPDATE_SECONDS - 1)) == []
    assert told(book, finding("updated", 100.0 + UPDATE_SECONDS)) == ["updated"]
    assert told(book, finding("updated", 101.0 + UPDATE_SECONDS)) == []


def test_findings_without_a_life_pass() -> None:
    assert told(OpenFindings(), finding("once"), finding("once")) == ["once", "once"]


def test_different_keys_are_different_findings() -> None:
    assert told(OpenFindings(), finding("raised"), finding("raised", key="users")) == ["raised", "raised"]


def test_the_one_longest_not_raised_is_forgotten_first() -> None:
    book = OpenFindings()
    told(book, *(finding("raised", key=str(number)) for number in range(MAX_OPEN)))
    told(book, finding("raised", key="0"), finding("raised", key="new"))

    assert len(book) == MAX_OPEN
    assert told(book, finding("raised", key="0")) == []
    assert told(book, finding("raised", key="1")) == ["raised"]


def test_what_is_open_survives_a_restart_and_is_saved_only_when_it_changed() -> None:
    book, restored = OpenFindings(), OpenFindings()
    told(book, finding("raised"))
    state = book.changes()
    assert state is not None

    restored.restore(state)

    assert book.changes() is None
    assert told(restored, finding("raised"), finding("resolved")) == ["resolved"]


@pytest.mark.parametrize("state", ["once", "raised", "updated", "resolved"])
def test_nothing_of_a_finding_is_lost_on_the_way(state: State) -> None:
    book = OpenFindings()
    if state in ("updated", "resolved"):
        told(book, finding("raised"))
    one = finding(state, 1000.0, contexts={"degradation": {"baseline": 3.0}}, trace_id=7, service="shop")

    (sent,) = book.admit([one])

    assert sent.contexts["degradation"] == {"baseline": 3.0}
    assert (sent.trace_id, sent.service, sent.title, sent.key) == (7, "shop", one.title, one.key)

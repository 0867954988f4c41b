from __future__ import annotations

import pytest

from otelbridge.analysis.dependencies import cause_of, root

NOBODY: frozenset[str] = frozenset()


def at_once(*names: str) -> dict[str, float]:
    return dict.fromkeys(names, 0.0)


def test_what_calls_each_other_in_a_circle_is_the_root_of_what_calls_it() -> None:
    callees = {"front": {"a"}, "a": {"b"}, "b": {"a"}}

    assert root(["front", "a", "b"], {"front": 0.0, "a": 5.0, "b": 4.0}, callees, NOBODY) == "b"


def test_more_that_depend_on_it_make_a_service_the_root_before_its_time_does() -> None:
    callees = {"x": {"many"}, "y": {"many", "few"}, "many": set(), "few": set()}

    assert root(list(callees), {**at_once("x", "y", "few"), "many": 5.0}, callees, NOBODY) == "many"


def test_what_sends_no_spans_is_the_root_before_a_service_on_which_more_depend() -> None:
    callees = {"x": {"many"}, "y": {"many", "few"}, "many": set(), "few": set()}

    assert root(list(callees), at_once(*callees), callees, {"few"}) == "few"


def test_who_failed_first_is_the_root_where_nothing_else_tells() -> None:
    callees: dict[str, set[str]] = {"x": {"a", "b"}, "a": set(), "b": set()}

    assert root(list(callees), {"x": 0.0, "a": 5.0, "b": 0.0}, callees, NOBODY) == "b"


@pytest.mark.parametrize("callees", [{"a": {"b"}, "b": {"a"}}, {"a": set(), "b": set()}])
def test_nothing_causes_what_calls_only_what_is_well_or_calls_it_in_turn(callees: dict[str, set[str]]) -> None:
    assert cause_of("a", ["a", "b"], {"a": 5.0, "b": 0.0}, callees, NOBODY) == "a"


def test_the_cause_is_looked_for_among_what_is_called_and_nowhere_else() -> None:
    callees = {"front": {"a", "elsewhere"}, "a": {"b"}, "b": {"c"}, "c": set(), "elsewhere": set()}

    assert cause_of("a", list(callees), at_once(*callees), callees, {"elsewhere"}) == "c"

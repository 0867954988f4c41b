"""Sums by user and day."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from otelbridge.processors.llm_cost.spending import Excess, Spending

TODAY = 20_781


def test_a_user_over_the_limit_is_noticed_at_the_call_that_brought_it_there() -> None:
    spending = Spending(50.0, 100)

    found = list(spending.add(["a", "b", "a", "a"], [TODAY] * 4, [30.0, 49.0, 25.0, 1.0]))

    assert found == [Excess("a", TODAY, 55.0, 2, 2)]


def test_the_limit_itself_is_allowed() -> None:
    assert not list(Spending(50.0, 100).add(["a"], [TODAY], [50.0]))


def test_a_user_is_noticed_once_a_day() -> None:
    spending = Spending(1.0, 100)

    first = list(spending.add(["a", "a"], [TODAY, TODAY], [2.0, 2.0]))
    again = list(spending.add(["a"], [TODAY], [2.0]))
    tomorrow = list(spending.add(["a"], [TODAY + 1], [2.0]))

    assert [excess.row for excess in first] == [0]
    assert again == []
    assert [excess.usd for excess in tomorrow] == [2.0]


def test_a_call_of_yesterday_counts_for_yesterday() -> None:
    spending = Spending(3.0, 100)
    list(spending.add(["a", "a"], [TODAY - 1, TODAY], [2.0, 2.0]))

    assert [excess.day for excess in spending.add(["a"], [TODAY - 1], [2.0])] == [TODAY - 1]


def test_calls_without_a_user_are_nobodys() -> None:
    assert not list(Spending(1.0, 100).add([None, None], [TODAY, TODAY], [2.0, 2.0]))


def test_the_least_recently_used_sums_leave_and_are_counted() -> None:
    spending = Spending(50.0, 2)

    list(spending.add(["a", "b", "a", "c"], [TODAY] * 4, [1.0] * 4))

    assert [user for user, _, _ in spending.save()] == ["a", "c"]
    assert spending.forgotten == 1


def test_sums_stay_storable_whatever_they_are() -> None:
    spending = Spending(50.0, 2)

    list(spending.add(["a"] * 3, [TODAY] * 3, [9e9, 9e9, 1e12]))

    assert spending.save()[0][2].nano_usd < 2**63


CALLS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([TODAY, TODAY + 1]), st.floats(0, 30)), max_size=20
)


@given(CALLS, st.integers(0, 20))
def test_sums_do_not_depend_on_how_calls_were_grouped(calls: list[tuple[str | None, int, float]], cut: int) -> None:
    def added(*groups: list[tuple[str | None, int, float]]) -> tuple[object, object]:
        spending = Spending(50.0, 3)
        found = []
        for group in groups:
            users, days, usd = zip(*group, strict=True) if group else ((), (), ())
            found += [(item.user, item.day, item.usd, item.calls) for item in spending.add(users, days, usd)]
        return found, spending.save()

    assert added(calls[:cut], calls[cut:]) == added(calls)


@given(CALLS, CALLS)
def test_sums_go_on_after_a_restart(
    before: list[tuple[str | None, int, float]], after: list[tuple[str | None, int, float]]
) -> None:
    def add(spending: Spending, calls: list[tuple[str | None, int, float]]) -> list[Excess]:
        return list(spending.add(*([item[i] for item in calls] for i in range(3))))

    kept = Spending(50.0, 3)
    add(kept, before)
    restarted = Spending(50.0, 3)
    restarted.load(copy.deepcopy(kept.save()), kept.forgotten)

    assert add(restarted, after) == add(kept, after)
    assert restarted.save() == kept.save()

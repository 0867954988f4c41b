"""One call is billed once, to whoever caused it, whatever spans tell of it and whenever they come."""

from __future__ import annotations

from typing import Any

import pytest

from otelbridge.processors.llm_cost.shown import COST, STATUS
from tests.processors.llm_cost.building import CHAT_USD, bill, bill_of, chat, llm_cost, statuses, total_usd
from tests.support.otlp import SpanTree, request, request_of, span, spans_of, trace_id

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 1000}
TOOL = {"gen_ai.operation.name": "execute_tool"}


def one_by_one(*trees: SpanTree, order: list[int]) -> list[dict[str, Any]]:
    """Rows of a trace whose spans come in separate batches: the decision, then late spans."""
    component = llm_cost()
    spans = [item for tree in trees for item in spans_of(tree, trace_id(1))]
    return [row for i in order for row in bill(component, request_of([spans[i]])).spans.rows(named=True)]


# once


def test_a_call_is_billed() -> None:
    (call,) = bill_of(chat())

    assert call[STATUS] == "priced"
    assert call[COST] == pytest.approx(CHAT_USD)


def test_what_holds_the_call_is_not() -> None:
    rows = bill_of(span("agent", chat(), attributes=AGENT))

    assert statuses(rows) == ["aggregate", "priced"]
    assert rows[0]["gen_ai.usage.input_tokens"] is None


def test_an_agent_without_its_calls_is_not_billed_for_them() -> None:
    assert statuses(bill_of(span("agent", attributes=AGENT))) == ["aggregate"]


def test_the_innermost_of_nested_calls_is_billed() -> None:
    rows = bill_of(chat(chat(chat())))

    assert statuses(rows) == ["covered", "covered", "priced"]
    assert total_usd(rows) == pytest.approx(CHAT_USD)


def test_spans_between_two_spans_of_a_call_do_not_separate_them() -> None:
    rows = bill_of(chat(span("POST", span("gateway", chat()))))

    assert statuses(rows) == ["covered", None, None, "priced"]


def test_a_call_below_a_tool_is_a_call_of_its_own() -> None:
    rows = bill_of(chat(span("tool", span("agent", chat(), attributes=AGENT), attributes=TOOL)))

    assert statuses(rows) == ["priced", None, "aggregate", "priced"]


def test_a_call_below_a_tool_covers_calls_below_the_tool() -> None:
    rows = bill_of(chat(span("tool", chat(chat()), attributes=TOOL)))

    assert statuses(rows) == ["priced", None, "covered", "priced"]


def test_an_inner_call_without_usage_covers_nothing() -> None:
    rows = bill_of(chat(chat(gen_ai__usage__input_tokens=None, gen_ai__usage__output_tokens=None)))

    assert statuses(rows) == ["priced", "no_usage"]


def test_calls_beside_each_other_are_two() -> None:
    assert statuses(bill_of(span("agent", chat(), chat(), attributes=AGENT))) == ["aggregate", "priced", "priced"]


def test_calls_beside_each_other_with_the_same_answer_are_one() -> None:
    twice = [chat(gen_ai__response__id="resp_1"), chat(gen_ai__response__id="resp_1")]

    assert sorted(map(str, statuses(bill_of(*twice)))) == ["covered", "priced"]


def test_of_two_spans_with_the_same_answer_one_with_a_price_is_billed() -> None:
    unknown = chat(gen_ai__response__id="resp_1", gen_ai__request__model="my-deployment")
    known = chat(gen_ai__response__id="resp_1")

    assert statuses(bill_of(unknown, known)) == ["covered", "priced"]
    assert statuses(bill_of(known, unknown)) == ["priced", "covered"]


def test_the_same_answer_in_another_trace_is_another_call() -> None:
    component = llm_cost()
    first, second = (request(chat(gen_ai__response__id="resp_1"), trace=trace) for trace in (1, 2))

    assert statuses(bill(component, first, second).spans.rows(named=True)) == ["priced", "priced"]


def test_a_span_that_was_sent_twice_is_one() -> None:
    call = chat()

    assert sorted(map(str, statuses(bill_of(call, call)))) == ["covered", "priced"]


def test_calls_of_other_traces_with_the_same_span_ids_are_not_confused() -> None:
    component = llm_cost()
    tree = chat(chat())

    rows = bill(component, request(tree, trace=1), request(tree, trace=2)).spans.rows(named=True)

    assert statuses(rows) == ["covered", "priced"] * 2


def test_a_loop_of_parents_ends() -> None:
    first, second = (spans_of(chat(), trace_id(1))[0] for _ in range(2))
    first.parent_span_id, second.parent_span_id = second.span_id, first.span_id

    rows = bill(llm_cost(), request_of([first, second])).spans.rows(named=True)

    assert statuses(rows) == ["covered", "covered"]  # each lies above the other: neither is innermost


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    (call,) = spans_of(chat(), trace_id(1))
    call.parent_span_id = call.span_id

    assert statuses(bill(llm_cost(), request_of([call])).spans.rows(named=True)) == ["priced"]


def test_a_report_of_a_cost_counts_only_where_no_call_was_seen() -> None:
    told = {"ai.cost.total_usd": 0.25, "ai.tokens.prompt": 1000, "ai.model": "gpt-4o-mini", "ai.provider": "openai"}
    report = span("ai.cost_tracking", attributes=told)

    assert statuses(bill_of(report)) == ["priced"]
    assert statuses(bill_of(span("POST /", chat(), report))) == [None, "priced", "covered"]
    assert statuses(bill_of(span("POST /", chat(report)))) == [None, "priced", "covered"]


def test_operation_types_let_sentry_count_each_call_once() -> None:
    rows = bill_of(span("agent", chat(chat()), span("tool", attributes=TOOL), attributes=AGENT))

    assert [row["gen_ai.operation.type"] for row in rows] == ["agent", "other", "ai_client", "tool"]


# late


def test_a_late_parent_is_covered() -> None:
    assert statuses(one_by_one(chat(chat()), order=[1, 0])) == ["priced", "covered"]


def test_a_late_parent_is_covered_across_another_late_span() -> None:
    tree = chat(span("POST", chat()))

    component = llm_cost()
    outer, between, inner = spans_of(tree, trace_id(1))
    bill(component, request_of([inner]))
    late = bill(component, request_of([outer, between])).spans.rows(named=True)

    assert statuses(late) == ["covered", None]


def test_a_late_call_above_a_late_tool_is_billed() -> None:
    outer, tool, inner = spans_of(chat(span("tool", chat(), attributes=TOOL)), trace_id(1))
    component = llm_cost()
    bill(component, request_of([inner]))

    late = bill(component, request_of([outer, tool])).spans.rows(named=True)

    assert statuses(late) == ["priced", None]


def test_a_late_child_is_covered_by_the_call_that_was_billed_for_it() -> None:
    assert statuses(one_by_one(chat(chat()), order=[0, 1])) == ["priced", "covered"]


def test_a_late_repetition_of_an_answer_is_covered() -> None:
    twice = [chat(gen_ai__response__id="resp_1"), chat(gen_ai__response__id="resp_1")]

    assert statuses(one_by_one(*twice, order=[0, 1])) == ["priced", "covered"]


def test_a_call_that_is_sent_again_later_is_covered() -> None:
    assert statuses(one_by_one(chat(), order=[0, 0])) == ["priced", "covered"]


def test_a_late_sibling_is_a_call_of_its_own() -> None:
    missing_parent = span("lost", chat(), chat())

    assert statuses(one_by_one(missing_parent, order=[1, 2])) == ["priced", "priced"]


def test_a_late_report_of_a_call_is_covered() -> None:
    report = span("ai.cost_tracking", attributes={"ai.cost.total_usd": 0.25})

    assert statuses(one_by_one(chat(), report, order=[0, 1])) == ["priced", "covered"]


def test_a_trace_that_is_forgotten_is_billed_again() -> None:
    component = llm_cost(remembered_traces=8)
    call = chat()
    bill(component, request(call, trace=1))
    for trace in range(2, 14):
        bill(component, request(chat(), trace=trace))

    assert statuses(bill(component, request(call, trace=1)).spans.rows(named=True)) == ["priced"]


# for whom


def owners(row: dict[str, Any]) -> tuple[Any, Any, Any]:
    return row["user.id"], row["gen_ai.conversation.id"], row["otelbridge.project"]


def test_the_span_itself_says_whose_call_it_is() -> None:
    own = {"user__id": "me", "session__id": "mine", "project__id": "p"}
    *_, call = bill_of(span("POST /", chat(**own), attributes={"user.id": "you", "session.id": "yours"}))

    assert owners(call) == ("me", "mine", "p")


def test_else_its_nearest_ancestor_says_it_each_thing_on_its_own() -> None:
    inner = span("inner", chat(), attributes={"session.id": "s"})
    tree = span("root", span("middle", inner, attributes={"user.id": "near"}), attributes={"user.id": "far"})

    assert owners(bill_of(tree)[-1]) == ("near", "s", "shop")


def test_else_a_root_of_the_trace_says_it() -> None:
    call = spans_of(chat(), trace_id(1), parent=b"lost____")
    root = spans_of(span("root", attributes={"user.id": "rooted"}), trace_id(1))

    rows = bill(llm_cost(), request_of([*call, *root])).spans.rows(named=True)

    assert owners(rows[0])[0] == "rooted"


def test_a_root_of_another_trace_says_nothing() -> None:
    other = request(span("root", attributes={"user.id": "stranger"}), trace=2)

    rows = bill(llm_cost(), request(chat(), trace=1), other).spans.rows(named=True)

    assert owners(rows[0])[0] is None


def test_a_late_call_belongs_to_whom_the_calls_of_its_trace_belong() -> None:
    root, *calls = spans_of(span("root", chat(), chat(), attributes={"user.id": "u", "session.id": "s"}), trace_id(1))
    component = llm_cost()
    bill(component, request_of([root, calls[0]]))

    (late,) = bill(component, request_of([calls[1]])).spans.rows(named=True)

    assert owners(late) == ("u", "s", "shop")


def test_a_project_is_at_last_the_services_namespace_or_name() -> None:
    assert owners(bill_of(chat())[0])[2] == "shop"
    assert owners(bill_of(chat(), **{"service.namespace": "web"})[0])[2] == "web"


def test_spans_that_are_no_calls_keep_what_they_say() -> None:
    root, _ = bill_of(span("root", chat(), attributes={"user.id": "u", "session.id": "s"}))

    assert owners(root) == ("u", "s", None)


def test_a_user_inside_a_tool_is_the_user_outside() -> None:
    tree = span("root", chat(span("tool", chat(), attributes=TOOL)), attributes={"user.id": "u"})

    assert owners(bill_of(tree)[-1])[0] == "u"

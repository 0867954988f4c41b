"""The component as a whole: costs and their status, findings, breadcrumbs, state, and what it survives."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from otelbridge.core.batch import Batch
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.processors.llm_cost import LlmCost, identities
from otelbridge.processors.llm_cost.shown import COLUMNS, COST, STATUS, STATUSES
from tests.processors.llm_cost.building import (
    CHAT_USD,
    batch_of,
    bill,
    bill_of,
    chat,
    described,
    llm_cost,
    statuses,
    total_usd,
)
from tests.support import recordings
from tests.support.otlp import request, request_of, span, spans_of, trace_id

UNPRICED = {"gen_ai__request__model": "my-own-model"}


def cost_of(component: LlmCost | None = None, **attributes: Any) -> tuple[str | None, float | None]:
    (row,) = bill_of(chat(**attributes), component=component)
    return row[STATUS], row[COST]


# costs and their status


def test_an_unknown_model_has_no_cost_and_is_counted() -> None:
    component = llm_cost()

    assert cost_of(component, **UNPRICED) == ("unknown_model", None)
    assert component.counters == {"unknown_model": 1, "findings": 0, "forgotten_users": 0}


def test_a_call_without_usage_has_no_cost_and_stays_a_call() -> None:
    (row,) = bill_of(chat(gen_ai__usage__input_tokens=None, gen_ai__usage__output_tokens=None))

    assert (row[STATUS], row[COST], row["gen_ai.operation.type"]) == ("no_usage", None, "ai_client")


@pytest.mark.parametrize("value", [float("nan"), -1, -5.0, 2**53, 2**62, "many", True])
def test_usage_that_cannot_be_is_absent(value: Any) -> None:
    assert cost_of(gen_ai__usage__input_tokens=value, gen_ai__usage__output_tokens=None)[0] == "no_usage"


def test_counts_in_text_are_counts() -> None:
    assert cost_of(gen_ai__usage__input_tokens="1000", gen_ai__usage__output_tokens="100")[1] == pytest.approx(CHAT_USD)


def test_a_reported_cost_is_used_where_none_can_be_computed() -> None:
    assert cost_of(gen_ai__usage__cost=0.25, **UNPRICED) == ("reported", 0.25)
    assert cost_of(gen_ai__usage__cost="0.25", **UNPRICED) == ("reported", 0.25)
    assert cost_of(gen_ai__usage__cost=0.25)[0] == "priced"


def test_a_reported_cost_may_be_preferred() -> None:
    assert cost_of(llm_cost(prefer_reported=True), gen_ai__usage__cost=0.25) == ("reported", 0.25)
    assert cost_of(llm_cost(prefer_reported=True))[0] == "priced"


@pytest.mark.parametrize("cost", [0.0, 0, -1.0, 1e9, float("inf"), float("nan")])
def test_a_reported_cost_that_says_nothing_is_ignored(cost: float) -> None:
    assert cost_of(gen_ai__usage__cost=cost, **UNPRICED)[0] == "unknown_model"
    assert cost_of(llm_cost(prefer_reported=True), gen_ai__usage__cost=cost)[0] == "priced"


def test_what_a_gateway_charged_is_a_reported_cost() -> None:
    charged = {"ai__response__providerMetadata": '{"gateway":{"cost":"0.0045"}}', "gen_ai__response__id": "gen_1"}

    assert cost_of(**charged, **UNPRICED) == ("reported", 0.0045)


def test_the_model_that_answered_is_priced_before_the_one_asked_for() -> None:
    asked_for_dearer = {"gen_ai__request__model": "gpt-4o", "gen_ai__response__model": "gpt-4o-mini-2024-07-18"}
    answered_by_alias = {"gen_ai__request__model": "gpt-4o-mini", "gen_ai__response__model": "deployment-7"}

    assert cost_of(**asked_for_dearer)[1] == pytest.approx(CHAT_USD)
    assert cost_of(**answered_by_alias)[1] == pytest.approx(CHAT_USD)


def test_a_gateways_model_is_priced_by_its_provider() -> None:
    (row,) = bill_of(chat(gen_ai__provider__name="gateway", gen_ai__request__model="openai/gpt-4o-mini"))

    assert row[COST] == pytest.approx(CHAT_USD)
    assert row["gen_ai.provider.name"] == "openai"


def test_a_client_of_openai_may_speak_to_another_provider() -> None:
    (row,) = bill_of(chat(gen_ai__request__model="deepseek-chat", server__address="api.deepseek.com"))

    assert (row[STATUS], row["gen_ai.provider.name"]) == ("priced", "deepseek")


@pytest.mark.parametrize("attribute", ["gen_ai.openai.response.service_tier", "gen_ai.openai.request.service_tier"])
def test_a_tier_has_its_own_price(attribute: str) -> None:
    tier = {attribute.replace(".", "__"): "flex", "gen_ai__request__model": "gpt-5-mini"}
    (call,) = spans_of(chat(**tier), trace_id(1))
    november = 1_795_000_000 * 10**9  # the tier's price is known since October 2026
    call.start_time_unix_nano, call.end_time_unix_nano = november, november + 10**9

    (row,) = bill(llm_cost(), request_of([call])).spans.rows(named=True)

    assert row[COST] == pytest.approx((1000 * 0.125 + 100 * 1.00) / 1e6)


def test_own_prices_come_before_the_lists() -> None:
    prices = [
        {"model": "my-*", "input_per_mtok": 10, "output_per_mtok": 20, "per_request": 0.5},
        {"provider": "openai", "model": "gpt-4o-mini", "input_per_mtok": 1},
    ]

    assert cost_of(llm_cost(prices=prices), **UNPRICED)[1] == pytest.approx(0.5 + (1000 * 10 + 100 * 20) / 1e6)
    assert cost_of(llm_cost(prices=prices))[1] == pytest.approx(1000 * 1 / 1e6)


def test_own_prices_may_change_with_the_length_of_the_input() -> None:
    long_input = {"above_input_tokens": 500, "input_per_mtok": 4, "output_per_mtok": 8, "cache_read_per_mtok": 1}
    prices = [{"model": "my-own-model", "input_per_mtok": 2, "long_input": [long_input]}]

    usd = cost_of(llm_cost(prices=prices), gen_ai__usage__cache_read__input_tokens=200, **UNPRICED)[1]

    assert usd == pytest.approx((800 * 4 + 200 * 1 + 100 * 8) / 1e6)


def test_long_inputs_must_ascend() -> None:
    unordered = [{"above_input_tokens": n, "input_per_mtok": 1} for n in (500, 200)]

    with pytest.raises(ValueError, match="ascending"):
        llm_cost(prices=[{"model": "m", "input_per_mtok": 1, "long_input": unordered}])


def test_more_sets_of_words_than_are_remembered_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "MAX_SETS", 8)
    component = llm_cost()

    for start in (0, 4, 0):
        models = [f"model-{n}" for n in range(start, start + 6)]
        rows = bill_of(chat(), *(chat(gen_ai__request__model=model) for model in models), component=component)
        assert [row["gen_ai.request.model"] for row in rows] == ["gpt-4o-mini", *models]
        assert rows[0]["gen_ai.provider.name"] == "openai"


def test_a_span_with_an_odd_signal_beside_a_call_costs_nobody_the_bill() -> None:
    odd = span("remember", attributes={"gen_ai.operation.name": "memory", "gen_ai.response.id": "r"})

    rows = bill_of(odd, chat(gen_ai__response__id="resp_1"))

    assert statuses(rows) == [None, "priced"]
    assert rows[0]["gen_ai.operation.name"] is None or rows[0]["gen_ai.operation.name"] == "memory"


# what the reader sees


def test_no_key_or_value_of_ours_is_one_that_sentry_scrubs() -> None:
    scrubbed = re.compile("auth|token|password|secret|credential|api.?key|otp|two.factor", re.IGNORECASE)
    words = [column.name for column in COLUMNS if not column.name.startswith(("gen_ai.usage.", "gen_ai.cost."))]

    assert not [word for word in (*words, *STATUSES) if scrubbed.search(word)]


def test_the_columns_are_those_declared_with_or_without_calls() -> None:
    declared = {column.name: column.dtype for column in COLUMNS}

    for tree in (span("GET /"), chat()):
        schema = bill(llm_cost(), request(tree)).spans.schema
        assert {name: schema[name] for name in declared} == declared
        assert not {"llm.role", "llm.call"} & set(schema)


def test_an_operation_that_a_user_set_for_sentry_stays() -> None:
    (row,) = bill_of(chat(gen_ai__operation__name=None, openinference__span__kind="LLM", sentry__op="my.op"))

    assert row["op"] == "my.op"


def test_a_span_with_the_kind_of_openinference_becomes_a_gen_ai_operation() -> None:
    (row,) = bill_of(chat(gen_ai__operation__name=None, openinference__span__kind="LLM"))

    assert (row["op"], row["gen_ai.operation.name"]) == ("gen_ai.chat", "chat")


def test_an_expensive_call_leaves_a_breadcrumb() -> None:
    component = llm_cost(expensive_call_usd=0.5)
    prices = {"gen_ai__usage__input_tokens": 4_000_000}
    kept = bill(component, request(span("GET /", chat(**prices), chat()))).spans

    (crumb,) = component.breadcrumbs(kept)

    expensive = kept.rows(named=True)[1]
    assert (crumb.trace_id, crumb.span_id) == (expensive["trace_id"], expensive["span_id"])
    assert crumb.time == expensive["end_ns"] / 1e9
    assert crumb.message == "High cost request: $0.600 (gpt-4o-mini)"
    assert crumb.data == {"model": "gpt-4o-mini", "usd": 0.60006, "usage": 4_000_100}


# users


def spending(usd: float, user: str = "u1", at_s: int = 1_790_000_000, trace: int = 1) -> bytes:
    spans = spans_of(chat(gen_ai__usage__cost=usd, user__id=user, **UNPRICED), trace_id(trace))
    for item in spans:
        item.start_time_unix_nano, item.end_time_unix_nano = (at_s - 1) * 10**9, at_s * 10**9
    return request_of(spans, {"service.name": "shop", "service.version": "1.2", "deployment.environment": "prod"})


def test_a_user_above_the_days_limit_becomes_a_finding_once_a_day() -> None:
    component = llm_cost(user_day_limit_usd=50.0)

    batches = [bill(component, spending(usd, trace=trace)) for trace, usd in enumerate([30.0, 25.0, 30.0], start=1)]

    assert [len(batch.findings) for batch in batches] == [0, 1, 0]
    (finding,) = batches[1].findings
    assert (finding.kind, finding.level, finding.key) == ("llm_cost", "warning", ("u1",))
    assert finding.tags == {"user": "u1", "day": "2026-09-21", "provider": "openai"}
    assert finding.contexts["llm_cost"]["usd"] == 55.0
    assert finding.contexts["llm_cost"]["calls"] == 2
    assert (finding.service, finding.release, finding.environment) == ("shop", "1.2", "prod")
    assert finding.trace_id == int.from_bytes(trace_id(2), "big")
    assert finding.span_id == batches[1].spans["span_id"][0]


def test_the_end_of_the_call_decides_its_day() -> None:
    component = llm_cost(user_day_limit_usd=50.0)
    midnight = 1_790_035_200  # 2026-09-22T00:00:00Z

    before = bill(component, spending(30.0, at_s=midnight - 1, trace=1))
    after = bill(component, spending(30.0, at_s=midnight, trace=2))
    late = bill(component, spending(30.0, at_s=midnight - 2, trace=3))

    assert [len(batch.findings) for batch in (before, after, late)] == [0, 0, 1]
    assert late.findings[0].tags["day"] == "2026-09-21"


def test_users_do_not_share_a_limit() -> None:
    component = llm_cost(user_day_limit_usd=50.0)

    found = [bill(component, spending(30.0, user=user, trace=i)).findings for i, user in enumerate("ab", start=1)]

    assert found == [(), ()]


def test_covered_spans_cost_a_user_nothing() -> None:
    component = llm_cost(user_day_limit_usd=CHAT_USD * 1.5)

    assert bill(component, request(span("root", chat(chat()), attributes={"user.id": "u"}))).findings == ()


# state


def test_state_survives_a_restart() -> None:
    first = llm_cost(user_day_limit_usd=50.0)
    bill(first, spending(30.0, trace=1))
    second = llm_cost(user_day_limit_usd=50.0)
    second.restore(first.snapshot())

    assert second.snapshot() == first.snapshot()
    assert second.counters == {"reported": 1, "findings": 0, "forgotten_users": 0}
    repeated = bill(second, spending(30.0, trace=2), request(chat(), trace=1))
    assert len(repeated.findings) == 1


def test_a_late_span_is_known_after_a_restart() -> None:
    outer, inner = spans_of(chat(chat()), trace_id(1))
    first = llm_cost()
    bill(first, request_of([inner]))
    second = llm_cost()
    second.restore(first.snapshot())

    assert statuses(bill(second, request_of([outer])).spans.rows(named=True)) == ["covered"]


def known(component: LlmCost) -> tuple[object, ...]:
    """What the state says; its bytes also depend on how rows lie in memory."""
    totals, forgotten, chunks, events = msgspec.msgpack.decode(component.snapshot())
    return totals, forgotten, [pl.read_ipc(BytesIO(chunk)).rows() for chunk in chunks], events


@pytest.mark.parametrize("checkpoints", [1, 2, 16, 17, 18, 40])
def test_state_saved_in_parts_is_the_whole_state(checkpoints: int) -> None:
    saved: dict[str, bytes | None] = {}
    first = llm_cost(remembered_users=8, remembered_traces=8)
    for number in range(checkpoints):
        for of_checkpoint in range(number % 3):
            bill(first, spending(1.0, user=f"user-{number % 12}", trace=100 * number + of_checkpoint + 1))
        saved |= first.changes()
    second = restored(saved)

    assert known(second) == known(first)
    bill(second, spending(1.0, user="another", trace=10_000))
    assert known(restored(saved | second.changes())) == known(second)


def restored(saved: Mapping[str, bytes | None]) -> LlmCost:
    component = llm_cost(remembered_users=8, remembered_traces=8)
    component.restore_parts({name: part for name, part in saved.items() if part is not None})
    return component


def test_a_whole_state_is_saved_again_in_parts() -> None:
    first, second = llm_cost(remembered_users=8, remembered_traces=8), llm_cost(remembered_users=8, remembered_traces=8)
    bill(first, spending(1.0, user="a", trace=1))
    second.restore(first.snapshot())

    assert known(restored(second.changes())) == known(first)


def test_a_checkpoint_holds_what_was_billed_since_the_last_one() -> None:
    component = llm_cost()
    for number in range(200):
        bill(component, spending(1.0, user=f"user-{number}", trace=number + 1))
    whole = sum(len(part or b"") for part in component.changes().values())
    bill(component, spending(1.0, user="another", trace=1000))
    since = sum(len(part or b"") for part in component.changes().values())

    assert since < whole / 4
    assert component.changes() == {}


def test_parts_that_are_none_are_refused() -> None:
    with pytest.raises(StateUnreadable):
        llm_cost().restore_parts({"journal 01": b"\xff"})


@pytest.mark.parametrize("state", [b"", b"\xff", b"\x94\x90\x00\x91\xa3abc\x80"])
def test_a_state_that_is_none_is_refused(state: bytes) -> None:
    with pytest.raises(StateUnreadable):
        llm_cost().restore(state)


def test_state_is_bounded() -> None:
    component = llm_cost(remembered_users=8, remembered_traces=8)
    sizes = []
    for number in range(40):
        bill(component, spending(1.0, user=f"user-{number}", trace=number + 1))
        sizes.append(len(component.snapshot()))

    assert component.counters["forgotten_users"] == 32
    assert max(sizes[20:]) <= 1.1 * sizes[19]


# any cut, any values


def shown(batch: Batch) -> pl.DataFrame:
    return batch.spans.sort("trace_id", "start_ns", "span_id").select(
        "trace_id", "span_id", "op", *(column.name for column in COLUMNS)
    )


RECORDED = [name for name in recordings.names() if recordings.provider_calls(name)]


@given(name=st.sampled_from(RECORDED), cuts=st.lists(st.integers(0, 105), max_size=5))
def test_what_is_said_of_a_span_does_not_depend_on_its_batch(name: str, cuts: list[int]) -> None:
    whole = batch_of(recordings.load(name))
    component = llm_cost()
    edges = [0, *sorted(cuts), whole.spans.height]
    parts = [whole.with_spans(whole.spans[start:end]) for start, end in itertools.pairwise(edges)]
    in_parts = pl.concat([described(component, part).spans for part in parts])

    at_once = described(llm_cost(), whole).spans

    assert_frame_equal(in_parts, at_once)


@given(name=st.sampled_from(RECORDED), order=st.randoms(use_true_random=False), group=st.integers(1, 20))
def test_bills_do_not_depend_on_which_traces_are_decided_together(name: str, order: Any, group: int) -> None:
    spans = described(llm_cost(), batch_of(recordings.load(name)))
    at_once = llm_cost(user_day_limit_usd=0.1)
    expected = at_once.process_traces(spans)

    component = llm_cost(user_day_limit_usd=0.1)
    ids = spans.spans["trace_id"].unique().sort().to_list()
    order.shuffle(ids)
    parts: list[pl.DataFrame] = []
    findings: list[Finding] = []
    for start in range(0, len(ids), group):
        decided = pl.Series(ids[start : start + group], dtype=pl.UInt128)
        made = component.process_traces(
            spans.with_spans(spans.spans.filter(pl.col("trace_id").is_in(decided.implode())))
        )
        parts.append(made.spans)
        findings += made.findings

    assert_frame_equal(shown(spans.with_spans(pl.concat(parts))), shown(expected))
    assert {finding.key for finding in findings} == {finding.key for finding in expected.findings}
    assert component.counters == at_once.counters


@given(name=st.sampled_from(RECORDED), seed=st.integers(0, 2**32))
def test_bills_do_not_depend_on_the_order_of_spans(name: str, seed: int) -> None:
    spans = described(llm_cost(), batch_of(recordings.load(name)))
    shuffled = spans.spans.sample(fraction=1.0, shuffle=True, seed=seed)

    made, expected = (shown(llm_cost().process_traces(spans.with_spans(item))) for item in (shuffled, spans.spans))

    assert total_usd(made.rows(named=True)) == pytest.approx(total_usd(expected.rows(named=True)))
    assert_frame_equal(made, expected)


NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1)
TEXTS = (
    st.none()
    | st.text(max_size=8)
    | st.sampled_from(["chat", "ai.x.doY", "LLM", "tool", "agent", "claude", '{"openai":{}}'])
)


@given(st.data())
def test_no_values_make_it_fail(data: st.DataObject) -> None:
    batch = batch_of(request(chat(chat()), trace=1), request(chat(), trace=2))
    height = batch.spans.height
    columns = []
    for column in batch.spans:
        if column.name in ("trace_id", "span_id", "record", "position", "origin", "raw"):
            continue
        values: st.SearchStrategy[Any] = TEXTS
        if column.dtype in (pl.Int64, pl.Float64):
            values = NUMBERS if column.dtype == pl.Int64 else st.none() | st.floats()
        elif column.dtype != pl.String:
            continue
        drawn = data.draw(st.lists(values, min_size=height, max_size=height))
        columns.append(pl.Series(column.name, drawn, column.dtype))
    hostile = replace(batch, spans=batch.spans.with_columns(columns).with_columns(pl.col("end_ns").fill_null(0)))

    made = llm_cost().process_traces(described(llm_cost(), hostile))

    assert made.spans.height == height
    assert (made.spans[COST].drop_nulls() >= 0).all()


def test_spans_with_odd_signals_beside_a_call_are_no_part_of_it_and_do_no_harm() -> None:
    odd = span("odd", attributes={"gen_ai.operation.name": "nonsense", "gen_ai.usage.input_tokens": -5})

    spans = bill(llm_cost(), request(chat(), odd)).spans

    assert [row["otelbridge.cost.status"] for row in spans.rows(named=True)] == ["priced", None]

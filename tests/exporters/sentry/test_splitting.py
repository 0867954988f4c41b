from __future__ import annotations

from typing import Any

import pytest

from tests.exporters.conftest import Sent, kept, send
from tests.support.otlp import request, span

SPAN_DATA = {"gen_ai.prompt.name": "x" * 700}


def sent(children: int, attributes: dict[str, Any] | None = None, **config: Any) -> Sent:
    trees = [span(f"child {i}", start_ms=i / 100, attributes=attributes) for i in range(children)]
    return send(kept(request(span("POST /api/chat", *trees, ms=1000))), **config)


def arrived(parts: Sent) -> list[str]:
    return [child["description"] for part in parts.transactions for child in part["spans"]]


def test_a_thousand_spans_are_one_transaction() -> None:
    assert sent(1000).transaction["transaction"] == "POST /api/chat"


def test_more_become_parts_in_the_order_of_their_start() -> None:
    parts = sent(2500)
    assert arrived(parts) == [f"child {i}" for i in range(2500)]
    assert [part["tags"]["otelbridge.part"] for part in parts.transactions] == [
        f"{number}/{len(parts.transactions)}" for number in range(1, len(parts.transactions) + 1)
    ]


def test_large_spans_are_split_before_sentry_trims() -> None:
    parts = sent(900, SPAN_DATA)
    assert len(parts.transactions) > 1
    assert len(arrived(parts)) == 900


def test_parts_hang_below_the_real_root_under_names_of_their_own() -> None:
    first, second = sent(15, max_spans_per_transaction=10).transactions
    root, stand_in = first["contexts"]["trace"], second["contexts"]["trace"]
    assert second["transaction"] == "POST /api/chat (part 2)"
    assert stand_in["parent_span_id"] == root["span_id"]
    assert stand_in["span_id"] != root["span_id"]
    assert {child["parent_span_id"] for child in second["spans"]} == {root["span_id"]}
    assert (second["start_timestamp"], second["timestamp"]) == (
        min(child["start_timestamp"] for child in second["spans"]),
        max(child["timestamp"] for child in second["spans"]),
    )


def test_parts_have_ids_that_stay_the_same() -> None:
    assert [t["event_id"] for t in sent(15, max_spans_per_transaction=10).transactions] != []
    tree = span("root", *(span(f"c{i}") for i in range(15)))
    ids = [
        [parcel.id for parcel in send(kept(request(tree)), max_spans_per_transaction=10).encoded.parcels]
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_a_long_name_keeps_its_part_number() -> None:
    tree = span("n" * 300, *(span(f"c{i}") for i in range(3)))
    _, second = send(kept(request(tree)), max_spans_per_transaction=2).transactions
    assert second["transaction"].endswith("… (part 2)")
    assert len(second["transaction"]) == 200


@pytest.mark.parametrize("size", [100_000, 1_000_000, 5_000_000])
def test_a_span_too_large_is_shortened_where_it_is_longest(size: int) -> None:
    attributes = {"ai.prompt": "p" * size, "ai.response.text": "r" * (size // 3), "short": "kept"}
    parts = send(kept(request(span("root", span("huge", attributes=attributes), span("small")))))
    data = parts.spans["huge"]["data"]
    assert data["short"] == "kept"
    if size > 131_072:
        assert data["ai.prompt"].endswith("[cut by otelbridge]")
        assert data["otelbridge.repaired"] == "size"
    assert "small" in parts.spans


def test_a_root_too_large_is_shortened_too() -> None:
    made = send(kept(request(span("root", attributes={"ai.prompt": "p" * 2_000_000})))).transaction
    assert made["contexts"]["trace"]["data"]["ai.prompt"].endswith("[cut by otelbridge]")


def test_ten_thousand_attributes_cost_the_last_of_them() -> None:
    attributes = {f"key{i}": "v" * 100 for i in range(10_000)}
    data = send(kept(request(span("root", attributes=attributes)))).transaction["contexts"]["trace"]["data"]
    assert data["key0"] == "v" * 100
    assert data["otelbridge.repaired"] == "attributes" or "attributes" in data["otelbridge.repaired"]


def test_control_characters_are_counted_as_json_writes_them() -> None:
    made = send(kept(request(span("root", span("a", attributes={"key": "\x01" * 120_000})))))
    assert made.spans["a"]["data"]["otelbridge.repaired"] == "size"


def test_large_lists_are_shortened_as_text() -> None:
    made = send(kept(request(span("root", span("a", attributes={"key": ["x" * 100] * 5000})))))
    assert made.spans["a"]["data"]["key"].endswith("[cut by otelbridge]")

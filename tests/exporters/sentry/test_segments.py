from __future__ import annotations

import pytest

from tests.exporters.conftest import Sent, kept, send
from tests.support.otlp import request_of, span, spans_of, trace_id

OTHER = {"service.name": "users"}


def names(sent: Sent) -> list[tuple[str, list[str]]]:
    return [(t["transaction"], [child["description"] for child in t["spans"]]) for t in sent.transactions]


def test_a_remote_parent_begins_a_segment() -> None:
    tree = span("a", span("b", span("c", span("d", ms=1), ms=2, flags=0x301), ms=3), ms=4)
    sent = send(kept(request_of(spans_of(tree, trace_id(1)))))
    assert names(sent) == [("a", ["b"]), ("c", ["d"])]


def test_another_process_begins_a_segment_even_when_its_sdk_does_not_say_that_the_parent_is_remote() -> None:
    caller = span("a", span("call"))
    called = spans_of(span("serve", span("query")), trace_id(1), parent=caller.children[0].span_id)
    sent = send(kept(request_of(spans_of(caller, trace_id(1))), request_of(called, OTHER)))
    assert names(sent) == [("a", ["call"]), ("serve", ["query"])]


def test_two_processes_of_one_service_are_two_segments() -> None:
    caller = span("a", span("call"))
    called = spans_of(span("serve"), trace_id(1), parent=caller.children[0].span_id)
    first = request_of(spans_of(caller, trace_id(1)), {"service.name": "shop", "service.instance.id": "1"})
    second = request_of(called, {"service.name": "shop", "service.instance.id": "2"})
    assert names(send(kept(first, second))) == [("a", ["call"]), ("serve", [])]


def test_spans_that_miss_the_same_parent_stay_together() -> None:
    orphans = [
        item
        for at, tree in enumerate((span("first", span("below")), span("second"), span("third")))
        for item in spans_of(span(tree.name, *tree.children, start_ms=at), trace_id(1), parent=b"missing!")
    ]
    sent = send(kept(request_of(orphans)))
    assert names(sent) == [("first", ["below", "second", "third"])]
    parents = {child["description"]: child["parent_span_id"] for child in sent.transaction["spans"]}
    assert parents["second"] == b"missing!".hex()


def test_spans_that_miss_different_parents_are_different_segments() -> None:
    orphans = [item for name in ("aaaaaaaa", "bbbbbbbb") for item in spans_of(span(name), trace_id(1), name.encode())]
    assert [name for name, _ in names(send(kept(request_of(orphans))))] == ["aaaaaaaa", "bbbbbbbb"]


def test_traces_do_not_mix() -> None:
    bodies = [request_of(spans_of(span(f"root{number}", span("child")), trace_id(number))) for number in range(5)]
    sent = send(kept(*bodies))
    assert sorted(name for name, _ in names(sent)) == [f"root{number}" for number in range(5)]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_parents_that_go_round_in_a_circle_are_one_segment(length: int) -> None:
    spans = [spans_of(span(f"s{i}", start_ms=i), trace_id(1))[0] for i in range(length)]
    for i, one in enumerate(spans):
        one.parent_span_id = spans[(i + 1) % length].span_id
    sent = send(kept(request_of(spans)))
    assert names(sent) == [("s0", [f"s{i}" for i in range(1, length)])]


def test_a_span_sent_twice_arrives_once_and_counts_twice() -> None:
    spans = spans_of(span("root", span("child")), trace_id(1))
    sent = send(kept(request_of([*spans, *spans])))
    assert names(sent) == [("root", ["child"])]
    assert sent.encoded.parcels[0].spans == 4


def test_different_spans_with_one_id_all_arrive() -> None:
    root, child = spans_of(span("root", span("child")), trace_id(1))
    twin = spans_of(span("twin", span_id=child.span_id), trace_id(1), parent=root.span_id)
    root_twin = spans_of(span("root twin", span_id=root.span_id, start_ms=1), trace_id(1))
    sent = send(kept(request_of([root, child, *twin, *root_twin])))
    assert [(name, sorted(children)) for name, children in names(sent)] == [("root", ["child", "root twin", "twin"])]


def test_a_chain_of_ten_thousand_parents_is_no_problem() -> None:
    spans = []
    parent = b""
    for depth in range(10_000):
        own = spans_of(span(f"s{depth}", span_id=(10**6 - depth).to_bytes(8, "big")), trace_id(1), parent)[0]
        parent = own.span_id
        spans.append(own)
    sent = send(kept(request_of(spans)))
    assert sum(len(t["spans"]) for t in sent.transactions) == 9_999

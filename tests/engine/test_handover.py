"""The way from the appender to the task: bounded, and in the order of the log."""

from __future__ import annotations

from otelbridge.engine.handover import Group, Handover
from otelbridge.engine.progress import Stamp
from otelbridge.otlp.decode import DecodedSpans, decode
from tests.support.otlp import request, span


def group(*sequences: int) -> Group[DecodedSpans]:
    """The requests of these records, one span each."""
    decoded = decode([request(span(f"r{sequence}"), trace=sequence) for sequence in sequences])
    return Group(decoded, [Stamp(sequence, 1000.0) for sequence in sequences], decoded.spans, decoded.bytes)


def taken(handover: Handover[DecodedSpans], after: int = 0, max_items: int = 1000) -> list[int]:
    return [stamp.sequence for item in handover.take(after, max_items) for stamp in item.stamps]


def test_what_follows_is_taken_in_order_up_to_a_batch() -> None:
    handover: Handover[DecodedSpans] = Handover(2**20)
    for first in (1, 3, 5):
        handover.put(group(first, first + 1))

    assert taken(handover, max_items=3) == [1, 2, 3, 4]
    assert taken(handover, after=4) == [5, 6]


def test_what_does_not_fit_is_left_to_the_log() -> None:
    handover: Handover[DecodedSpans] = Handover(group(1).bytes)
    for sequence in (1, 2, 3):
        handover.put(group(sequence))

    assert taken(handover) == [1]

    handover.put(group(4))
    assert handover.next_sequence() == 4
    assert taken(handover, after=1) == []
    assert taken(handover, after=3) == [4]


def test_what_was_read_from_the_log_meanwhile_is_not_taken_again() -> None:
    handover: Handover[DecodedSpans] = Handover(2**20)
    handover.put(group(1, 2))
    handover.put(group(3))

    assert taken(handover, after=1) == []
    assert taken(handover, after=2) == [3]


def test_decoded_spans_keep_no_attributes_alive_that_they_do_not_hold() -> None:
    plain = decode([request(span("a"), trace=1)]).bytes
    long = decode([request(span("a", attributes={"prompt": "x" * 100_000}), trace=1)]).bytes

    assert 100_000 < long - plain - 100_000 < 150_000, "once raw, once as a distinct attribute"

"""How the requests of a signal are read: what the way into the log and the way out of it must know of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from otelbridge.core.component import Accepted
from otelbridge.otlp.decode import DecodedSpans, concatenate, count_invalid_ids, decode
from otelbridge.otlp.decode_metrics import DecodedMetrics, concatenate_metrics, decode_metrics

Decoded = TypeVar("Decoded")
"""Requests of one signal, decoded."""
INVALID = "trace id or span id is missing, has the wrong length or is all zero"


@dataclass(frozen=True, slots=True)
class Wire(Generic[Decoded]):
    """One signal.

    Attributes:
        decode: requests together; raises Undecodable if one of them is none.
        concatenate: several decoded groups of requests as one.
        items: how many spans or data points there are.
        size: bytes of memory that they take, decoded.
        accepted: what to tell the client of each request, given the requests and what was decoded of them.
    """

    decode: Callable[[Sequence[bytes]], Decoded]
    concatenate: Callable[[Sequence[Decoded]], Decoded]
    items: Callable[[Decoded], int]
    size: Callable[[Decoded], int]
    accepted: Callable[[Sequence[bytes], Decoded], list[Accepted]]


def _accepted_spans(requests: Sequence[bytes], decoded: DecodedSpans) -> list[Accepted]:
    counts = decoded.spans_per_request
    if count_invalid_ids(decoded) == 0:
        return [Accepted(spans) for spans in counts]
    rejected = [count_invalid_ids(decode([request])) for request in requests]
    return [
        Accepted(spans, invalid, f"{invalid} of {spans} spans dropped: {INVALID}" if invalid else "")
        for spans, invalid in zip(counts, rejected, strict=True)
    ]


SPANS: Wire[DecodedSpans] = Wire(
    decode, concatenate, lambda decoded: decoded.spans, lambda decoded: decoded.bytes, _accepted_spans
)
POINTS: Wire[DecodedMetrics] = Wire(
    decode_metrics,
    concatenate_metrics,
    lambda decoded: decoded.points,
    lambda decoded: decoded.bytes,
    lambda _requests, decoded: [Accepted(points) for points in decoded.points_per_request],
)

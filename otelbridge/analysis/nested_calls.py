"""Which spans of whole traces are a call of their own, and which tell of a call that another one tells of.

A call to a model leaves several spans: an SDK's outer span, the call itself, a second instrumentation beside it. Who
counts calls, or judges them, looks at one of them: the innermost. Two rules find it.

* What lies above another one is not it. A tool is where a new call begins: nothing above a tool is above what is
  below it.
* Of two spans with the same parent that two instrumentations made, the one that holds the other in time is not it.
  That is what remains of a failed call, which has no id of an answer by which the two could be known as one.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import (
    Flags,
    Hashes,
    Integers,
    as_index,
    flags,
    integers,
    may_be_among,
    mix,
    sizes,
    taken,
)
from otelbridge.core import schema

MAX_CLIMB = 1024  # levels; deeper is a runaway recursion

_Twin = tuple[int, int, int, int, int]
"""Start, negative end, span id, origin, and place among the candidates: in the order from outer to inner."""


def are_calls(spans: pl.DataFrame, rows: Integers, providers: Integers) -> Flags:
    """Whether each candidate is a call of its own.

    Args:
        spans: whole traces (wire columns and `op`).
        rows: the candidates: spans that tell of a call, in any order.
        providers: whom each of them called: the same number for the same.
    """
    traces_of_candidates: Hashes = spans[schema.TRACE_ID][as_index(rows)].hash().to_numpy()
    has_company = sizes(traces_of_candidates) > 1
    if not has_company.any():
        return np.ones(len(rows), np.bool_)
    traces: Hashes = spans[schema.TRACE_ID].hash().to_numpy()
    near = np.flatnonzero(may_be_among(traces, traces_of_candidates[has_company]))
    family = taken(spans, (schema.SPAN_ID, schema.PARENT_SPAN_ID, "op", "name"), near)
    ids, parents = integers(family[schema.SPAN_ID]), integers(family[schema.PARENT_SPAN_ID])
    keys = mix(traces[near], ids)
    above = mix(traces[near], np.where(parents == ids, 0, parents))  # no span has the id 0
    place = np.searchsorted(near, rows[has_company])
    passed = keys[_passed(keys, above, _are_tools(family), place)]
    is_call = np.ones(len(rows), np.bool_)
    is_call[has_company] = ~np.isin(keys[place], passed) & _is_first(keys[place])
    left = np.flatnonzero(has_company & is_call)
    beside = above[np.searchsorted(near, rows[left])]
    is_call[_outer_twins(spans, rows, left, beside, providers)] = False
    return is_call


def _are_tools(family: pl.DataFrame) -> Flags:
    """By OpenTelemetry's word, and by the Vercel AI SDK's."""
    return flags(family["op"] == "gen_ai.execute_tool") | flags(family["name"] == "ai.toolCall")


def _passed(keys: Hashes, above: Hashes, is_tool: Flags, starts: Integers) -> Flags:
    """What is met on the way up from all starts, up to the first tool."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    passed = np.zeros(len(keys), np.bool_)
    at = starts
    for _ in range(MAX_CLIMB):
        wanted = above[at[~is_tool[at]]]
        found = np.searchsorted(ordered, wanted).clip(max=len(ordered) - 1)
        at = np.unique(order[found[ordered[found] == wanted]])
        at = at[~passed[at]]
        if not at.size:
            break
        passed[at] = True
    return passed


def _is_first(keys: Hashes) -> Flags:
    """False for a span that was sent twice, but for one of the two."""
    is_first = np.zeros(len(keys), np.bool_)
    is_first[np.unique(keys, return_index=True)[1]] = True
    return is_first


def _outer_twins(spans: pl.DataFrame, rows: Integers, left: Integers, beside: Hashes, providers: Integers) -> list[int]:
    """Places of candidates that hold, in time, a span of another instrumentation beside them."""
    origins = integers(spans[schema.ORIGIN][as_index(rows[left])])
    has_siblings = sizes(beside) > sizes(mix(beside, origins))  # of another origin
    if not has_siblings.any():
        return []
    left, beside = left[has_siblings], beside[has_siblings]
    columns = ("start_ns", "end_ns", schema.SPAN_ID, schema.ORIGIN)
    told = taken(spans, columns, rows[left]).iter_rows()
    groups: dict[tuple[int, int], list[_Twin]] = {}
    whom = zip(beside.tolist(), providers[left].tolist(), strict=True)
    for key, place, (start, end, span_id, origin) in zip(whom, left.tolist(), told, strict=True):
        groups.setdefault(key, []).append((start, -end, span_id, origin, place))
    return [place for group in groups.values() for place in _holding_others(group)]


def _holding_others(group: list[_Twin]) -> list[int]:
    """From inner to outer: a span holds another if one of another origin that starts later ends earlier."""
    holding = []
    # The two earliest ends so far, of two origins: one of them is another's.
    first: tuple[int, int] | None = None
    second: tuple[int, int] | None = None
    for _, negative_end, _, origin, place in sorted(group, reverse=True):
        own = (-negative_end, origin)
        other = second if first is not None and first[1] == origin else first
        if other is not None and other[0] <= own[0]:
            holding.append(place)
        if first is None or first[1] == origin:
            first = own if first is None else min(first, own)
        elif second is None or own[0] < second[0]:
            second = own
        if first is not None and second is not None and second[0] < first[0]:
            first, second = second, first
    return holding

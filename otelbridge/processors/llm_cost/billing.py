"""Which calls of whole traces are billed, and to whom.

A call is billed once, by its innermost span with usage. What lies above that span never is: outer spans of the same
call, agents, a gateway's client. A tool is where a new call begins, so nothing above a tool is covered by what is
below it. Spans beside each other with the same id of the provider's answer (two instrumentations, or the same span
sent twice) are one call. A report of a cost counts only in a trace without calls.

Whom a call belongs to is said by the span itself, else by its nearest ancestor that says it, else by a root of its
trace, else, for a late call, by the calls of its trace that came in time. A project is at last the service's
namespace or name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from otelbridge.analysis.frames import overlaid
from otelbridge.analysis.grouping import as_index, number
from otelbridge.core import schema
from otelbridge.core.arrays import is_present, nulls
from otelbridge.processors.llm_cost.arrays import NOWHERE, Booleans, Floats, Ids, Rows
from otelbridge.processors.llm_cost.billed_traces import ABOVE, OWN, OWNERS, REPORT, ROWS, BilledTraces
from otelbridge.processors.llm_cost.lineage import Climb, Lineage
from otelbridge.processors.llm_cost.records import Described
from otelbridge.semconv.classify import Role

OWNER_COLUMNS = {"user": "user.id", "project": "project.id", "conversation": "gen_ai.conversation.id"}
"""Whom a call belongs to -> the column of a span that says it."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What became of the counted calls of `Described`, one element each.

    Attributes:
        rows: their rows in the batch.
        is_billed: whether this span pays, or another for it.
        usd: what they cost; NaN when unknown, and where not billed.
        owners: user, project, conversation: String.
    """

    rows: Rows
    is_billed: Booleans
    usd: Floats
    owners: pl.DataFrame


def _answers(response_ids: pl.Series, traces: Ids) -> tuple[Ids, Booleans]:
    """What stands for (trace, id of the provider's answer), and where there is an id."""
    listed = response_ids.to_list()
    hashes = np.fromiter(map(hash, listed), np.int64, len(listed)).view(np.uint64)
    return traces + hashes, is_present(response_ids)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What is remembered of the traces of a batch: spans that are calls, spans above calls, ids of answers."""

    own: Ids
    above: Ids
    answers: Ids
    with_calls: Ids

    @staticmethod
    def of(rows: pl.DataFrame) -> _Earlier:
        why = rows["why"].to_numpy()
        traces = rows[schema.TRACE_ID].hash().to_numpy()
        keys = traces + rows[schema.SPAN_ID].to_numpy()
        answers, has_answer = _answers(rows["response_id"], traces)
        return _Earlier(keys[why != ABOVE], keys[why == ABOVE], answers[has_answer], traces[why == OWN])


class Biller:
    """Bills whole traces, and remembers them for the spans that come late."""

    def __init__(self, remembered_traces: int) -> None:
        self.billed_traces = BilledTraces(remembered_traces)

    def bill(self, spans: pl.DataFrame, told: Described) -> Bill:
        """Bill the counted calls of whole traces, or of spans that came late."""
        lineage = Lineage(spans)
        rows = told.rows[told.counted]
        index = as_index(rows)
        traces = set(lineage.trace[rows].tolist())
        memories = self._memories(spans, rows, traces)
        earlier = None if memories is None else _Earlier.of(memories)
        # Spans that came after a call below them climb on for it.
        links = np.flatnonzero(np.isin(lineage.key, earlier.above)) if earlier else np.empty(0, np.intp)
        marks = {owner: is_present(spans[column]) for owner, column in OWNER_COLUMNS.items()}
        is_barrier = (told.roles == Role.TOOL) | (told.roles == Role.REPORT)
        climb = lineage.climb(np.concatenate([rows, links]), marks, is_barrier)
        climb.passed[links] = True

        response_ids, costs = told.texts("response_id")[told.counted], told.numbers("cost")[told.counted]
        is_report = told.roles[rows] == Role.REPORT
        is_covered = _is_covered(response_ids, costs, rows, is_report, lineage, climb, earlier)
        owners = _owners(spans, rows, lineage, climb, marks)
        if memories is not None:
            owners = _inherited(spans[schema.TRACE_ID][index], owners, memories)
        own = [
            spans[schema.TRACE_ID][index],
            spans[schema.SPAN_ID][index],
            pl.Series("why", np.where(is_report, REPORT, OWN).astype(np.uint8)),
            response_ids,
            *owners.get_columns(),
        ]
        self.billed_traces.remember(pl.DataFrame(own), traces)
        if climb.orphans.size:
            self.billed_traces.remember(_above(spans, lineage, climb), traces)
        owners = owners.replace_column(1, _project_or_service(owners["project"], spans, rows))
        return Bill(rows, ~is_covered, np.where(is_covered, np.nan, costs), owners)

    def _memories(self, spans: pl.DataFrame, rows: Rows, traces: set[int]) -> pl.DataFrame | None:
        if not self.billed_traces.knows_any(traces):
            return None
        return self.billed_traces.of(spans[schema.TRACE_ID][rows])


def _above(spans: pl.DataFrame, lineage: Lineage, climb: Climb) -> pl.DataFrame:
    """Spans that lie above calls and were not seen; columns as ROWS."""
    span_ids = pl.Series(schema.SPAN_ID, climb.unseen - lineage.trace[climb.orphans])
    known = [spans[schema.TRACE_ID][climb.orphans], span_ids, nulls("why", pl.UInt8, len(span_ids)).fill_null(ABOVE)]
    others = {name: dtype for name, dtype in ROWS.items() if name not in (schema.TRACE_ID, schema.SPAN_ID, "why")}
    return pl.DataFrame([*known, *(nulls(name, dtype, len(span_ids)) for name, dtype in others.items())])


def _is_covered(
    response_ids: pl.Series,
    costs: Floats,
    rows: Rows,
    is_report: Booleans,
    lineage: Lineage,
    climb: Climb,
    earlier: _Earlier | None,
) -> Booleans:
    keys, traces = lineage.key[rows], lineage.trace[rows]
    answers, has_answer = _answers(response_ids, traces)
    is_covered: Booleans = climb.passed[rows] & ~is_report
    if earlier is not None:
        is_below_own = np.isin(rows, climb.orphans[np.isin(climb.unseen, earlier.own)])
        is_covered |= np.isin(keys, earlier.own) | is_below_own | (has_answer & np.isin(answers, earlier.answers))
        is_covered |= is_report & np.isin(traces, earlier.with_calls)
    if is_report.any():
        is_covered |= is_report & np.isin(traces, traces[~is_report])
    same = np.where(has_answer, answers, keys)
    if len(number(same)) < len(same):
        is_covered |= ~_is_chosen(same, is_covered, ~np.isnan(costs), keys)
    return is_covered


def _is_chosen(same: Ids, is_covered: Booleans, has_cost: Booleans, keys: Ids) -> Booleans:
    """One of those that are the same: rather one that is not covered, and has a price."""
    order = np.lexsort((keys, ~has_cost, is_covered))
    _, first = np.unique(same[order], return_index=True)
    is_chosen = np.zeros(len(same), np.bool_)
    is_chosen[order[first]] = True
    return is_chosen


def _owners(
    spans: pl.DataFrame, rows: Rows, lineage: Lineage, climb: Climb, marks: dict[str, Booleans]
) -> pl.DataFrame:
    found = []
    for owner, column in OWNER_COLUMNS.items():
        nearest = climb.nearest[owner][: len(rows)]
        is_lost = nearest == NOWHERE
        if is_lost.any() and marks[owner].any():
            nearest[is_lost] = lineage.roots(rows[is_lost], marks[owner])
        nearest = np.where(nearest == NOWHERE, rows, nearest)  # which says nothing either
        found.append(spans[column][as_index(nearest)].alias(owner))
    return pl.DataFrame(found)


def _project_or_service(project: pl.Series, spans: pl.DataFrame, rows: Rows) -> pl.Series:
    everywhere = np.arange(len(rows))
    index = as_index(rows)
    service = overlaid(spans["service"][index], everywhere, spans["service.namespace"][index])
    return overlaid(service, everywhere, project).alias("project")


def _inherited(trace_ids: pl.Series, owners: pl.DataFrame, memories: pl.DataFrame) -> pl.DataFrame:
    """Owners as given, else those of the calls of the trace that came before."""
    before = memories.group_by(schema.TRACE_ID).agg(pl.col(OWNERS).drop_nulls().first().name.suffix(" before"))
    joined = owners.with_columns(trace_ids).join(before, on=schema.TRACE_ID, how="left", maintain_order="left")
    return joined.select(pl.coalesce(owner, f"{owner} before") for owner in OWNERS)

"""Which rule each trace falls under."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Flags, Groups, Integers, as_index
from otelbridge.config.expressions import column_names, parse
from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.schema import Column
from otelbridge.processors.dynamic_sampling.settings import ANY_FINDING, Rule

_Criteria = list[list[pl.Expr]]
"""For each rule, one expression (Boolean, never null) for each of its criteria about spans."""


class RuleBook:
    """Rules in order, compiled to polars when the types of their columns are seen for the first time."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._keeps_all = [*(rule.keep == 100 and rule.is_critical for rule in rules), False]
        texts = {text for rule in rules for criterion in rule.conditions for text in criterion}
        self._columns = sorted(frozenset[str]().union(*map(column_names, texts)))
        self._compiled: tuple[tuple[object, ...], _Criteria] | None = None

    def match(self, batch: Batch, traces: Groups) -> Integers:
        """Index of the first rule about each trace; the number of rules where there is none, one more for examples.

        The example of a finding that lasts is an example whatever the rules say of it, unless they keep it anyway: who
        is told of an incident must be able to look at it.
        """
        criteria = self._criteria(batch.spans)
        met = iter(self._met(batch.spans, [expression for rule in criteria for expression in rule], traces))
        kinds, examples = _findings(batch, traces)
        rule_of_trace = np.full(len(traces), len(self._rules))
        open_ = np.ones(len(traces), np.bool_)
        for place, rule in enumerate(self._rules):
            holds = open_.copy()
            for _ in criteria[place]:
                holds &= next(met)
            if rule.findings:
                holds &= _has_finding(rule.findings, kinds, len(traces))
            rule_of_trace[holds] = place
            open_ &= ~holds
        for trace in examples:
            if not self._keeps_all[rule_of_trace[trace]]:
                rule_of_trace[trace] = len(self._rules) + 1
        return rule_of_trace

    def _criteria(self, spans: pl.DataFrame) -> _Criteria:
        present = {name: spans[name].dtype if name in spans.columns else None for name in self._columns}
        dtypes = tuple(present.values())
        if self._compiled is None or self._compiled[0] != dtypes:
            columns = {name: Column(name, dtype, "", "") for name, dtype in present.items() if dtype is not None}
            criteria = [
                [reduce(and_, (_expression(text, columns) for text in criterion)) for criterion in rule.conditions]
                for rule in self._rules
            ]
            self._compiled = (dtypes, criteria)
        return self._compiled[1]

    @staticmethod
    def _met(spans: pl.DataFrame, expressions: list[pl.Expr], traces: Groups) -> list[Flags]:
        """For each expression, the traces that have a span for which it holds."""
        if not expressions:
            return []
        held = spans.select(expression.alias(str(i)) for i, expression in enumerate(expressions))
        met = []
        for column in held.get_columns():
            trace_has_it = np.zeros(len(traces), np.bool_)
            trace_has_it[traces.of_row[column.to_numpy()]] = True
            met.append(trace_has_it)
        return met


def _findings(batch: Batch, traces: Groups) -> tuple[dict[str, list[int]], list[int]]:
    """The numbers of the traces that have a finding, by its kind; and of those that are the example of one that lasts.

    A finding of the state `once` is about its trace alone; there may be as many as traces.
    """
    kinds: dict[str, list[int]] = {}
    examples: list[int] = []
    if not batch.findings:
        return kinds, examples
    ids = batch.spans[schema.TRACE_ID][as_index(traces.first)].to_list()
    numbers = {trace_id: place for place, trace_id in enumerate(ids)}
    for finding in batch.findings:
        place = numbers.get(finding.trace_id)
        if place is not None:
            kinds.setdefault(finding.kind, []).append(place)
            if finding.state in ("raised", "updated"):
                examples.append(place)
    return kinds, examples


def _expression(text: str, columns: dict[str, Column]) -> pl.Expr:
    if column_names(text) <= columns.keys():
        return parse(text, columns).expression
    # A processor that should have made a column failed on this batch: what it would have said is unknown.
    return pl.repeat(value=False, n=pl.len())


def _has_finding(wanted: tuple[str, ...], kinds: dict[str, list[int]], traces: int) -> Flags:
    has = np.zeros(traces, np.bool_)
    for kind, numbers in kinds.items():
        if ANY_FINDING in wanted or kind in wanted:
            has[numbers] = True
    return has

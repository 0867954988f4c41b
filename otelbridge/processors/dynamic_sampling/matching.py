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
        texts = {text for rule in rules for criterion in rule.conditions for text in criterion}
        self._columns = sorted(frozenset[str]().union(*map(column_names, texts)))
        self._looks_at_findings = any(rule.findings for rule in rules)
        self._compiled: tuple[tuple[object, ...], _Criteria] | None = None

    def match(self, batch: Batch, traces: Groups) -> Integers:
        """Index of the first rule about each trace; the number of rules where there is none."""
        criteria = self._criteria(batch.spans)
        met = iter(self._met(batch.spans, [expression for rule in criteria for expression in rule], traces))
        kinds = self._kinds_of_findings(batch, traces)
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

    def _kinds_of_findings(self, batch: Batch, traces: Groups) -> dict[str, list[int]]:
        """Kind of finding -> numbers of the traces that have one."""
        kinds: dict[str, list[int]] = {}
        if not batch.findings or not self._looks_at_findings:
            return kinds
        ids = batch.spans[schema.TRACE_ID][as_index(traces.first)].to_list()
        numbers = {trace_id: place for place, trace_id in enumerate(ids)}
        for finding in batch.findings:
            if finding.trace_id in numbers:
                kinds.setdefault(finding.kind, []).append(numbers[finding.trace_id])
        return kinds


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

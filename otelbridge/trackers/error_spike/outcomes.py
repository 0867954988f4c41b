"""What each service did in a tick: all operations and those that failed, by second and class of error."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from otelbridge.core.findings import Example
from otelbridge.core.measurements import COUNT, ENVIRONMENT, RELEASE, SERVICE, TIME, VALUE
from otelbridge.core.schema import SPAN_ID, TRACE_ID

Emitter = tuple[str | None, str | None]
"""Environment and service."""

OTHER = "other"  # classes beyond what is told apart


@dataclass(slots=True)
class Outcomes:
    """Of one service.

    Attributes:
        totals: operations by second.
        failures: by class of error, by second.
        examples: the last failed one by class.
    """

    totals: dict[float, int] = field(default_factory=dict)
    failures: dict[str, dict[float, int]] = field(default_factory=dict)
    examples: dict[str, Example] = field(default_factory=dict)


def by_service(measured: pl.DataFrame, max_types: int) -> dict[Emitter, Outcomes]:
    """From rows of `error.rate`: at most `max_types` classes of a service, one of them OTHER for the rarest.

    The order of the rows says which example is the last, and nothing else: it depends on how a tick was cut into
    batches.
    """
    found: dict[Emitter, Outcomes] = {}
    columns = (ENVIRONMENT, SERVICE, "error.type", TIME, VALUE, COUNT, TRACE_ID, SPAN_ID, RELEASE)
    for environment, service, error_type, second, value, count, trace_id, span_id, release in measured.select(
        columns
    ).iter_rows():
        of_service = found.setdefault((environment, service), Outcomes())
        of_service.totals[second] = of_service.totals.get(second, 0) + count
        if value:
            name = error_type or OTHER
            failures = of_service.failures.setdefault(name, {})
            failures[second] = failures.get(second, 0) + count
            of_service.examples.pop(name, None)  # the last one stands last
            of_service.examples[name] = Example.of(trace_id, span_id, release)
    for of_service in found.values():
        _merge_rarest(of_service, max_types)
    return dict(sorted(found.items(), key=lambda one: [(name is not None, name or "") for name in one[0]]))


def _merge_rarest(outcomes: Outcomes, max_types: int) -> None:
    """Sort the classes by name; those beyond the bound become OTHER."""
    by_name = outcomes.failures
    frequent = sorted(by_name.keys() - {OTHER}, key=lambda name: (-sum(by_name[name].values()), name))[: max_types - 1]
    rest = [name for name in outcomes.examples if name not in frequent]
    others: dict[float, int] = {}
    for name in rest:
        for second, count in by_name[name].items():
            others[second] = others.get(second, 0) + count
    outcomes.failures = {name: by_name[name] for name in sorted(frequent)}
    examples = {name: outcomes.examples[name] for name in outcomes.failures}
    if rest:
        outcomes.failures[OTHER], examples[OTHER] = others, outcomes.examples[rest[-1]]
    outcomes.examples = examples

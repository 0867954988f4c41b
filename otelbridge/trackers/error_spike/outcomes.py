"""What each service did in a tick: all operations and those that failed, by second and class of error."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from otelbridge.analysis.frames import rows_of
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
        last: the last failed one by class: trace, span and release.
    """

    totals: dict[float, int] = field(default_factory=dict)
    failures: dict[str, dict[float, int]] = field(default_factory=dict)
    last: dict[str, tuple[int, int, str | None]] = field(default_factory=dict)


def by_service(measured: pl.DataFrame, max_types: int) -> dict[Emitter, Outcomes]:
    """From rows of `error.rate`: at most `max_types` classes of a service, one of them OTHER for the rarest.

    The order of the rows says which example is the last, and nothing else: it depends on how a tick was cut into
    batches.
    """
    found: dict[Emitter, Outcomes] = {}
    of_rows = zip(rows_of(measured, (ENVIRONMENT, SERVICE)), rows_of(measured, _COLUMNS), strict=True)
    for emitter, (error_type, second, value, count, trace_id, span_id, release) in of_rows:
        of_service = found.get(emitter)
        if of_service is None:
            of_service = found[emitter] = Outcomes()
        totals = of_service.totals
        totals[second] = totals.get(second, 0) + count
        if value:
            name = error_type or OTHER
            failures = of_service.failures.setdefault(name, {})
            failures[second] = failures.get(second, 0) + count
            of_service.last.pop(name, None)  # the last one stands last
            of_service.last[name] = (trace_id, span_id, release)
    for of_service in found.values():
        if of_service.failures:
            _merge_rarest(of_service, max_types)
    return {emitter: found[emitter] for emitter in sorted(found, key=_by_name)}


_COLUMNS = ("error.type", TIME, VALUE, COUNT, TRACE_ID, SPAN_ID, RELEASE)


def _by_name(emitter: Emitter) -> tuple[bool, str, bool, str]:
    """Those without a name come first."""
    environment, service = emitter
    return environment is not None, environment or "", service is not None, service or ""


def _merge_rarest(outcomes: Outcomes, max_types: int) -> None:
    """Sort the classes by name; those beyond the bound become OTHER."""
    by_name = outcomes.failures
    frequent = by_name.keys() - {OTHER}
    if len(frequent) >= max_types:
        by_frequency = sorted(frequent, key=lambda name: (-sum(by_name[name].values()), name))
        frequent = set(by_frequency[: max_types - 1])
    rest = [name for name in outcomes.last if name not in frequent]
    others: dict[float, int] = {}
    for name in rest:
        for second, count in by_name[name].items():
            others[second] = others.get(second, 0) + count
    outcomes.failures = {name: by_name[name] for name in sorted(frequent)}
    last = {name: outcomes.last[name] for name in outcomes.failures}
    if rest:
        outcomes.failures[OTHER], last[OTHER] = others, outcomes.last[rest[-1]]
    outcomes.last = last

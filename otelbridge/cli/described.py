"""What is known of a component, gathered once for the terminal and for the documentation pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from otelbridge.config.documentation import Setting, model_documentation, settings
from otelbridge.config.examples import component_example, service_example
from otelbridge.config.expressions import FUNCTIONS
from otelbridge.config.expressions.terms import kind_of
from otelbridge.config.model import Catalogue, ServiceConfig
from otelbridge.core.component import ComponentSpec, Kind
from otelbridge.core.measurements import MeasurementKind
from otelbridge.core.schema import Column
from otelbridge.semconv.measurements import MEASUREMENTS

SERVICE = "service"
DEFAULT_PIPELINES = (
    "traces:",
    "  receivers: [otlp]",
    "  processors:",
    "    [db_queries, llm_cost, ttft, provider_health, span_metrics, group_by_trace, n_plus_one, dynamic_sampling]",
    "  trackers: [degradation, error_spike, cascade]",
    "  exporters: [sentry]",
    "metrics:",
    "  receivers: [otlp]",
    "  trackers: [capacity]",
    "  exporters: [sentry]",
)
GUIDES = {
    "degradation": "degradation.md",
    "error_spike": "error_spike.md",
    "cascade": "cascade.md",
    "capacity": "capacity.md",
}
"""Pages in docs/trackers that say in plain words when a tracker speaks, what it costs, and how that was measured."""
SPECIAL_FUNCTIONS = (
    ("attribute('key')", "text", "any attribute of the span by its name, as text; NULL where it is absent"),
    ("resource('key')", "text", "any attribute of the span's resource by its name, as text"),
    ("coalesce(value, ...)", "as its values", "the first value that is not NULL"),
    ("regexp_like(text, 'pattern')", "true or false", "whether a regular expression is found in the text; also `~`"),
)
OPERATORS = (
    "AND, OR, NOT; =, <>, <, <=, >, >=; IS [NOT] NULL, IS TRUE, IS FALSE; [NOT] IN (...); [NOT] BETWEEN a AND b; "
    "[NOT] LIKE and ILIKE with % and _, ESCAPE 'c'; ~ for regular expressions; +, -, *, / in floating point"
)
_KINDS = {"string": "text", "number": "number", "boolean": "true or false", "id": "id"}


@dataclass(frozen=True, slots=True)
class Described:
    """One component, or the service section.

    Attributes:
        name: as in YAML.
        heading: kind and stability; "" for the service section.
        summary: one sentence.
        notes: where it must stand, what else must be known.
        settings: all of them.
        reads: columns it reads with its default settings.
        adds: columns it adds.
        measures: measurements it makes with its default settings.
        watches: measurements it watches with its default settings.
        guide: a page about it beside the generated one; "" where there is none.
        example: YAML with every setting.
    """

    name: str
    heading: str
    summary: str
    notes: tuple[str, ...]
    settings: tuple[Setting, ...]
    reads: tuple[str, ...]
    adds: tuple[Column, ...]
    measures: tuple[str, ...]
    watches: tuple[str, ...]
    guide: str
    example: str


def describe(spec: ComponentSpec[Any]) -> Described:
    """Everything about a component."""
    notes = []
    if spec.needs_complete_traces:
        notes.append("Looks at whole traces: it must stand after `group_by_trace`.")
    if spec.kind == Kind.PROCESSOR and spec.name == "group_by_trace":
        notes.append("Every pipeline has it exactly once; exporters get whole traces.")
    return Described(
        name=spec.name,
        heading=f"{spec.kind}, {spec.stability}",
        summary=spec.summary,
        notes=tuple(notes),
        settings=tuple(settings(spec.config)),
        reads=tuple(sorted(_of_defaults(spec, spec.reads))),
        adds=spec.adds,
        measures=tuple(sorted(_of_defaults(spec, spec.measures))),
        watches=tuple(sorted(_of_defaults(spec, spec.watches))),
        guide=GUIDES.get(spec.name, ""),
        example=component_example(spec),
    )


def describe_service() -> Described:
    """Everything about the service section."""
    return Described(
        name=SERVICE,
        heading="",
        summary=model_documentation(ServiceConfig),
        notes=(),
        settings=tuple(settings(ServiceConfig)),
        reads=(),
        adds=(),
        measures=(),
        watches=(),
        guide="",
        example=service_example(DEFAULT_PIPELINES),
    )


def by_name(catalogue: Catalogue, name: str) -> list[Described]:
    """The components of this name, of whatever kind; the service section under its own."""
    if name == SERVICE:
        return [describe_service()]
    return [describe(spec) for (_, spec_name), spec in catalogue.specs.items() if spec_name == name]


def names(catalogue: Catalogue) -> list[str]:
    """Everything that `by_name` knows."""
    return [*dict.fromkeys(name for _, name in catalogue.specs), SERVICE]


def condition_columns(catalogue: Catalogue) -> Iterator[tuple[Column, str]]:
    """Columns that conditions may use, and the processor that adds each; "" for those that are always there."""
    always = [(column, "") for column in catalogue.columns.values()]
    added = [(column, spec.name) for spec in catalogue.specs.values() for column in spec.adds]
    yield from ((column, added_by) for column, added_by in (*always, *added) if kind_of(column) is not None)


def functions() -> Iterator[tuple[str, str, str]]:
    """Each function as it is written, what it gives, what it means."""
    for function in FUNCTIONS.values():
        arguments = ", ".join(_KINDS[kind] for kind in function.parameters)
        yield f"{function.name}({arguments})", _KINDS[function.result], function.meaning
    yield from SPECIAL_FUNCTIONS


def column_type(column: Column) -> str:
    """A column's type in the words of conditions, with its unit."""
    kind = kind_of(column)
    if kind is None:
        return "structure"
    name = "whole number" if kind == "number" and column.dtype.is_integer() else _KINDS[kind]
    return f"{name} in {column.unit}" if column.unit else name


def measurements(catalogue: Catalogue) -> Iterator[tuple[MeasurementKind, list[str]]]:
    """Every measurement, and the components that make it."""
    makers = {spec.name: _of_defaults(spec, spec.measures) for spec in catalogue.specs.values()}
    for kind in MEASUREMENTS.values():
        yield kind, [name for name, made in makers.items() if kind.name in made]


def _of_defaults(spec: ComponentSpec[Any], names: Callable[[Any], frozenset[str]]) -> frozenset[str]:
    config = _defaults(spec.config)
    return names(config) if config is not None else frozenset()


def _defaults(model: type[BaseModel]) -> BaseModel | None:
    """The settings with nothing written; None where something is required."""
    try:
        return model()
    except ValidationError:
        return None

"""Every component there is, in the order in which documentation shows them. The only registry.

A list and not a folder scan: one page shows what there is, the order is a decision, and the type checker reads it.
Third parties add theirs by an entry point of the group `otelbridge.components` that names a `ComponentSpec`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from otelbridge.config.model import Catalogue
from otelbridge.core.component import ComponentSpec
from otelbridge.core.errors import CannotStart
from otelbridge.core.schema import DERIVED_COLUMNS, ORIGIN, POSITION, RAW, RECORD, WIRE_COLUMNS, Column
from otelbridge.engine import group_by_trace
from otelbridge.exporters import file, local_store
from otelbridge.exporters.sentry import exporter as sentry
from otelbridge.processors import (
    db_queries,
    dynamic_sampling,
    llm_cost,
    n_plus_one,
    provider_health,
    span_metrics,
    ttft,
)
from otelbridge.receivers import otlp
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.trackers import capacity, cascade, degradation, error_spike

GROUP = "otelbridge.components"

BUILT_IN: tuple[ComponentSpec[Any], ...] = (
    otlp.SPEC,
    db_queries.SPEC,
    llm_cost.SPEC,
    ttft.SPEC,
    provider_health.SPEC,
    span_metrics.SPEC,
    group_by_trace.SPEC,
    n_plus_one.SPEC,
    dynamic_sampling.SPEC,
    degradation.SPEC,
    error_spike.SPEC,
    cascade.SPEC,
    capacity.SPEC,
    sentry.SPEC,
    file.SPEC,
    local_store.SPEC,
)

# How a span is stored is nothing that a condition could ask about.
_INTERNAL = {RECORD, POSITION, ORIGIN, RAW}


def catalogue(plugins: Iterable[EntryPoint] | None = None) -> Catalogue:
    """The built-in components and those of installed packages. Raises CannotStart for a package that is broken."""
    found = entry_points(group=GROUP) if plugins is None else plugins
    specs = {(spec.kind, spec.name): spec for spec in BUILT_IN}
    for plugin in sorted(found, key=lambda entry: entry.name):
        spec = _load(plugin)
        if (spec.kind, spec.name) in specs:
            raise CannotStart(f"{_origin(plugin)} brings a second {spec.kind} `{spec.name}`")
        specs[spec.kind, spec.name] = spec
    return Catalogue.of(specs.values(), base_columns())


def base_columns() -> Iterator[Column]:
    """The columns that conditions may use wherever they stand, in the order of the documentation."""
    columns = [column for column in WIRE_COLUMNS if column.name not in _INTERNAL]
    named = {column.name for column in (*columns, *DERIVED_COLUMNS)}
    yield from columns
    yield from DERIVED_COLUMNS
    for concept in CONCEPTS.values():
        if concept.name not in named:
            yield Column(concept.name, concept.dtype, concept.unit, concept.meaning)


def _load(plugin: EntryPoint) -> ComponentSpec[Any]:
    try:
        spec = plugin.load()
    except (ImportError, AttributeError) as error:
        raise CannotStart(f"{_origin(plugin)} cannot be loaded: {error}") from error
    if not isinstance(spec, ComponentSpec):
        raise CannotStart(f"{_origin(plugin)} is no component: it must name a ComponentSpec")
    return spec


def _origin(plugin: EntryPoint) -> str:
    package = plugin.dist.name if plugin.dist else "a package"
    return f"entry point `{plugin.name}` of {package}"

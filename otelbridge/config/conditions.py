"""Checks the conditions of every component against the columns that exist where it stands.

Conditions are found in the tree and not in the checked settings, so that they are checked, too, where something else in
the component is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from otelbridge.config import document
from otelbridge.config.document import Node, Scalar
from otelbridge.config.expressions import column_names, parse
from otelbridge.config.fields import Fields
from otelbridge.config.model import SECTIONS, Catalogue, PipelineConfig
from otelbridge.config.pointing import place_within
from otelbridge.config.problems import ConfigProblem
from otelbridge.config.reading import Found, locate
from otelbridge.config.report import Path, Report
from otelbridge.core.schema import Column


@dataclass(frozen=True, slots=True)
class Conditions:
    """Checks the conditions of one configuration."""

    catalogue: Catalogue
    fields: Fields
    root: document.Mapping
    report: Report

    def check(self, pipelines: Mapping[str, PipelineConfig]) -> None:
        """Each component with the columns of the processors before it, in every pipeline it stands in."""
        unused = {(section, name) for section in SECTIONS for name in self._names(section)}
        for pipeline in pipelines.values():
            columns = dict(self.catalogue.columns)
            for section, name in _in_order(pipeline):
                self._check_component((section, name), columns)
                spec = self.catalogue.specs.get((SECTIONS[section], name.partition("/")[0]))
                columns |= {column.name: column for column in (spec.adds if spec else ())}
                unused.discard((section, name))
        every = {**self.catalogue.columns, **{name: column for name, (column, _) in self._added().items()}}
        for path in sorted(unused):
            self._check_component(path, every)

    def _names(self, section: str) -> list[str]:
        found = locate(self.root, (section,), self.root.place)
        return list(found.node.entries) if isinstance(found.node, document.Mapping) and not found.missing else []

    def _check_component(self, path: Path, columns: Mapping[str, Column]) -> None:
        component = locate(self.root, path, self.root.place)
        if component.missing:
            return
        for found in _scalars(component):
            if self.fields.is_condition([str(step) for step in found.path]) and found.text:
                self._check(found, columns, str(path[-1]))

    def _check(self, found: Found, columns: Mapping[str, Column], component: str) -> None:
        text = found.text
        try:
            parse(text, columns)
        except ConfigProblem as problem:
            message = self._made_later(text, columns, component) or problem.message
            place = place_within(found.node, problem.start, problem.end) or found.place()
            self.report.add(found.path, message, place)

    def _made_later(self, text: str, columns: Mapping[str, Column], component: str) -> str | None:
        """Better words for a column that exists, but not yet."""
        try:
            names = sorted(column_names(text) - columns.keys())
        except ConfigProblem:
            return None
        added = self._added()
        makers = [(name, added[name][1]) for name in names if name in added]
        if not makers:
            return None
        name, maker = makers[0]
        return f"column `{name}` is added by `{maker}`, which must stand before `{component}`"

    def _added(self) -> dict[str, tuple[Column, str]]:
        """Columns that processors add, and which one does."""
        specs = self.catalogue.specs.values()
        return {column.name: (column, spec.name) for spec in specs for column in spec.adds}


def _in_order(pipeline: PipelineConfig) -> Iterator[tuple[str, str]]:
    for section in ("receivers", "processors", "exporters"):
        for name in getattr(pipeline, section):
            yield section, name


def _scalars(found: Found) -> Iterator[Found]:
    """Every single value below, with its path."""
    node: Node = found.node
    if isinstance(node, Scalar):
        yield found
    elif isinstance(node, document.Mapping):
        for key, entry in node.entries.items():
            yield from _scalars(Found((*found.path, key), entry.node, entry.key))
    else:
        for index, item in enumerate(node.items):
            yield from _scalars(Found((*found.path, index), item, item.place))

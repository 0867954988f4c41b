"""Whether every column that a component reads exists where the component stands, in its conditions and otherwise.

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
from otelbridge.config.model import SECTION_OF, SECTIONS, Catalogue, Configured, PipelineConfig
from otelbridge.config.pointing import place_within
from otelbridge.config.problems import ConfigProblem, did_you_mean
from otelbridge.config.reading import Found, locate
from otelbridge.config.report import Path, Report
from otelbridge.core.component import Kind
from otelbridge.core.schema import WIRE_COLUMNS, Column

ATTRIBUTES = ("attribute:", "resource:")
"""How columns begin that are attributes asked for by name; they always exist."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Checks one configuration.

    Attributes:
        catalogue: the columns there are, and those that processors add.
        fields: says which settings hold conditions.
        root: the whole tree.
        defined: components by kind and id; None for one whose settings are wrong.
        report: where mistakes go.
    """

    catalogue: Catalogue
    fields: Fields
    root: document.Mapping
    defined: Mapping[Kind, Mapping[str, Configured | None]]
    report: Report

    def check(self, pipelines: Mapping[str, PipelineConfig]) -> None:
        """Each component with the columns of the processors before it, in every pipeline it stands in."""
        unused = {(SECTION_OF[kind], name) for kind, components in self.defined.items() for name in components}
        for pipeline_id, pipeline in pipelines.items():
            columns = dict(self.catalogue.columns)
            for section in SECTIONS:
                for index, name in enumerate(getattr(pipeline, section)):
                    named = self._check_conditions((section, name), columns)
                    self._check_reads(("service", "pipelines", pipeline_id, section, index), name, named, columns)
                    spec = self.catalogue.specs.get((SECTIONS[section], name.partition("/")[0]))
                    columns |= {column.name: column for column in (spec.adds if spec else ())}
                    unused.discard((section, name))
        every = {**self.catalogue.columns, **{name: column for name, (column, _) in self._added().items()}}
        for path in sorted(unused):
            self._check_conditions(path, every)

    def _check_conditions(self, path: Path, columns: Mapping[str, Column]) -> set[str]:
        """Check the conditions of a component; returns the columns they name."""
        component = locate(self.root, path, self.root.place)
        named: set[str] = set()
        for found in scalars(component) if not component.missing else ():
            if found.text and self.fields.is_condition([str(step) for step in found.path]):
                named |= self._check_condition(found, columns, str(path[-1]))
        return named

    def _check_condition(self, found: Found, columns: Mapping[str, Column], component: str) -> set[str]:
        text = found.text
        named: set[str] = set()
        try:
            named |= column_names(text)
            parse(text, columns)
        except ConfigProblem as problem:
            late = next((name for name in sorted(named - columns.keys()) if name in self._added()), None)
            message = self._made_later(late, component) if late else problem.message
            place = place_within(found.node, problem.start, problem.end) or found.place()
            self.report.add(found.path, message, place)
        return named

    def _check_reads(self, path: Path, name: str, named: set[str], columns: Mapping[str, Column]) -> None:
        """What a component reads beside its conditions."""
        item = self.defined.get(SECTIONS[str(path[-2])], {}).get(name)
        if item is None:
            return
        try:
            reads = item.spec.reads(item.config) | item.spec.carries(item.config)
        except ConfigProblem:  # of a condition that is none; that was told above
            return
        known = {*columns, *(column.name for column in WIRE_COLUMNS), *named}
        for column in sorted(reads - known):
            if column in {added.name for added in item.spec.adds} or column.startswith(ATTRIBUTES):
                continue
            written = self._where_written((str(path[-2]), name), column)
            found = written or locate(self.root, path, self.root.place)
            if column in self._added():
                message = self._made_later(column, name)
            else:
                message = f"there is no column `{column}`{did_you_mean(column, columns)}"
            self.report.add(written.path if written else path, message, found.place())

    def _where_written(self, path: Path, column: str) -> Found | None:
        """The setting that names a column, when one does."""
        component = locate(self.root, path, self.root.place)
        return next((found for found in scalars(component) if found.text == column), None)

    def _made_later(self, column: str, component: str) -> str:
        """Words for a column that exists, but not where the component stands."""
        return f"column `{column}` is added by `{self._added()[column][1]}`, which must stand before `{component}`"

    def _added(self) -> dict[str, tuple[Column, str]]:
        """Columns that processors add, and which one does."""
        specs = self.catalogue.specs.values()
        return {column.name: (column, spec.name) for spec in specs for column in spec.adds}


def scalars(found: Found) -> Iterator[Found]:
    """Every single value below, with its path."""
    node: Node = found.node
    if isinstance(node, Scalar):
        yield found
    elif isinstance(node, document.Mapping):
        for key, entry in node.entries.items():
            yield from scalars(Found((*found.path, key), entry.node, entry.key))
    else:
        for index, item in enumerate(node.items):
            yield from scalars(Found((*found.path, index), item, item.place))

"""From files, `--set` and the environment to a checked configuration, or every mistake at once.

The Collector's shape word for word: receivers, processors, exporters and service, and trackers beside them; ids `type`
or `type/name`; several files merged in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as Environment

from otelbridge.config.checking import Checker
from otelbridge.config.columns import Columns
from otelbridge.config.document import Mapping, Node, Place, Scalar, Source, Unreadable, read_document
from otelbridge.config.excerpts import Excerpts
from otelbridge.config.fields import Fields
from otelbridge.config.files import read_text
from otelbridge.config.merging import merge, read_setting
from otelbridge.config.model import SECTIONS, Catalogue, Configuration, Configured, PipelineConfig, ServiceConfig, Warns
from otelbridge.config.order import Order
from otelbridge.config.pipelines import Pipelines
from otelbridge.config.problems import did_you_mean, nearest
from otelbridge.config.reading import locate
from otelbridge.config.report import Report
from otelbridge.config.variables import Expansion
from otelbridge.config.watching import Watching
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind

DEFAULT = "default"
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[^\s/]+)?")  # as in the Collector, without blanks
# What the Collector has beside our sections; its users look for them here.
_OTHER_SECTIONS = {"connectors", "extensions"}
_ALL_SECTIONS = (*SECTIONS, "service")


def load(
    files: Iterable[str], settings: Iterable[str], environment: Environment[str, str], catalogue: Catalogue
) -> Configuration:
    """Read, merge, expand and check.

    Args:
        files: paths, or names of ready-made configurations, in order; `default` when there are none.
        settings: `a.b.c=value`, laid over the files in order.
        environment: what `${env:NAME}` refers to.
        catalogue: the components and columns there are.

    Raises:
        InvalidConfiguration: holding every mistake.
    """
    loader = _Loader(catalogue, environment)
    root = loader.read([*files] or [DEFAULT], [*settings])
    return loader.check(root)


class _Loader:
    def __init__(self, catalogue: Catalogue, environment: Environment[str, str]) -> None:
        self._catalogue = catalogue
        self._environment = environment
        self._fields = Fields(catalogue)
        self._report = Report(Excerpts(self._fields))
        self._checker = Checker(self._fields, self._report)

    def read(self, files: list[str], settings: list[str]) -> Mapping:
        """One tree of all sources, its variables expanded; raises when one of them is no YAML."""
        trees: list[Node] = [tree for name in files for tree in self._read_file(name)]
        for setting in settings:
            try:
                trees.append(read_setting(setting))
            except Unreadable as error:
                self._report.add((), error.message, error.place)
        self._report.raise_if_any()
        root: Node = Mapping(_NOWHERE, {})
        for tree in trees:
            root = merge(root, tree)
        expansion = Expansion(self._environment)
        root = expansion.expand(root)
        for note in expansion.problems:
            self._report.add((), note.message, note.place)
        for note in expansion.warnings:
            self._report.warn((), note.message, note.place)
        assert isinstance(root, Mapping)
        return root

    def check(self, root: Mapping) -> Configuration:
        """The configuration that the tree says."""
        misspelt = self._misspelt(root)
        sections = {
            kind: self._components(root, section, kind)
            for section, kind in SECTIONS.items()
            if section in root.entries or section not in misspelt
        }
        defined = {kind: components for kind, components in sections.items() if components is not None}
        service = self._service(root, misspelt)
        pipelines = Pipelines(self._catalogue, root, defined, self._report)
        configs = service.pipelines if service else self._pipelines(root)
        plans = pipelines.plans(configs)
        Columns(self._catalogue, self._fields, root, defined, self._report).check(configs)
        Order(root, self._report).check(plans)
        Watching(self._catalogue, root, self._report).check(plans)
        if service:
            pipelines.check_ports(service, plans)
        self._report.raise_if_any()
        assert service is not None
        components = {
            kind: {name: item for name, item in items.items() if item is not None} for kind, items in defined.items()
        }
        return Configuration(components, service, plans, self._report.warnings())

    def _misspelt(self, root: Mapping) -> set[str]:
        """Report unknown sections; returns those that are probably meant, so that nobody is told to define them."""
        meant: set[str] = set()
        for key, entry in root.entries.items():
            if key in _OTHER_SECTIONS:
                self._report.add((key,), "unknown section; otelbridge has none", entry.key)
            elif key not in _ALL_SECTIONS:
                self._report.add((key,), f"unknown section{did_you_mean(key, _ALL_SECTIONS)}", entry.key)
                if word := nearest(key, _ALL_SECTIONS):
                    meant.add(word)
        return meant

    def _read_file(self, name: str) -> list[Node]:
        """The tree of a file; none for one that is empty or wrong."""
        try:
            text, source = read_text(name)
            tree = read_document(text, source)
            if isinstance(tree, Scalar) and tree.value is None:
                return []
            if not isinstance(tree, Mapping):
                raise Unreadable("a configuration is made of sections: `receivers:`, `service:` ...", tree.place)
        except Unreadable as error:
            self._report.add((), error.message, error.place)
            return []
        self._report.excerpts.learn(source, tree)
        return [tree]

    def _components(self, root: Mapping, section: str, kind: Kind) -> dict[str, Configured | None] | None:
        entry = root.entries.get(section)
        if entry is None or (isinstance(entry.node, Scalar) and entry.node.value is None):
            return {}
        if not isinstance(entry.node, Mapping):
            self._report.add((section,), "expected components by id (`type:` or `type/name:`)", entry.key)
            return None
        return {
            name: self._component(name, inner.node, inner.key, section, kind)
            for name, inner in entry.node.entries.items()
        }

    def _component(self, name: str, node: Node, key: Place, section: str, kind: Kind) -> Configured | None:
        path = (section, name)
        spec: ComponentSpec[object] | None = self._catalogue.specs.get((kind, name.partition("/")[0]))
        if not _ID.fullmatch(name):
            self._report.add(path, "an id is `type` or `type/name`", key)
        elif spec is None:
            self._report.add(path, f"unknown {kind}{self._meant(name.partition('/')[0], kind)}", key)
        else:
            config: ComponentConfig | None = self._checker.check(spec.config, node, path, key)
            if isinstance(config, Warns):
                for warning in config.warnings():
                    self._report.warn(path, warning, key)
            return Configured(name, spec, config) if config is not None else None
        return None

    def _meant(self, name: str, kind: Kind) -> str:
        for section, other in SECTIONS.items():
            if (other, name) in self._catalogue.specs:
                return f"; `{name}` is a kind of {other}, define it under `{section}`"
        known = self._catalogue.names(kind)
        return did_you_mean(name, known) or f"; there are {', '.join(known) or 'none'}"

    def _service(self, root: Mapping, misspelt: set[str]) -> ServiceConfig | None:
        entry = root.entries.get("service")
        if entry is None and "service" in misspelt:  # that is told already
            return None
        if entry is None:
            place = next((entry.key for entry in root.entries.values()), _NOWHERE)
            self._report.add(("service",), "required, but not set: it says which pipelines there are", place)
            return None
        return self._checker.check(ServiceConfig, entry.node, ("service",), entry.key)

    def _pipelines(self, root: Mapping) -> Environment[str, PipelineConfig]:
        """Those pipelines that are right in themselves, where something else in the section is wrong."""
        found = locate(root, ("service", "pipelines"), root.place)
        if found.missing or not isinstance(found.node, Mapping):
            return {}
        checked = {
            name: self._checker.check(PipelineConfig, entry.node, ("service", "pipelines", name), entry.key)
            for name, entry in found.node.entries.items()
        }
        return {name: config for name, config in checked.items() if config is not None}


_NOWHERE = Place(Source("configuration"), 0, 0, 0, 0)

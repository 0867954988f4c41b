"""Whether the pipelines can work: components exist, stand where they may stand, and listen on ports of their own."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Lookup
from dataclasses import dataclass

from otelbridge.config.document import Mapping
from otelbridge.config.endpoints import listeners, same_port
from otelbridge.config.excerpts import show_name
from otelbridge.config.model import (
    SECTION_OF,
    SECTIONS,
    Catalogue,
    Configured,
    PipelineConfig,
    PipelinePlan,
    ServiceConfig,
    signal_of,
)
from otelbridge.config.problems import did_you_mean
from otelbridge.config.reading import Found, locate
from otelbridge.config.report import Path, Report, written
from otelbridge.core.component import Kind, Signal

GROUPING = "group_by_trace"
_OTHER_SIGNALS = {"logs", "profiles"}
_OURS = " or ".join(f"`{signal}`" for signal in Signal)


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Resolves and checks the pipelines of one configuration.

    Attributes:
        catalogue: what there is.
        root: the whole tree, for places.
        defined: components by kind and id; None for one whose settings are wrong, no kind whose section is none (both
            are reported already).
        report: where mistakes go.
    """

    catalogue: Catalogue
    root: Mapping
    defined: Lookup[Kind, Lookup[str, Configured | None]]
    report: Report

    def plans(self, configs: Lookup[str, PipelineConfig]) -> tuple[PipelinePlan, ...]:
        """The pipelines with their components; complete only if nothing was reported."""
        plans = []
        for pipeline_id, config in configs.items():
            path: Path = ("service", "pipelines", pipeline_id)
            if not self._check_id(pipeline_id, path):
                continue
            for section, kind in SECTIONS.items():
                self._check_references(getattr(config, section), section, kind, (*path, section))
            if signal_of(pipeline_id) is Signal.TRACES:
                self._check_order(config.processors, (*path, "processors"))
            else:
                self._check_metrics(config, path)
            plans.append(self._plan(pipeline_id, config))
        self._check_use(configs)
        return tuple(plans)

    def check_ports(self, service: ServiceConfig, plans: Iterable[PipelinePlan]) -> None:
        """No two listeners on one port; said here rather than by the operating system, one at a time."""
        receivers = {item.id: item for plan in plans for item in plan.receivers}
        taken: list[tuple[str, Path]] = [
            (endpoint, ("receivers", item.id, *below))
            for item in receivers.values()
            for below, endpoint in listeners(item.config)
        ]
        taken.append((service.telemetry.metrics.endpoint, ("service", "telemetry", "metrics", "endpoint")))
        for index, (endpoint, path) in enumerate(taken):
            for earlier, other in taken[:index]:
                if same_port(endpoint, earlier):
                    # The one that was written down is shown, not the default that it collides with.
                    first, second = sorted((other, path), key=lambda one: not self._at(one).missing)
                    self.report.add(second, f"the same port as `{written(first)}`", self._at(second).place())

    def _plan(self, pipeline_id: str, config: PipelineConfig) -> PipelinePlan:
        resolved = {
            section: tuple(filter(None, (self.defined.get(kind, {}).get(name) for name in getattr(config, section))))
            for section, kind in SECTIONS.items()
        }
        return PipelinePlan(pipeline_id, **resolved)

    def _check_id(self, pipeline_id: str, path: Path) -> bool:
        signal, separator, name = pipeline_id.partition("/")
        if signal in _OTHER_SIGNALS:
            message = f"pipelines of {signal} are not supported; those of {_OURS} are"
        elif signal not in [*Signal] or bool(separator) != bool(name):
            message = f"a pipeline is called {_OURS}, with /NAME where there are several"
        else:
            return True
        self.report.add(path, message, self._at(path).key)
        return False

    def _check_metrics(self, config: PipelineConfig, path: Path) -> None:
        """Metrics go to trackers, as they come."""
        if config.processors:
            at = self._at((*path, "processors"))
            self.report.add(at.path, "processors look at spans: a pipeline of metrics has none", at.key)
        if not config.trackers:
            message = "required in a pipeline of metrics: what no tracker watches is not used"
            self.report.add((*path, "trackers"), message, self._at(path).key)

    def _check_references(self, ids: tuple[str, ...], section: str, kind: Kind, path: Path) -> None:
        if kind not in self.defined:
            return
        for index, name in enumerate(ids):
            at = (*path, index)
            if name in ids[:index]:
                self.report.add(at, f"`{show_name(name)}` stands here twice", self._at(at).place())
            elif name not in self.defined[kind]:
                self.report.add(at, self._undefined(name, section, kind), self._at(at).place())

    def _undefined(self, name: str, section: str, kind: Kind) -> str:
        for other_section, other in SECTIONS.items():
            if other != kind and name in self.defined.get(other, ()):
                return f"`{show_name(name)}` is defined under `{other_section}`, not under `{section}`"
        hint = did_you_mean(name, self.defined[kind])
        if not hint and (kind, name.partition("/")[0]) in self.catalogue.specs:
            hint = f"; add `{show_name(name)}:` there, its settings all have defaults or are asked for"
        return f"no {kind} `{show_name(name)}` is defined under `{section}`{hint}"

    def _check_order(self, ids: tuple[str, ...], path: Path) -> None:
        """Exactly one group_by_trace, and what looks at whole traces behind it."""
        names = [name.partition("/")[0] for name in ids]
        places = [index for index, name in enumerate(names) if name == GROUPING]
        if not places:
            message = f"`{GROUPING}` must be among the processors: exporters get whole traces"
            self.report.add(path, message, self._at(path).key)
        for index in places[1:]:
            self.report.add(
                (*path, index), f"`{GROUPING}` can stand in a pipeline once", self._at((*path, index)).place()
            )
        for index, name in enumerate(names[: places[0]] if places else names):
            spec = self.catalogue.specs.get((Kind.PROCESSOR, name))
            if spec and spec.needs_complete_traces:
                message = f"`{show_name(ids[index])}` looks at whole traces: it must stand after `{GROUPING}`"
                self.report.add((*path, index), message, self._at((*path, index)).place())

    def _check_use(self, configs: Lookup[str, PipelineConfig]) -> None:
        """What no pipeline names does nothing: that is allowed, and rarely meant."""
        for kind, components in self.defined.items():
            section = SECTION_OF[kind]
            used = {name for config in configs.values() for name in getattr(config, section)}
            for name in components:
                if name not in used:
                    path: Path = (section, name)
                    self.report.warn(path, "defined, but in no pipeline: it does nothing", self._at(path).key)

    def _at(self, path: Path) -> Found:
        return locate(self.root, path, self.root.place)

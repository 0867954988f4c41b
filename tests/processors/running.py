"""Processors in a whole task, from requests to what an exporter and a tracker get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from otelbridge.catalogue import BUILT_IN
from otelbridge.config.model import Configured
from otelbridge.core.component import ComponentConfig, ComponentSpec, Encoded, Exporter, Kept, Kind, Parcel
from otelbridge.core.findings import Breadcrumb, Finding
from otelbridge.core.measurements import Measurements
from otelbridge.core.tracker import Tracker
from otelbridge.engine.pipeline import build
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from otelbridge.semconv.measurements import MEASUREMENTS

START = 1_790_000_100.0


@dataclass
class _Exporter(Exporter):
    kept: list[Kept] = field(default_factory=list)

    def encode(self, kept: Kept) -> Encoded:
        self.kept.append(kept)
        return Encoded([])

    def deliver(self, parcel: Parcel, now: float) -> tuple[()]:
        return ()


@dataclass
class _Watcher(Tracker):
    seen: list[Measurements] = field(default_factory=list)
    series: int = 0

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        self.seen.append(measurements)
        return ()


class Running:
    """Processors by name with their settings, in this order; `group_by_trace` stands before those that need it."""

    def __init__(self, **processors: Mapping[str, Any]) -> None:
        self._exporter, self._watcher = _Exporter(), _Watcher()
        specs: dict[str, ComponentSpec[Any]] = {spec.name: spec for spec in BUILT_IN}
        order = sorted((*processors, "group_by_trace"), key=lambda name: _stage(specs[name]))
        given = {name: specs[name].config(**processors.get(name, {})) for name in order}
        self.task = TracesTask(
            build(
                "traces",
                [Configured(name, specs[name], given[name]) for name in order],
                [self._end(Kind.EXPORTER, self._exporter)],
                "",
                [self._end(Kind.TRACKER, self._watcher)],
            ),
            _fail,
        )
        self._records = 0
        self.now = START

    @staticmethod
    def _end(kind: Kind, component: object) -> Configured:
        spec: ComponentSpec[object] = ComponentSpec(
            kind,
            "end",
            ComponentConfig,
            lambda _config, _context: component,
            "notes everything",
            watches=lambda _config: frozenset(MEASUREMENTS),
        )
        return Configured(f"{kind}_end", spec, ComponentConfig())

    def feed(self, *bodies: bytes, seconds: float = 100.0) -> None:
        """Append one record each, then let time pass until every trace is decided."""
        for body in bodies:
            self._records += 1
            list(self.task.feed(decode([body]), [Stamp(self._records, self.now)]))
        self.now += seconds
        self.task.advance(self.now)

    @property
    def kept(self) -> list[Kept]:
        """What the exporter got, one after the other."""
        return self._exporter.kept

    @property
    def spans(self) -> pl.DataFrame:
        """All exported spans."""
        return pl.concat([kept.spans for kept in self._exporter.kept if kept.spans.height], how="diagonal")

    @property
    def findings(self) -> list[Finding]:
        """All findings that were sent."""
        return [finding for kept in self._exporter.kept for finding in kept.findings]

    @property
    def breadcrumbs(self) -> list[Breadcrumb]:
        """All breadcrumbs of exported spans."""
        return [crumb for kept in self._exporter.kept for crumb in kept.breadcrumbs]

    def measured(self, name: str) -> pl.DataFrame:
        """All measurements of a name."""
        frames = [seen[name] for seen in self._watcher.seen if name in seen]
        return pl.concat(frames) if frames else pl.DataFrame(schema=MEASUREMENTS[name].schema())


def _stage(spec: ComponentSpec[Any]) -> int:
    return 2 if spec.needs_complete_traces else int(spec.name == "group_by_trace")


def _fail(component: str, error: BaseException) -> None:
    raise AssertionError(f"{component} raised") from error

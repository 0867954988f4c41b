"""Whether what measures stands where it sees every span.

Behind `group_by_trace` the engine shows a processor no late spans, and nothing a second time when a trace is decided;
behind sampling it shows only what is kept. So what is measured there is a part, which looks like the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from otelbridge.config.columns import scalars
from otelbridge.config.document import Mapping
from otelbridge.config.model import Configured, PipelinePlan, watched_by
from otelbridge.config.pipelines import GROUPING
from otelbridge.config.reading import Found, locate
from otelbridge.config.report import Path, Report, some_of
from otelbridge.core.component import Signal

SAMPLING = "dynamic_sampling"


@dataclass(frozen=True, slots=True)
class Order:
    """Checks the order of processors in one configuration.

    Attributes:
        root: the whole tree.
        report: where mistakes go.
    """

    root: Mapping
    report: Report

    def check(self, plans: Iterable[PipelinePlan]) -> None:
        """What needs whole traces and stands too early is told with the pipelines; here it is what stands too late."""
        for plan in plans:
            watched = watched_by(plan.trackers)
            before: list[str] = []
            for processor in plan.processors if plan.signal is Signal.TRACES else ():  # others must have none
                if GROUPING in before:
                    seen = watched & processor.spec.measures(processor.config)
                    self._check_late(plan.id, processor, seen, is_sampled=SAMPLING in before)
                before.append(processor.spec.name)

    def _check_late(self, pipeline: str, processor: Configured, watched: frozenset[str], *, is_sampled: bool) -> None:
        """A processor behind `group_by_trace`, and what trackers watch of that which it measures."""
        at = self._at(pipeline, processor.id)
        if processor.spec.needs_complete_traces:
            if watched and is_sampled:
                tells = f"trackers watch its {some_of(watched)} and would see only what is kept"
                self.report.warn(at.path, f"`{processor.id}` stands after `{SAMPLING}`: {tells}", at.place())
            return
        missed = "late spans and what it makes of whole traces would be missing"
        if not watched:
            tells = f"looks at single spans: it should stand before `{GROUPING}`, else {missed}"
            self.report.warn(at.path, f"`{processor.id}` {tells}", at.place())
            return
        if is_sampled:
            missed = f"it would see only what `{SAMPLING}` keeps"
        tells = f"trackers watch its {some_of(watched)}, and here {missed}"
        self.report.add(at.path, f"`{processor.id}` must stand before `{GROUPING}`: {tells}", at.place())

    def _at(self, pipeline: str, processor: str) -> Found:
        """Where it is listed; a plan lacks what is wrong in itself, so that its own counting does not help."""
        path: Path = ("service", "pipelines", pipeline, "processors")
        found = locate(self.root, path, self.root.place)
        return next((item for item in scalars(found) if item.text == processor), found)

"""Whether what trackers watch is measured: by a processor of the same pipeline, not anywhere.

In a pipeline of metrics any name may come in, so there only what is measured on spans is known not to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from otelbridge.config import document
from otelbridge.config.columns import scalars
from otelbridge.config.model import Catalogue, Configured, PipelinePlan
from otelbridge.config.problems import did_you_mean
from otelbridge.config.reading import Found, locate
from otelbridge.config.report import Path, Report
from otelbridge.core.component import Signal


@dataclass(frozen=True, slots=True)
class Watching:
    """Checks the trackers of one configuration.

    Attributes:
        catalogue: which processors could measure what.
        root: the whole tree.
        report: where mistakes go.
    """

    catalogue: Catalogue
    root: document.Mapping
    report: Report

    def check(self, plans: Sequence[PipelinePlan]) -> None:
        """A name that nobody could measure is a mistake; one that nobody in the pipeline measures, or two, is odd."""
        metered = {tracker.id for plan in plans if plan.signal is Signal.METRICS for tracker in plan.trackers}
        on_spans: dict[str, frozenset[str]] = {}
        for plan in plans:
            for tracker in plan.trackers:  # those of metrics have no processors
                on_spans[tracker.id] = on_spans.get(tracker.id, frozenset()) | _measured(plan.processors)
        for plan in plans:
            measured = _measured(plan.processors)
            for index, tracker in enumerate(plan.trackers):
                watches = tracker.spec.watches(tracker.config)
                place: Path = ("service", "pipelines", plan.id, "trackers", index)
                if plan.signal is Signal.METRICS:
                    self._check_metered(tracker, watches, place, on_spans[tracker.id])
                    continue
                for name in sorted(watches - measured):
                    self._tell(tracker, name, plan.id, measured, is_metered=tracker.id in metered)
                if not watches & measured:
                    self._warn(place, "no processor of the pipeline measures what it watches")
            self._check_counted_once(plan)

    def _check_counted_once(self, plan: PipelinePlan) -> None:
        """Two processors that measure the same make two values of every span."""
        watched = frozenset[str]().union(*(tracker.spec.watches(tracker.config) for tracker in plan.trackers))
        maker_of: dict[str, str] = {}
        for index, processor in enumerate(plan.processors):
            for name in sorted(watched & processor.spec.measures(processor.config)):
                if name in maker_of:
                    message = f"`{maker_of[name]}` measures `{name}`, too: trackers count every span twice"
                    self._warn(("service", "pipelines", plan.id, "processors", index), message)
                    break
                maker_of[name] = processor.id

    def _check_metered(
        self, tracker: Configured, watches: frozenset[str], place: Path, on_spans: frozenset[str]
    ) -> None:
        """In a pipeline of metrics: names that only spans have, and names that are nearly one of those."""
        makers = self._makers()
        if not watches:
            self._warn(place, "watches nothing")
        elif watches <= makers.keys():
            self._warn(place, "watches only what is measured on spans, which do not come in here")
        for name in sorted(watches - on_spans):
            written = self._written(tracker, name)
            if written is None:
                continue
            if name in makers and not watches <= makers.keys():
                message = f"is measured on spans, and `{tracker.id}` stands in no pipeline of traces that measures it"
                self.report.warn(written.path, message, written.place())
            elif name not in makers and (hint := did_you_mean(name, makers)):
                self.report.warn(written.path, f"taken for the name of a metric{hint}", written.place())

    def _written(self, tracker: Configured, name: str) -> Found | None:
        """Where a name is written down; what is watched by default need not be there."""
        component = self._at(("trackers", tracker.id))
        return next((found for found in scalars(component) if found.text == name), None)

    def _tell(
        self, tracker: Configured, name: str, pipeline: str, measured: frozenset[str], *, is_metered: bool
    ) -> None:
        written = self._written(tracker, name)
        if written is None:
            return
        makers = self._makers()
        if name in makers:
            message = f"no processor of `{pipeline}` measures it; {' and '.join(makers[name])} would"
            self.report.warn(written.path, message, written.place())
        elif not is_metered:
            hint = did_you_mean(name, measured | makers.keys())
            message = f"no processor measures `{name}`, and a metric is watched in a pipeline `metrics`{hint}"
            self.report.add(written.path, message, written.place())

    def _warn(self, path: Path, message: str) -> None:
        found = self._at(path)
        self.report.warn(found.path, message, found.place())

    def _makers(self) -> Mapping[str, list[str]]:
        """Processors that make a measurement with their default settings, by its name."""
        makers: dict[str, list[str]] = {}
        for spec in self.catalogue.specs.values():
            try:
                names = spec.measures(spec.config())
            except ValidationError:  # it has settings without a default
                continue
            for name in names:
                makers.setdefault(name, []).append(spec.name)
        return makers

    def _at(self, path: Path) -> Found:
        return locate(self.root, path, self.root.place)


def _measured(processors: Iterable[Configured]) -> frozenset[str]:
    return frozenset[str]().union(*(item.spec.measures(item.config) for item in processors))

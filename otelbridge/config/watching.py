"""Whether what trackers watch is measured: by a processor of the same pipeline, not anywhere.

In a pipeline of metrics any name may come in, so there only what is measured on spans is known not to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from otelbridge.config import document
from otelbridge.config.columns import scalars
from otelbridge.config.model import Catalogue, Configured, PipelinePlan, watched_by
from otelbridge.config.problems import did_you_mean
from otelbridge.config.reading import Found, locate
from otelbridge.config.report import Path, Report, listed, some_of
from otelbridge.core.component import Kind, Signal

# A metric can be called anything, so that only slips of the finger are doubted. By difflib's measure
# `db.client.connection.cuont` is 0.96 like `.count`; of OpenTelemetry's own metrics the nearest to one with a known
# limit is 0.91 like it (`db.client.connections.idle.max`), to a measurement 0.73 (`rpc.server.call.duration`).
LIKE_A_METRIC = 0.93
LIKE_A_MEASUREMENT = 0.8


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
                    self._warn(place, self._unmeasured(tracker.id, watches, plan.id))
            self._check_counted_once(plan)

    def _check_counted_once(self, plan: PipelinePlan) -> None:
        """Two processors that measure the same make two values of every span."""
        watched = watched_by(plan.trackers)
        makers_of: dict[str, tuple[int, ...]] = {}
        for index, processor in enumerate(plan.processors):
            for name in sorted(watched & processor.spec.measures(processor.config)):
                makers_of[name] = (*makers_of.get(name, ()), index)
        for makers in sorted(set(makers_of.values())):
            if len(makers) > 1:
                all_of, times = ("both", "twice") if len(makers) == 2 else ("all", f"{len(makers)} times")
                ids = listed([plan.processors[index].id for index in makers])
                names = listed(sorted(name for name, those in makers_of.items() if those == makers))
                message = f"{ids} {all_of} measure {names}, which trackers would count {times}"
                self._warn(("service", "pipelines", plan.id, "processors", makers[-1]), message)

    def _unmeasured(self, tracker: str, watches: frozenset[str], pipeline: str) -> str:
        """Words for a tracker that would see nothing in a pipeline of traces, and what would help."""
        if not watches:
            return f"`{tracker}` watches nothing"
        makers = self._makers()
        wanted = sorted(watches & makers.keys())
        if wanted:
            helpers = list(dict.fromkeys(maker for name in wanted for maker in makers[name]))
            names = some_of(wanted)
            return f"`{tracker}` watches {names}, which no processor of `{pipeline}` measures; {listed(helpers)} would"
        elsewhere = "which nobody measures on spans: metrics are watched in a pipeline `metrics`"
        return f"`{tracker}` watches {some_of(watches)}, {elsewhere}"

    def _check_metered(
        self, tracker: Configured, watches: frozenset[str], place: Path, on_spans: frozenset[str]
    ) -> None:
        """In a pipeline of metrics: names that only spans have, and names that are nearly one of those."""
        makers = self._makers()
        if not watches:
            self._warn(place, f"`{tracker.id}` watches nothing")
        elif watches <= makers.keys():
            names = some_of(watches)
            message = f"`{tracker.id}` watches only what is measured on spans, which do not come in here: {names}"
            self._warn(place, message)
        known = self._watched_by_default()
        for name in sorted(watches - on_spans):
            written = self._written(tracker, name)
            if written is None:
                continue
            if name in makers and not watches <= makers.keys():
                message = f"is measured on spans, and `{tracker.id}` stands in no pipeline of traces that measures it"
                self.report.warn(written.path, message, written.place())
            elif name not in makers.keys() | known and (hint := self._meant(name, known, makers)):
                self.report.warn(written.path, f"taken for the name of a metric{hint}", written.place())

    @staticmethod
    def _meant(name: str, metrics: Iterable[str], makers: Iterable[str]) -> str:
        return did_you_mean(name, metrics, LIKE_A_METRIC) or did_you_mean(name, makers, LIKE_A_MEASUREMENT)

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

    def _watched_by_default(self) -> frozenset[str]:
        """What trackers watch unasked: measurements, and the metrics whose limits are known."""
        names: set[str] = set()
        for spec in self.catalogue.specs.values():
            if spec.kind is Kind.TRACKER:
                with suppress(ValidationError):  # it has settings without a default
                    names |= spec.watches(spec.config())
        return frozenset(names)

    def _at(self, path: Path) -> Found:
        return locate(self.root, path, self.root.place)


def _measured(processors: Iterable[Configured]) -> frozenset[str]:
    return frozenset[str]().union(*(item.spec.measures(item.config) for item in processors))

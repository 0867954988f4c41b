"""Findings that last, made by a processor: sent when they begin, when they have changed, and when they are over."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from otelbridge.config.model import Configured
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind, Processor
from otelbridge.core.findings import Finding, State
from otelbridge.core.outcomes import DropReason
from otelbridge.engine.traces_task import TracesTask
from tests.engine.conftest import Bench, NotingExporter, pipeline, raise_error
from tests.engine.test_traces_task import store_at
from tests.support.otlp import request, span

STATES: dict[str, State] = {"bad": "raised", "worse": "updated", "good": "resolved", "once": "once"}


@dataclass
class _Judge(Processor):
    """Finds what the names of spans say."""

    def process(self, batch: Batch) -> Batch:
        return batch

    def process_traces(self, batch: Batch) -> Batch:
        return batch.add_findings(
            Finding("judged", "warning", name, ("key",), batch.now, trace_id=trace_id, state=STATES[name])
            for trace_id, name in batch.spans.select("trace_id", "name").iter_rows()
            if name in STATES
        )


@dataclass
class _Sampler(Processor):
    """Keeps traces with a finding alone; notes what it saw."""

    seen: list[str] = field(default_factory=list)

    def process(self, batch: Batch) -> Batch:
        self.seen += [finding.title for finding in batch.findings]
        found = pl.Series([finding.trace_id for finding in batch.findings], dtype=pl.UInt128)
        return batch.drop(DropReason.SAMPLED_OUT, ~batch.spans["trace_id"].is_in(found.implode()))


def _configured(name: str, component: Processor) -> Configured:
    spec: ComponentSpec[Processor] = ComponentSpec(
        Kind.PROCESSOR, name, ComponentConfig, lambda _config, _context: component, "judges"
    )
    return Configured(name, spec, ComponentConfig())


class Court:
    """A judge, a sampler, and what is sent."""

    def __init__(self) -> None:
        self.sampler = _Sampler()
        self.bench = Bench(
            TracesTask(pipeline([_configured("judge", _Judge())], [_configured("sampler", self.sampler)]), raise_error)
        )
        self._at, self._traces = 1000.0, 0

    def hear(self, *names: str, seconds: float = 10.0) -> None:
        """A trace for each name, all at once."""
        bodies = []
        for name in names:
            self._traces += 1
            bodies.append(request(span(name), trace=self._traces))
        self.bench.feed(*bodies, at=self._at)
        self._at += seconds
        self.bench.task.advance(self._at)

    @property
    def sent(self) -> list[Finding]:
        exporter = self.bench.task.pipeline.exporters["noting"]
        assert isinstance(exporter, NotingExporter)
        return [finding for kept in exporter.kept for finding in kept.findings]

    def states(self) -> list[str]:
        return [finding.state for finding in self.sent]


def test_what_is_raised_again_and_again_is_sent_once_and_counted() -> None:
    court = Court()
    for _ in range(4):
        court.hear("bad")
    court.hear("good")

    assert court.states() == ["raised", "resolved"]
    assert court.sent[-1].contexts["finding"]["repeats"] == 3
    assert court.bench.task.ledger.findings["judged"] == 1


def test_every_trace_that_shows_it_counts_as_having_a_finding() -> None:
    court = Court()
    for name in ("bad", "bad", "other"):
        court.hear(name)

    assert court.sampler.seen == ["bad", "bad"]
    assert court.bench.exported() == ["bad", "bad"]


def test_changes_are_sent_once_a_minute() -> None:
    court = Court()
    court.hear("bad")
    for _ in range(12):
        court.hear("worse")

    assert court.states() == ["raised", "updated", "updated"]


def test_the_end_of_what_never_began_is_not_sent() -> None:
    court = Court()
    court.hear("good")

    assert court.states() == []


def test_what_has_no_life_is_sent_each_time() -> None:
    court = Court()
    court.hear("once", "once")

    assert court.states() == ["once", "once"]


@pytest.mark.parametrize("after", [0, 1])
def test_what_is_open_is_still_open_after_a_restart(after: int, tmp_path: Path) -> None:
    first = Court()
    first.hear("bad")
    store = store_at(tmp_path / "state.sqlite")
    store.save(first.bench.task.progress(), 0.0)
    second = Court()
    saved = store.load()
    second.bench.task.resume(saved)
    second.bench.task.restore(saved)
    second.bench.sequence, second._at, second._traces = saved.position, first._at, 1
    store.close()

    for _ in range(after):
        second.hear("bad")
    second.hear("good")

    assert second.states() == ["resolved"]
    assert second.sent[0].contexts["finding"]["repeats"] == after

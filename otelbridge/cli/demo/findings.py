"""What a finding says, as facts under labels: how often or how much, where, since when, and its example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from otelbridge.cli.demo.outcome import Finding, Stored, Transaction

N_PLUS_ONE, DEGRADATION, ERROR_SPIKE = "n_plus_one", "degradation", "error_spike"
CASCADE, CAPACITY = "cascade", "capacity"
RESOLVED = "resolved"

Fact = tuple[str, str]
"""A label and its text; a text that is empty is not worth a line."""


def raised(stored: Stored, kind: str) -> list[Finding]:
    """Those of a kind that have not only told of an end."""
    return [finding for finding in stored.findings if finding.kind == kind and finding.state != RESOLVED]


def example(finding: Finding, stored: Stored) -> Transaction | None:
    """The transaction of the finding's example trace that begins it, if the trace was kept."""
    return next((one for one in stored.transactions if one.trace_id == finding.trace_id), None)


def facts(finding: Finding, stored: Stored) -> Iterator[Fact]:
    """What there is to say, by the kind of finding."""
    yield from _FACTS.get(finding.kind, _no_facts)(finding.context)
    if finding.kind != N_PLUS_ONE:
        yield "where", finding.service
        yield "over", _over(finding, stored.findings)
        if finding.kind != CAPACITY:  # metrics have no trace to show
            yield "example", _example(finding, stored)


def _no_facts(_context: Mapping[str, Any]) -> Iterator[Fact]:
    return iter(())


def _repeated(context: Mapping[str, Any]) -> Iterator[Fact]:
    yield "how often", f"{context.get('count', '?')} times in one trace, {context.get('total_ms', 0):.0f} ms in all"
    yield "where", str(context.get("route") or context.get("parent") or "")
    yield "repeated", str(context.get("example", ""))
    yield "after", str(context.get("source", ""))


def _slower(context: Mapping[str, Any]) -> Iterator[Fact]:
    unit = context["unit"]
    yield "how much", f"{context['baseline']:.1f} -> {context['recent']:.1f} {unit}, {context['increase']:+.0%}"
    yield "since", _since(context["since"], context["time"])


def _failing(context: Mapping[str, Any]) -> Iterator[Fact]:
    normal = f"{context['multiplier']:.0f} times the normal {context['baseline']:.2%}"
    yield "how often", f"{context['rate']:.1%} of all requests, {normal}"
    yield "since", _since(context["start"], context["time"])


def _spreading(context: Mapping[str, Any]) -> Iterator[Fact]:
    yield "through", ", ".join(context["calls"])
    yield "since", _since(context["start"], context["time"])


def _filling(context: Mapping[str, Any]) -> Iterator[Fact]:
    yield "how full", f"{context['utilization']:.0%} of {context['limit']:g}, {context['growth_per_hour']:+.0%} an hour"
    if "seconds_to_saturation" in context:
        yield "full in", f"{context['seconds_to_saturation'] / 60:.0f} minutes, if it goes on like this"


_FACTS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Fact]]] = {
    N_PLUS_ONE: _repeated,
    DEGRADATION: _slower,
    ERROR_SPIKE: _failing,
    CASCADE: _spreading,
    CAPACITY: _filling,
}


def _since(begin: str, known: str) -> str:
    """Both moments are the data's: how long it took to be sure, in its own time."""
    minutes = (datetime.fromisoformat(known) - datetime.fromisoformat(begin)).total_seconds() / 60
    return f"{_clock(begin)}, told {minutes:.0f} min later"


def _over(finding: Finding, findings: Sequence[Finding]) -> str:
    ends = [one for one in findings if one.state == RESOLVED and (one.kind, one.key) == (finding.kind, finding.key)]
    return f"{_clock(ends[0].context.get('end') or ends[0].context['time'])}: {ends[0].title}" if ends else ""


def _example(finding: Finding, stored: Stored) -> str:
    found = example(finding, stored)
    return f"trace {finding.trace_id[:8]}, kept by the rule `{found.rule}`" if found else "was not kept"


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%H:%M:%S} UTC"

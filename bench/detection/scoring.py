"""What is found, missed and imagined, counted the same way for every detector."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

DAY = 86_400.0


@dataclass(slots=True)
class Score:
    """Sums over streams.

    Attributes:
        changes: that there were.
        found: of them.
        clean: found on streams without a false alarm.
        alerts: that fell into a change.
        false_alarms: outside of any.
        silent: streams without a false alarm.
    """

    streams: int = 0
    changes: int = 0
    found: int = 0
    clean: int = 0
    alerts: int = 0
    false_alarms: int = 0
    silent: int = 0
    days: float = 0.0
    delays: list[float] = field(default_factory=list)

    def add(self, changes: Sequence[tuple[float, float]], alerts: Sequence[float], seconds: float) -> None:
        """Count one stream: alerts by time, changes as [start, the latest an alert counts for it)."""
        inside = [[at for at in alerts if start <= at < end] for start, end in changes]
        found = sum(bool(times) for times in inside)
        false_alarms = len(alerts) - sum(map(len, inside))
        self.streams += 1
        self.changes += len(changes)
        self.found += found
        self.clean += found if not false_alarms else 0
        self.alerts += sum(map(len, inside))
        self.false_alarms += false_alarms
        self.silent += not false_alarms
        self.days += seconds / DAY
        self.delays += [times[0] - start for times, (start, _) in zip(inside, changes, strict=True) if times]

    def row(self) -> list[str]:
        """Detection, clean, silent, false alarms a day, delay, alerts per change."""

        def share(part: float, whole: float) -> str:
            return f"{part / whole:.2f}" if whole else "-"

        return [
            share(self.found, self.changes),
            share(self.clean, self.changes),
            share(self.silent, self.streams),
            share(self.false_alarms, self.days),
            f"{statistics.median(self.delays):.0f}" if self.delays else "-",
            share(self.alerts, self.found),
        ]


HEADER = ["detection", "clean+", "silent", "false/day", "delay s", "alerts/change"]


def total(scores: Iterable[Score]) -> Score:
    """All of them as one."""
    result = Score()
    for score in scores:
        for name in ("streams", "changes", "found", "clean", "alerts", "false_alarms", "silent", "days", "delays"):
            setattr(result, name, getattr(result, name) + getattr(score, name))
    return result


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

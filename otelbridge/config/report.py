"""Collects what is wrong and what is odd, with the place of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from otelbridge.config.document import Place
from otelbridge.config.excerpts import Excerpts, show_name
from otelbridge.config.problems import InvalidConfiguration, Problem

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Report:
    """Problems and warnings found so far."""

    excerpts: Excerpts
    _problems: dict[tuple[str, str], tuple[Place, Problem]] = field(default_factory=dict)
    _warnings: dict[tuple[str, str], tuple[Place, Problem]] = field(default_factory=dict)

    def add(self, path: Path, message: str, place: Place) -> None:
        """One mistake; said twice, it counts once."""
        self._problems.setdefault((written(path), message), (place, self._problem(path, message, place)))

    def warn(self, path: Path, message: str, place: Place) -> None:
        """One oddity."""
        self._warnings.setdefault((written(path), message), (place, self._problem(path, message, place)))

    def warnings(self) -> tuple[str, ...]:
        """One line each."""
        return tuple(problem.head for _, problem in self._warnings.values())

    def raise_if_any(self) -> None:
        """Raise InvalidConfiguration with every problem, in the order of the sources and their lines."""
        if self._problems:
            raise InvalidConfiguration(problem for _, problem in sorted(self._problems.values(), key=self._order))

    def _problem(self, path: Path, message: str, place: Place) -> Problem:
        return Problem(written(path), message, self.excerpts.at(place))

    def _order(self, found: tuple[Place, Problem]) -> tuple[int, int, int]:
        place, _ = found
        return self.excerpts.rank(place.source), place.line, place.column


def written(path: Path) -> str:
    """A path as the user would write it: `exporters.sentry.projects[0].dsn`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{show_name(step)}"
    return text.removeprefix(".")

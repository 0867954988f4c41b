"""Collects what is wrong and what is odd, with the place of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from otelbridge.config.document import Place
from otelbridge.config.excerpts import Excerpts, show_name
from otelbridge.config.problems import InvalidConfiguration, Problem

Path = tuple[str | int, ...]
MOST_NAMED = 3  # names in a sentence; `capacity` watches a dozen metrics by itself


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
        """Each as a mistake is shown: the head, then the line with the odd part underlined."""
        return tuple(str(problem) for _, problem in self._warnings.values())

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


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `a`, `b` and `c`."""
    return _in_a_row([f"`{show_name(name)}`" for name in names])


def some_of(names: Collection[str]) -> str:
    """The first names of many in a sentence, and how many more: `a`, `b`, `c` and 5 more."""
    shown = [f"`{show_name(name)}`" for name in sorted(names)]
    rest = len(shown) - MOST_NAMED
    return _in_a_row([*shown[:MOST_NAMED], f"{rest} more"] if rest > 1 else shown)


def _in_a_row(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last

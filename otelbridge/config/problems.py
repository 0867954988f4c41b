"""What can be wrong with a configuration, and how it is said.

All mistakes are collected and shown at once, each with the line it is on and the offending part underlined, because a
daemon that reports one mistake per start is repaired by trial and error.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from otelbridge.core.errors import OtelbridgeError

EXIT_CODE = 78  # EX_CONFIG of sysexits.h: "something was found in an unconfigured or misconfigured state"
MAX_SHOWN = 100  # nobody reads more, and one wrong indentation can make thousands
CLOSE_ENOUGH = 0.6  # difflib's own default; below it suggestions look random


class ConfigProblem(OtelbridgeError):
    """One mistake inside a text, e.g. a condition.

    Attributes:
        message: what is wrong and what would be right, without the place.
        start: offset of the first wrong character.
        end: offset behind the last wrong character; at least start + 1.
    """

    def __init__(self, message: str, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = max(end, start + 1)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The line a problem is on, as it may be shown: what could be a secret is masked.

    Attributes:
        source: file name, or how the value came in (`--set exporters.sentry.dsn`).
        line: from 1; 0 when there is no line to show.
        column: from 1, in the source's own line.
        text: the line, masked.
        start: offset in `text` of what is underlined.
        width: how many characters are underlined.
    """

    source: str
    line: int = 0
    column: int = 0
    text: str = ""
    start: int = 0
    width: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, or one oddity worth a warning, and where it is.

    Attributes:
        path: the setting, e.g. `exporters.sentry.dsn`; "" when it concerns the whole.
        message: what is wrong and what would be right. Never the value of a secret.
        excerpt: where.
    """

    path: str
    message: str
    excerpt: Excerpt

    @property
    def head(self) -> str:
        """Place, path and message on one line."""
        at = self.excerpt
        place = f"{at.source}:{at.line}:{at.column}" if at.line else at.source
        path = "" if place == f"--set {self.path}" else self.path  # which says it already
        return ": ".join(part for part in (place, path, self.message) if part)

    def __str__(self) -> str:
        """As a compiler says it: the head, then the line with the offending part underlined."""
        at = self.excerpt
        if not at.line or not at.text:
            return self.head
        margin = " " * len(str(at.line))
        # Tabs stay tabs, so that the underline stands where the terminal puts the text.
        indent = "".join("\t" if character == "\t" else " " for character in at.text[: at.start])
        return f"{self.head}\n  {at.line} | {at.text}\n  {margin} | {indent}{'^' * at.width}"


class InvalidConfiguration(OtelbridgeError):
    """The configuration cannot be used; nothing was started. Holds every mistake that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


def render(problems: tuple[Problem, ...]) -> str:
    """All problems as shown to the user, with their count at the end."""
    shown = [str(problem) for problem in problems[:MAX_SHOWN]]
    if len(problems) > MAX_SHOWN:
        shown.append(f"... and {len(problems) - MAX_SHOWN} more")
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join((*shown, f"{count}; nothing was started."))


def did_you_mean(word: str, known: Iterable[str], cutoff: float = CLOSE_ENOUGH) -> str:
    """`; did you mean `x`?` for the known word that is closest, or "" when none is close."""
    meant = nearest(word, known, cutoff)
    return f"; did you mean `{meant}`?" if meant else ""


def nearest(word: str, known: Iterable[str], cutoff: float = CLOSE_ENOUGH) -> str | None:
    """The known word that is closest, if one is at least as like it as `cutoff` (0..1) says."""
    spellings = {name.lower(): name for name in known}
    # Long words are cut: difflib's cost is quadratic and a setting's name is short.
    matches = difflib.get_close_matches(word.lower()[:200], spellings, n=1, cutoff=cutoff)
    return spellings[matches[0]] if matches else None

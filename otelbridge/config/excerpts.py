"""The line that a problem is on, as it may be shown.

A line can hold a secret anywhere: as the value that is wrong, beside it (`{dsn: ..., typo: 1}`), under a misspelt key,
or in a comment. So only what is known to be harmless is shown: keys that look like names, values of known settings
that are no secrets, and the signs of YAML between them. Everything else is `[REDACTED]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from otelbridge.config.document import Mapping, Node, Place, Scalar, Source
from otelbridge.config.fields import Fields
from otelbridge.config.problems import Excerpt

REDACTED = "[REDACTED]"
LONGEST_LINE = 160  # characters shown around the place; more do not fit a terminal

_NAME = re.compile(r"[A-Za-z_][\w./ -]{0,79}", re.ASCII)
_CREDENTIALS = re.compile(r"://[^\s/@]*@")
_COMMENT = re.compile(r"(^|\s)#.*")
_NOT_A_SIGN = re.compile(r"[^\s{}\[\],:\"'#&*|>!-]+")


# Parts of one line, from a column to a column (None: to its end), and whether they may be shown.
_Stretches = dict[tuple[int, int | None], bool]


def show_name(name: str) -> str:
    """A key as it may be shown: one that does not look like a name may be a value that lost its key."""
    return name if _NAME.fullmatch(name) else REDACTED


def show_text(text: str) -> str:
    """Text of a setting that is no secret, without credentials that stand in it against expectation."""
    return _CREDENTIALS.sub(f"://{REDACTED}@", text)


@dataclass(slots=True)
class Excerpts:
    """Makes excerpts; `learn` must have been told the tree of a source, else nothing but known words is shown."""

    fields: Fields
    _stretches: dict[Source, dict[int, _Stretches]] = field(default_factory=dict)

    def learn(self, source: Source, root: Node) -> None:
        """Note where the keys and values of a source stand, and which of them may be shown."""
        lines: dict[int, _Stretches] = {}
        for place, may_show in self._parts(root, ()):
            if place.source == source:
                for number, start, end in _by_line(place):
                    parts = lines.setdefault(number, {})
                    # An alias brings a value under several paths: one secret among them is enough.
                    parts[start, end] = may_show and parts.get((start, end), True)
        self._stretches[source] = lines

    def rank(self, source: Source) -> int:
        """The place of a source among those that were learnt, in their order; the others come first."""
        return list(self._stretches).index(source) if source in self._stretches else -1

    def at(self, place: Place) -> Excerpt:
        """The line of a place, the place underlined."""
        lines = place.source.lines
        if not 0 <= place.line < len(lines):
            return Excerpt(place.source.name)
        line = lines[place.line]
        start, end = place.column, place.end_column if place.end_line == place.line else len(line)
        if place.source in self._stretches:
            shown, start, end = self._redacted(place.source, place.line, line, start, end)
        else:
            shown = self._masked(line)
        shown, start, end = _cut(shown, start, end)
        return Excerpt(place.source.name, place.line + 1, place.column + 1, shown, start, max(end - start, 1))

    def _parts(self, node: Node, path: tuple[str, ...]) -> Iterator[tuple[Place, bool]]:
        if isinstance(node, Scalar):
            yield node.place, self.fields.may_show(path)
        elif isinstance(node, Mapping):
            for key, entry in node.entries.items():
                yield entry.key, show_name(key) == key
                yield from self._parts(entry.node, (*path, key))
        else:
            for index, item in enumerate(node.items):
                yield from self._parts(item, (*path, str(index)))

    def _redacted(self, source: Source, number: int, line: str, start: int, end: int) -> tuple[str, int, int]:
        """The line with its stretches shown or not, and where the place stands in it now."""
        stretches = self._stretches[source].get(number, {})
        shown, moved, at = "", {}, 0
        for (first, last), may_show in sorted(stretches.items(), key=lambda item: item[0][0]):
            stop = len(line) if last is None else last
            shown += _COMMENT.sub(r"\1", line[at:first])
            moved[first] = len(shown)
            shown += show_text(line[first:stop]) if may_show else REDACTED
            moved[stop], at = len(shown), stop
        shown += _COMMENT.sub(r"\1", line[at:]).rstrip()
        return shown, _follow(start, moved), _follow(end, moved)

    def _masked(self, line: str) -> str:
        """A line of which nothing is understood: all words but known ones become asterisks, so that columns stay."""
        words = self.fields.words()
        return _NOT_A_SIGN.sub(lambda match: match[0] if match[0] in words else "*" * len(match[0]), line)


def _by_line(place: Place) -> Iterator[tuple[int, int, int | None]]:
    """A place as stretches of single lines."""
    for number in range(place.line, place.end_line + 1):
        start = place.column if number == place.line else 0
        end = place.end_column if number == place.end_line else None
        if end != start:
            yield number, start, end


def _follow(column: int, moved: dict[int, int]) -> int:
    """Where a column stands after the stretches before it changed their length."""
    before = max((old for old in moved if old <= column), default=None)
    return column if before is None else moved[before] + column - before


def _cut(text: str, start: int, end: int) -> tuple[str, int, int]:
    """A long line as a window around the place."""
    if len(text) <= LONGEST_LINE:
        return text, start, min(end, len(text))
    first = max(min(start - LONGEST_LINE // 4, len(text) - LONGEST_LINE), 0)
    return text[first : first + LONGEST_LINE], start - first, min(end - first, LONGEST_LINE)

"""YAML text to a tree that remembers where everything stands.

A plain loader gives values without places, and an error without a place sends its reader searching. The tree is built
from the parser's events, so that its bounds hold while it grows: aliases are counted as often as they are used, which
stops a "billion laughs" at its first thousands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from otelbridge.config.scalars import Value, plain_value

# A configuration is written by hand: the largest ones known have some thousand values, a hand's nesting ends at ten.
MAX_BYTES = 10 * 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 64

MERGE_KEY = "<<"

# c-printable of YAML 1.1, without the line separators of which nobody's editor counts lines as libyaml does
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where text came from: a file, or `--set PATH`. Equal only to itself, even if a file is read twice.

    Attributes:
        name: as shown to the user.
        lines: the text; empty when there is nothing to show.
    """

    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where something starts and ends: line and column from 0, the end exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        place: where it stands.
        value: what YAML makes of it.
        text: as written, without quotes; None where the key has no value at all.
        quoted: whether it was written in quotes or as a block: then it is text.
        variables: the environment variables its value came from, e.g. ("SENTRY_DSN",).
    """

    place: Place
    value: Value
    text: str | None
    quoted: bool = False
    variables: tuple[str, ...] = ()

    size = 1


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    place: Place
    items: tuple[Node, ...]
    size: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a map, and its value."""

    key: Place
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map; keys are text."""

    place: Place
    entries: dict[str, Entry]
    size: int = field(default=1, compare=False)


Node = Scalar | Sequence | Mapping


class Unreadable(Exception):
    """The text is no YAML that a configuration may be; says what is wrong and where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


def read_document(text: str, source: Source) -> Node:
    """The tree of one YAML document; an empty one is an empty map. Raises Unreadable."""
    odd = _UNPRINTABLE.search(text)
    if odd:  # before libyaml says so, because it does not say where
        line = text.count("\n", 0, odd.start())
        column = odd.start() - (text.rfind("\n", 0, odd.start()) + 1)
        place = Place(source, line, column, line, column + 1)
        raise Unreadable(f"the character U+{ord(odd[0]):04X} cannot stand in YAML", place)
    try:
        return _Composer(text, source).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        problem = error.problem or error.context or "not YAML"
        raise Unreadable(f"not valid YAML: {problem}", Place(source, line, column, line, column + 1)) from None


class _Composer:
    """Builds the tree from the parser's events, innermost nodes first."""

    def __init__(self, text: str, source: Source) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's when it is there: 10 times faster
        self._events: Iterator[Event] = yaml.parse(text, Loader=loader)
        self._source = source
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def document(self) -> Node:
        """The only document of the text."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise Unreadable("a second document; a configuration is one", self._place(event))
                root = self._node(next(self._events))
        return root or Mapping(Place(self._source, 0, 0, 0, 0), {})

    def _node(self, event: Event) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, NodeEvent)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable(f"nested more than {MAX_DEPTH} levels deep", self._place(event))
        node = self._scalar(event) if isinstance(event, ScalarEvent) else self._collection(event)
        self._depth -= 1
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:  # also an alias inside the value that its own anchor names
            raise Unreadable("an alias without its anchor before it", self._place(event))
        return node

    def _scalar(self, event: ScalarEvent) -> Scalar:
        self._refuse_tag(event.tag, event)
        place = self._place(event)
        if event.style:  # quotes, or a block: text whatever it looks like
            return Scalar(place, event.value, event.value, quoted=True)
        return Scalar(place, plain_value(event.value), event.value or None)

    def _collection(self, event: NodeEvent) -> Node:
        assert isinstance(event, (SequenceStartEvent, MappingStartEvent))
        self._refuse_tag(event.tag, event)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event)
        items: list[Node] = []
        size = 1
        for inner in self._events:
            if isinstance(inner, SequenceEndEvent):
                return Sequence(self._place(event, inner), tuple(items), size)
            items.append(self._node(inner))
            size = self._grown(size, items[-1], inner)
        raise AssertionError("the parser ends every list")  # pragma: no cover

    def _mapping(self, event: MappingStartEvent) -> Mapping:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        size = 1
        for key in self._events:
            if isinstance(key, MappingEndEvent):
                return Mapping(self._place(event, key), merged | entries, size)
            if not isinstance(key, ScalarEvent):
                raise Unreadable("a key must be plain text", self._place(key))
            value = next(self._events)
            node = self._node(value)
            size = self._grown(size, node, value)
            if key.value == MERGE_KEY and not key.style:
                merged = self._merge(node, value) | merged
            elif key.value in entries:
                first = entries[key.value].key.line + 1
                raise Unreadable(f"this key stands twice, first on line {first}", self._place(key))
            else:
                entries[key.value] = Entry(self._place(key), node)
        raise AssertionError("the parser ends every map")  # pragma: no cover

    def _merge(self, node: Node, event: Event) -> dict[str, Entry]:
        """What `<<` brings: a map, or maps of which earlier ones win."""
        maps = node.items if isinstance(node, Sequence) else (node,)
        entries: dict[str, Entry] = {}
        for one in maps:
            if not isinstance(one, Mapping):
                raise Unreadable("`<<` merges maps only", self._place(event))
            entries = one.entries | entries
        return entries

    def _grown(self, size: int, node: Node, event: Event) -> int:
        if size + node.size > MAX_NODES:
            raise Unreadable(f"more than {MAX_NODES:,} values, aliases included", self._place(event))
        return size + node.size

    def _refuse_tag(self, tag: str | None, event: Event) -> None:
        if tag and tag != "!":
            raise Unreadable("tags (`!...`) have no meaning in a configuration", self._place(event))

    def _place(self, event: Event, last: Event | None = None) -> Place:
        start, end = event.start_mark, (last or event).end_mark
        assert start is not None
        assert end is not None
        return Place(self._source, start.line, start.column, end.line, end.column)

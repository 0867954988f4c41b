"""Environment variables in a configuration: `${env:NAME}`, `${NAME}`, `${env:NAME:-default}`, `$$` for a dollar.

As in the Collector, a value that consists of one reference is read as YAML, so that a variable can hold a number or a
list, while a text setting gets the variable's own characters (`0123` stays `0123`). What a variable holds is never
expanded again. Names are remembered, so that a message can speak of `${NAME}` and never of what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Environment
from dataclasses import dataclass, field, replace

from otelbridge.config.document import Entry, Mapping, Node, Place, Scalar, Sequence, Source, Unreadable, read_document
from otelbridge.config.scalars import plain_value

_NAME = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]{0,199})")  # as in the Collector
MAX_DEPTH = 8  # of defaults inside defaults
MAX_CHARACTERS = 10 * 1024 * 1024  # of all expanded texts together: as much as a file may have


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell about a reference, and where it stands."""

    message: str
    place: Place


@dataclass(slots=True)
class Expansion:
    """Replaces references in trees; `problems` and `warnings` collect what was wrong or odd."""

    environment: Environment[str, str]
    problems: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)
    characters: int = 0

    def expand(self, node: Node) -> Node:
        """The tree with every reference replaced."""
        if isinstance(node, Mapping):
            entries = {key: Entry(entry.key, self.expand(entry.node)) for key, entry in node.entries.items()}
            return replace(node, entries=entries)
        if isinstance(node, Sequence):
            return replace(node, items=tuple(self.expand(item) for item in node.items))
        return self._scalar(node) if node.text and "$" in node.text else node

    def _scalar(self, node: Scalar) -> Node:
        written = node.text or ""
        resolver = _Resolver(self.environment)
        try:
            text = resolver.resolve(written)
            is_one_reference = [piece.is_reference for piece in _pieces(written)] == [True]
        except _BadReference as error:
            self.problems.append(Note(str(error), node.place))
            return node
        self.characters += len(text)
        if self.characters > MAX_CHARACTERS:
            self.problems.append(Note(f"variables expand to more than {MAX_CHARACTERS:,} characters", node.place))
            return node
        for name in resolver.missing:
            message = f"the environment variable {name} is not set, so it counts as empty"
            self.warnings.append(Note(message, node.place))
        if is_one_reference:
            return _read(text, tuple(resolver.names), node.place)
        value = text if node.quoted else plain_value(text)
        return replace(node, value=value, text=text, variables=tuple(resolver.names))


class _BadReference(Exception):
    """A `${...}` that cannot be resolved; the text never quotes it, because a default may be a secret."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Literal text, or what stands between `${` and its `}`."""

    text: str
    is_reference: bool


class _Resolver:
    """Resolves one text; `names` holds the variables it asked for, `missing` those that had no value and no default."""

    def __init__(self, environment: Environment[str, str]) -> None:
        self._environment = environment
        self.names: dict[str, None] = {}
        self.missing: dict[str, None] = {}

    def resolve(self, text: str, depth: int = 0) -> str:
        if depth > MAX_DEPTH:
            raise _BadReference(f"defaults inside defaults, more than {MAX_DEPTH} deep")
        pieces = _pieces(text)
        return "".join(self._value(piece.text, depth) if piece.is_reference else piece.text for piece in pieces)

    def _value(self, reference: str, depth: int) -> str:
        head, separator, default = reference.partition(":-")
        match = _NAME.fullmatch(head)
        if match is None:
            raise _BadReference("a reference is `${env:NAME}` or `${env:NAME:-default}`; write `$$` for a dollar sign")
        name = match[1]
        self.names[name] = None
        if name in self._environment:
            return self._environment[name]
        if separator:
            return self.resolve(default, depth + 1)
        self.missing[name] = None
        return ""


def _pieces(text: str) -> Iterator[_Piece]:
    """The text, cut at its references; `$$` has become `$`."""
    position = 0
    while position < len(text):
        dollar = text.find("$", position)
        if dollar < 0 or dollar + 1 == len(text):
            yield _Piece(text[position:], is_reference=False)
            return
        if dollar > position:
            yield _Piece(text[position:dollar], is_reference=False)
        follows = text[dollar + 1]
        if follows == "{":
            end = _closing(text, dollar + 2)
            yield _Piece(text[dollar + 2 : end], is_reference=True)
            position = end + 1
        else:
            yield _Piece("$", is_reference=False)
            position = dollar + 1 + (follows == "$")


def _closing(text: str, position: int) -> int:
    """Where the brace closes that was opened before `position`."""
    depth = 1
    while True:
        opening, closing = text.find("${", position), text.find("}", position)
        if closing < 0:
            raise _BadReference("`${` without its `}`; write `$$` for a dollar sign")
        if 0 <= opening < closing:
            depth, position = depth + 1, opening + 2
            continue
        depth -= 1
        if depth == 0:
            return closing
        position = closing + 1


def _read(text: str, names: tuple[str, ...], place: Place) -> Node:
    """What a variable holds, read as YAML; text that is none is taken as it is."""
    try:
        node = read_document(text, Source(f"${{{', '.join(names)}}}"))
    except Unreadable:
        return Scalar(place, text, text, variables=names)
    if isinstance(node, Scalar) or not text.strip():
        value = node.value if isinstance(node, Scalar) else None
        return Scalar(place, value, text, quoted=isinstance(value, str), variables=names)
    return _placed(node, names, place)


def _placed(node: Node, names: tuple[str, ...], place: Place) -> Node:
    """The tree of a variable's value: every part of it stands where the reference stands."""
    if isinstance(node, Mapping):
        entries = {key: Entry(place, _placed(entry.node, names, place)) for key, entry in node.entries.items()}
        return replace(node, place=place, entries=entries)
    if isinstance(node, Sequence):
        return replace(node, place=place, items=tuple(_placed(item, names, place) for item in node.items))
    return replace(node, place=place, variables=names)

"""What a model is shown of a tree, and where in the tree its complaints belong.

Whether a value is text or a number depends on the setting it is for, which only the model knows. So a tree is shown as
YAML reads it; where the model then wants text, it is shown the characters that were written, and where it can do
nothing with an empty environment variable, it is shown nothing, so that the default holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import ErrorDetails

from otelbridge.config.document import Mapping, Node, Place, Scalar
from otelbridge.config.report import Path

_WANTS_TEXT = {"string_type", "literal_error", "enum"}


@dataclass(frozen=True, slots=True)
class Found:
    """The deepest part of a tree that a complaint's location leads to.

    Attributes:
        path: from the tree's root.
        node: what stands there.
        key: its key; for an entry of a list, the entry itself.
        missing: what of the location is not in the tree.
    """

    path: Path
    node: Node
    key: Place
    missing: tuple[str | int, ...] = ()

    @property
    def text(self) -> str:
        """The value as written; "" where there is no single one."""
        return (self.node.text or "") if isinstance(self.node, Scalar) else ""

    def place(self) -> Place:
        """The value, where it can be underlined, else its key."""
        at = self.node.place
        return (
            at if isinstance(self.node, Scalar) and (at.line, at.column) != (at.end_line, at.end_column) else self.key
        )


def locate(root: Node, location: Iterable[str | int], key: Place) -> Found:
    """Follow a location of pydantic's; its words for the arms of a union are in no tree and are passed over."""
    found = Found((), root, key)
    for step in location:
        node = found.node
        if isinstance(node, Mapping) and str(step) in node.entries:
            entry = node.entries[str(step)]
            found = Found((*found.path, str(step)), entry.node, entry.key)
        elif not isinstance(node, (Mapping, Scalar)) and isinstance(step, int) and step < len(node.items):
            item = node.items[step]
            found = Found((*found.path, step), item, item.place)
        else:
            found = Found(found.path, node, found.key, (*found.missing, step))
    return found


@dataclass(slots=True)
class Reading:
    """Shows a tree to a model, and learns from what it refuses.

    Attributes:
        root: the tree.
        means_default: whether a key at a path is as good as no key when it has no value.
        as_text: values that are shown as they were written.
        left_out: values that are not shown.
    """

    root: Node
    means_default: Callable[[Path], bool]
    as_text: set[Path] = field(default_factory=set)
    left_out: set[Path] = field(default_factory=set)

    def data(self) -> Any:
        """The tree as plain values."""
        return self._data(self.root, ())

    def adjust(self, errors: Iterable[ErrorDetails]) -> bool:
        """Whether `data` shows something else now, that these errors may not be true of."""
        before = len(self.as_text) + len(self.left_out)
        for error in errors:
            found = locate(self.root, error["loc"], self.root.place)
            node = found.node
            if not isinstance(node, Scalar) or not found.path:
                continue
            if error["type"] in _WANTS_TEXT and isinstance(node.value, int | float):
                self.as_text.add(found.path)
            elif node.value is None and node.variables:
                (self.as_text if error["type"] == "string_type" else self.left_out).add(found.path)
        return len(self.as_text) + len(self.left_out) > before

    def _data(self, node: Node, path: Path) -> Any:
        if isinstance(node, Mapping):
            items = ((key, entry.node, (*path, key)) for key, entry in node.entries.items())
            return {key: self._data(inner, below) for key, inner, below in items if not self._is_absent(inner, below)}
        if not isinstance(node, Scalar):
            return [self._data(item, (*path, index)) for index, item in enumerate(node.items)]
        if path in self.as_text or (node.variables and node.text == ""):
            return node.text
        return node.value

    def _is_absent(self, node: Node, path: Path) -> bool:
        """Whether the default holds, so that the model is shown nothing."""
        is_empty = isinstance(node, Scalar) and node.value is None and not node.variables
        return path in self.left_out or (is_empty and self.means_default(path))

"""A tree against the model of its settings: an instance, or every mistake with its place.

pydantic decides; its verdict is said in the words of the configuration, and never with the value of a secret. Types
must match, as in the Collector: `"5"` is text, `5` a number. Only where text is wanted does an unquoted value count as
the characters that were written, so that `release: 1.10` is "1.10".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from otelbridge.config import verdicts
from otelbridge.config.document import Mapping, Node, Place, Scalar
from otelbridge.config.excerpts import show_text
from otelbridge.config.fields import Fields
from otelbridge.config.problems import did_you_mean
from otelbridge.config.reading import Found, Reading, locate
from otelbridge.config.report import Path, Report

Model = TypeVar("Model", bound=BaseModel)

# One pass finds what wants text; what pydantic sees then can want it again, e.g. behind a discriminator.
MAX_PASSES = 4
LONGEST_SHOWN = 60  # characters of a value that are worth repeating
# A validator may quote a part of a secret (`no project in key@host`); shorter coincidences are ordinary words.
TELLING = 10


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks trees against models; mistakes go to the report."""

    fields: Fields
    report: Report

    def check(self, model: type[Model], node: Node, path: Path, key: Place) -> Model | None:
        """The settings at `path`, whose key stands at `key`; None when they are wrong."""
        if isinstance(node, Scalar) and node.value is None:
            node = Mapping(node.place, {})
        reading = Reading(node, lambda below: self.fields.means_default([str(step) for step in (*path, *below)]))
        for _ in range(MAX_PASSES):
            try:
                return model.model_validate_json(json.dumps(reading.data()), strict=True)
            except ValidationError as error:
                errors = error.errors(include_url=False)
            if not reading.adjust(errors):
                break
        subject = _Subject(self, path, node, reading)
        found = [(locate(node, error["loc"], key), error) for error in errors]
        for _, alike in groupby(found, key=_subject_of):
            subject.tell(list(alike))
        return None


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is being checked: a tree at its path, and how it was shown to the model."""

    checker: Checker
    path: Path
    root: Node
    reading: Reading

    def tell(self, alike: list[tuple[Found, ErrorDetails]]) -> None:
        """Report what is wrong at one place; the arms of a union say together what they expected."""
        found, last = alike[0][0], alike[-1][1]
        wanted = list(dict.fromkeys(filter(None, (verdicts.expected(error) for _, error in alike))))
        if wanted:
            message = f"expected {' or '.join(wanted)}{self._got(found)}"
            if isinstance(found.node, Scalar) and self._may_show(found):
                message += verdicts.nearest_choice(last, found.node.text or "")
            self._add(found.path, message, found.place())
        for found, error in alike:
            if verdicts.expected(error) is None:
                self._tell_one(found, error)

    def _tell_one(self, found: Found, error: ErrorDetails) -> None:
        if error["type"] == verdicts.UNKNOWN_KEY:
            key = str(error["loc"][-1])
            hint = did_you_mean(key, self._known_keys(found.path[:-1]))
            self._add(found.path, f"unknown setting{hint}", found.key)
        elif error["type"] == verdicts.MISSING:
            path = (*found.path, *found.missing[-1:])
            empty = "; its environment variable is empty" if path in self.reading.left_out else ""
            self._add(path, verdicts.describe(error) + empty, found.key)
        elif error["type"] in verdicts.FROM_AUTHOR:
            self._add(found.path, self._without_secrets(verdicts.describe(error), found), found.place())
        else:
            message = self._without_secrets(verdicts.describe(error), found)
            self._add(found.path, message + self._got(found), found.place())

    def _add(self, path: Path, message: str, place: Place) -> None:
        self.checker.report.add((*self.path, *path), message, place)

    def _known_keys(self, path: Path) -> list[str]:
        return self.checker.fields.known_keys([str(step) for step in (*self.path, *path)])

    def _may_show(self, found: Found) -> bool:
        return self.checker.fields.may_show([str(step) for step in (*self.path, *found.path)])

    def _got(self, found: Found) -> str:
        """`, got ...`: the value, if it may be shown, else of what sort it is."""
        node = found.node
        if isinstance(node, Mapping):
            return ", got settings"
        if not isinstance(node, Scalar):
            return ", got a list"
        if node.variables:  # also where it may be shown: a variable can hold a secret by mistake
            return ", got what {} holds".format(" and ".join(f"${{{name}}}" for name in node.variables))
        if not self._may_show(found):
            return ""
        text = show_text(node.text or "")
        text = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
        return f', got "{text}"' if node.quoted else f", got {text or 'nothing'}"

    def _without_secrets(self, message: str, found: Found) -> str:
        """A message of a component's author, unless it tells a secret."""
        own = found.node.text if isinstance(found.node, Scalar) and not self._may_show(found) else None
        if own and own in message:
            return "not valid"
        return (
            "not valid" if any(_tells(message, secret) for secret in self._secrets(self.root, self.path)) else message
        )

    def _secrets(self, node: Node, path: Path) -> Iterator[str]:
        """Every text of the subject that may not be shown."""
        if isinstance(node, Mapping):
            for key, entry in node.entries.items():
                yield from self._secrets(entry.node, (*path, key))
        elif not isinstance(node, Scalar):
            for index, item in enumerate(node.items):
                yield from self._secrets(item, (*path, index))
        elif node.text and (node.variables or not self.checker.fields.may_show([str(step) for step in path])):
            yield node.text


def _subject_of(item: tuple[Found, ErrorDetails]) -> Path:
    """The setting an error is about: one that is missing is not where the search for it ended."""
    found, error = item
    return (*found.path, *found.missing[-1:]) if error["type"] == verdicts.MISSING else found.path


def _tells(message: str, secret: str) -> bool:
    """Whether the message holds a part of the secret that is too long to be there by chance."""
    size = min(TELLING, len(secret))
    return size > 3 and any(secret[start : start + size] in message for start in range(len(secret) - size + 1))

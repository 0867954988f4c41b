"""What stands in the `data` of spans: attributes, what processors added, the scope, the statement.

Two views of the same. `read` tells everything about one span, as values. `members` is the data of all spans at once, as
fragments of JSON, each distinct attribute encoded once; it is right for spans that are not `irregular`, and most are
not.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from operator import add as plus
from typing import Any

import numpy as np

from otelbridge.exporters.sentry.attributes import DATA, RENAMED, STATEMENT, TAG, UNREADABLE
from otelbridge.exporters.sentry.entries import NOTHING, Entries
from otelbridge.exporters.sentry.fragments import Mask, Members, Rows, Texts, encode_json, encoded_each
from otelbridge.exporters.sentry.limits import MAX_ATTRIBUTES
from otelbridge.exporters.sentry.named_values import NamedValues
from otelbridge.exporters.sentry.scrubbing import SECOND_SPELLING, is_destroyed
from otelbridge.exporters.sentry.survivors import Survivors
from otelbridge.semconv.statements import analyse

STATEMENT_TEXT = "db.query.text"
REPAIRED = "otelbridge.repaired"
STATUS_MESSAGE = "sentry.status.message"

_NOT_PLAIN = ("", None)
_COUNTED = frozenset({"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"})
_SAID_LAST = frozenset({STATEMENT_TEXT, "instrumentation.name", "instrumentation.version"})  # they win over all others


@dataclass(slots=True)
class Reading:
    """Everything that attributes and added columns say of one span.

    Attributes:
        data: by name.
        tags: what survives scrubbing as a tag only.
        statement: without its values.
        repaired: what had to be left out.
    """

    data: dict[str, Any]
    statement: str | None
    tags: dict[str, str] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)


class SpanData:
    """The data of the rows of `Survivors`; `statements` are those without values, `rare` spans are irregular anyway.

    Attributes:
        values: single values of spans that are not irregular.
    """

    def __init__(self, spans: Survivors, statements: Texts, rare: Mask) -> None:
        self._spans = spans
        self._rare = rare
        self._statements = statements
        self._entries = Entries(spans)
        self.values = NamedValues(spans, self._entries)
        self._readings: dict[int, Reading] = {}

    # one span

    def read(self, row: int) -> Reading:
        """Everything about one span, cheap for irregular ones; not to be changed."""
        known = self._readings.get(row)
        if known is None:
            known = self._readings[row] = self._read(row)
        return known

    @cached_property
    def _plain(self) -> list[tuple[str, Any]]:
        """Name and value of each distinct attribute, of those that are plain."""
        attributes = self._spans.attributes
        names = map(attributes.names.__getitem__, attributes.name_of.tolist())
        plain: list[tuple[str, Any]] = list(zip(names, attributes.values, strict=True))
        for number in np.flatnonzero(attributes.fates != DATA).tolist():
            plain[number] = _NOT_PLAIN
        return plain

    def _read(self, row: int) -> Reading:
        spans = self._spans
        first, last = spans.details.offsets[row : row + 2].tolist()
        is_cut = last - first > MAX_ATTRIBUTES
        attributes = spans.details.attributes[first : min(last, first + MAX_ATTRIBUTES)].tolist()
        data = dict(map(self._plain.__getitem__, attributes))
        statement = self._statements.index[row]
        reading = Reading(data, self._statements.distinct[statement] if statement >= 0 else None)
        if is_cut:
            reading.repaired.append("attributes")
        if "" in data:
            self._place(attributes, reading)
        data.update(self._added_to(row))
        data.update(spans.emitter[row].scope)
        if reading.statement and not is_destroyed(reading.statement):
            data[STATEMENT_TEXT] = reading.statement
        if not _COUNTED.isdisjoint(data):
            _spell_twice(data)
        return reading

    def _added_to(self, row: int) -> dict[str, Any]:
        if row in self._added:
            return self._added[row]
        return {column.name: column.by_row[row] for column in self._spans.added if row in column.by_row}

    @cached_property
    def _added(self) -> dict[int, dict[str, Any]]:
        """What was added to irregular spans."""
        found: dict[int, dict[str, Any]] = {row: {} for row in np.flatnonzero(self.irregular).tolist()}
        for column in self._spans.added:
            wanted = self.irregular[column.rows]
            for row, number in zip(column.rows[wanted].tolist(), column.index[wanted].tolist(), strict=True):
                found[row][column.name] = column.distinct[number]
        return found

    def _place(self, attributes: Sequence[int], reading: Reading) -> None:
        """Put attributes that are not plain where they belong."""
        data = reading.data
        del data[""]
        for name, value, fate in map(self._spans.attributes.__getitem__, attributes):
            if fate == DATA:
                continue
            if fate == RENAMED:
                data.setdefault(name, value)
            elif fate == TAG:
                reading.tags[name] = value
            elif fate == STATEMENT:
                reading.statement = reading.statement or _without_values(value, data)
            elif fate == UNREADABLE:
                reading.repaired.append("attributes")

    # all spans

    def having(self, names: Container[str]) -> Mask:
        """Which spans have an attribute or an added value of one of these names, at least those that are regular."""
        found = self._entries.having(names)
        for column in self._spans.added:
            if column.name in names:
                found[column.rows] = True
        return found

    @cached_property
    def has_statement(self) -> Mask:
        """Which spans have a statement that was known before."""
        says_something = [*map(bool, self._statements.distinct), False]  # the last one is that of index -1
        return np.array(says_something, np.bool_)[self._statements.index]

    @cached_property
    def irregular(self) -> Mask:
        """Spans that must be `read`: with renamed or repeated attributes, tags, counts spelt twice ..."""
        entries, offsets = self._entries, self._spans.details.offsets
        irregular: Mask = self._rare | entries.repeated | self.having(_SAID_LAST) | entries.with_fate(TAG, UNREADABLE)
        irregular |= entries.with_fate(STATEMENT) & ~self.has_statement
        irregular |= np.diff(offsets) > MAX_ATTRIBUTES
        for today, yesterday in SECOND_SPELLING.items():
            irregular |= self.having((today,)) & self.having((yesterday,))
        return irregular

    def members(self, rows: Mask) -> Members:
        """The members of the data of these rows."""
        spans, members = self._spans, Members()
        add = members.add
        add(*self._attribute_members())
        for column in spans.added:
            add(column.members(), column.rows, column.index)
        for name in ("instrumentation.name", "instrumentation.version"):
            values = [emitter.scope.get(name) for emitter in spans.emitters]
            at = np.flatnonzero(np.array([value is not None for value in values], np.bool_)[spans.emitter_index])
            add([_member(name, value) for value in values], at, spans.emitter_index[at])
        survives = [bool(text) and not is_destroyed(text) for text in self._statements.distinct]
        at = np.flatnonzero(np.array([*survives, False], np.bool_)[self._statements.index])
        add([_member(STATEMENT_TEXT, text) for text in self._statements.distinct], at, self._statements.index[at])
        for name, value_of in self._second_spellings():
            at = np.flatnonzero(value_of != NOTHING)
            distinct, index = np.unique(value_of[at], return_inverse=True)
            add([_member(name, self.values.value(number)) for number in distinct.tolist()], at, index)
        members.keep(rows)
        return members

    def _attribute_members(self) -> tuple[list[bytes], Rows, Rows]:
        """Members that are attributes, the spans that have them, and which; not those that added values stand for."""
        entries, attributes = self._entries, self._spans.attributes
        stays = entries.names != NOTHING
        for column in self._spans.added:
            name = entries.number_of.get(column.name)
            if name is not None:
                named = np.flatnonzero(entries.names == name)
                is_added = np.zeros(self._spans.height, np.bool_)
                is_added[column.rows] = True
                stays[named] &= ~is_added[entries.rows[named]]
        is_shown = (attributes.fates == DATA) | (attributes.fates == RENAMED)
        before = [b",%b:" % encode_json(name) for name in attributes.names]
        names = map(before.__getitem__, attributes.name_of[is_shown].tolist())
        members = map(plus, names, encoded_each(list(compress(attributes.values, is_shown.tolist()))))
        return list(members), entries.rows[stays], (np.cumsum(is_shown) - 1)[entries.attributes[stays]]

    def _second_spellings(self) -> Iterator[tuple[str, Rows]]:
        """Counts that are told under two names: the second name, and by row the number of the value, or NOTHING."""
        numbers = self.values.numbers
        counted = np.zeros(self._spans.height, np.bool_)
        for name in _COUNTED:
            if (counts := numbers(name)) is not None:
                counted |= counts != NOTHING
        for one, other in (*SECOND_SPELLING.items(), *((name, told) for told, name in SECOND_SPELLING.items())):
            if (known := numbers(one)) is not None:
                yield other, np.where(counted, known, NOTHING)


def _member(name: str, value: Any) -> bytes:
    return b",%b:%b" % (encode_json(name), encode_json(value))


def _without_values(text: str, data: Mapping[str, Any]) -> str | None:
    system = data.get("db.system.name") or data.get("db.system")
    statement = analyse(text, system if isinstance(system, str) else None)
    return statement.text if statement else None


def _spell_twice(data: dict[str, Any]) -> None:
    for today, yesterday in SECOND_SPELLING.items():
        if today in data:
            data[yesterday] = data[today]
        elif yesterday in data:
            data[today] = data[yesterday]

"""What stands in the `data` of spans: attributes, what processors added, the scope, the statement.

Two views of the same. `read` tells everything about one span, as values. `members` is the data of all spans at once, as
fragments of JSON, each distinct attribute encoded once; it is right for spans that are not `irregular`, and most are
not.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from otelbridge.exporters.sentry.attributes import DATA, RENAMED, STATEMENT, TAG, UNREADABLE
from otelbridge.exporters.sentry.fragments import Mask, Pool, Rows, Texts, encode_json
from otelbridge.exporters.sentry.limits import MAX_ATTRIBUTES
from otelbridge.exporters.sentry.named_values import NOTHING, NamedValues
from otelbridge.exporters.sentry.scrubbing import SECOND_SPELLING, is_destroyed
from otelbridge.exporters.sentry.survivors import Survivors
from otelbridge.semconv.statements import analyse

STATEMENT_TEXT = "db.query.text"
REPAIRED = "otelbridge.repaired"
STATUS_MESSAGE = "sentry.status.message"

_NOT_PLAIN = ("", None)
_SPELT_TWICE = frozenset(SECOND_SPELLING) | frozenset(SECOND_SPELLING.values())
_SAID_LAST = frozenset({STATEMENT_TEXT, "instrumentation.name", "instrumentation.version"})  # they win over all others
_CELLS = 32  # so much larger than its entries may a table of rows and names be


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
        names, values, fates = zip(*spans.attributes, strict=True) if spans.attributes else ((), (), ())
        self._fate_of = np.array(fates, np.int64)
        self._names = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self._name_of = np.array(list(map(self._names.__getitem__, names)), np.int64)
        self._plain = list(zip(names, values, strict=True))
        for number in np.flatnonzero(self._fate_of != DATA).tolist():
            self._plain[number] = _NOT_PLAIN
        self._readings: dict[int, Reading] = {}
        counts = np.diff(spans.details.offsets)
        self._row_of_entry = np.repeat(np.arange(spans.height), counts)
        plain_name = np.where(self._fate_of == DATA, self._name_of, NOTHING)
        self._name_of_entry: Rows = plain_name[spans.details.attributes]  # where it is plain
        self.values = NamedValues(spans, self._names, self._name_of_entry, self._row_of_entry)

    # one span

    def read(self, row: int) -> Reading:
        """Everything about one span, cheap for irregular ones; not to be changed."""
        known = self._readings.get(row)
        if known is None:
            known = self._readings[row] = self._read(row)
        return known

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
        if "gen_ai.usage.input_tokens" in data or "gen_ai.usage.output_tokens" in data:
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
        """Which spans have a plain attribute or an added value of one of these names."""
        found = self._with_entries(self._is_named(names))
        for column in self._spans.added:
            if column.name in names:
                found[column.rows] = True
        return found

    def _is_named(self, names: Container[str]) -> Mask:
        """Which of the distinct attributes are plain and have one of these names."""
        is_one = np.array([name in names for name in self._names], np.bool_)
        named: Mask = is_one[self._name_of] & (self._fate_of == DATA)
        return named

    def _with_entries(self, wanted: Mask) -> Mask:
        """Which spans have one of the wanted ones among the distinct attributes."""
        found = np.zeros(self._spans.height, np.bool_)
        found[self._row_of_entry[wanted[self._spans.details.attributes]]] = True
        return found

    @cached_property
    def has_statement(self) -> Mask:
        """Which spans have a statement that was known before."""
        says_something = [*map(bool, self._statements.distinct), False]  # the last one is that of index -1
        return np.array(says_something, np.bool_)[self._statements.index]

    @cached_property
    def irregular(self) -> Mask:
        """Spans that must be `read`: with renamed or repeated attributes, tags, counts spelt twice ..."""
        spans, fates = self._spans, self._fate_of
        odd = (fates == RENAMED) | (fates == TAG) | (fates == UNREADABLE) | self._is_named(_SAID_LAST)
        irregular: Mask = self._rare | self._repeating() | self.having(_SPELT_TWICE) | self._with_entries(odd)
        irregular |= self._with_entries(fates == STATEMENT) & ~self.has_statement
        irregular |= np.diff(spans.details.offsets) > MAX_ATTRIBUTES
        for column in spans.added:
            if column.name in _SAID_LAST:
                irregular[column.rows] = True
        return irregular

    def _repeating(self) -> Mask:
        """Spans with two plain attributes of one name."""
        attributes = self._spans.details.attributes
        plain = (self._fate_of == DATA)[attributes]
        rows, width = self._row_of_entry[plain], len(self._names)
        cells = rows * width + self._name_of[attributes[plain]]
        found = np.zeros(self._spans.height, np.bool_)
        if self._spans.height * width <= _CELLS * len(cells):
            repeated = np.flatnonzero(np.bincount(cells, minlength=1) > 1)
        else:
            cells.sort()
            repeated = cells[1:][cells[1:] == cells[:-1]]
        found[repeated // max(width, 1)] = True
        return found

    def members(self, pool: Pool, rows: Mask) -> tuple[Rows, Rows]:
        """The members of the data of these rows: numbers in the pool, to which they are added, and their rows."""
        spans = self._spans
        numbers: list[Rows] = []
        of_rows: list[Rows] = []

        def add(fragments: list[bytes], at: Rows, index: Rows) -> None:
            wanted = rows[at]
            of_rows.append(at[wanted])
            numbers.append(index[wanted] + pool.add(fragments))

        index, at = self._plain_entries()
        add(self._attribute_members(), at, index)
        for column in spans.added:
            add(column.members(), column.rows, column.index)
        for name in ("instrumentation.name", "instrumentation.version"):
            values = [emitter.scope.get(name) for emitter in spans.emitters]
            at = np.flatnonzero(np.array([value is not None for value in values], np.bool_)[spans.emitter_index])
            add([_member(name, value) for value in values], at, spans.emitter_index[at])
        survives = [bool(text) and not is_destroyed(text) for text in self._statements.distinct]
        at = np.flatnonzero(np.array([*survives, False], np.bool_)[self._statements.index])
        add([_member(STATEMENT_TEXT, text) for text in self._statements.distinct], at, self._statements.index[at])
        return np.concatenate(numbers), np.concatenate(of_rows)

    def _plain_entries(self) -> tuple[Rows, Rows]:
        """Attributes that go into data, and their rows; without those for which an added value stands."""
        attributes, rows = self._spans.details.attributes, self._row_of_entry
        stays = (self._fate_of == DATA)[attributes]
        for column in self._spans.added:
            name = self._names.get(column.name)
            if name is not None:
                entries = np.flatnonzero((self._name_of == name)[attributes])
                is_added = np.zeros(self._spans.height, np.bool_)
                is_added[column.rows] = True
                stays[entries] &= ~is_added[rows[entries]]
        return attributes[stays].astype(np.int64), rows[stays]

    def _attribute_members(self) -> list[bytes]:
        before = {name: b"%b:" % encode_json(name) for name in self._names}
        return [
            before[name] + encode_json(value) if fate == DATA else b"" for name, value, fate in self._spans.attributes
        ]


def _member(name: str, value: Any) -> bytes:
    return b"%b:%b" % (encode_json(name), encode_json(value))


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

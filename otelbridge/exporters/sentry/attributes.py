"""OTLP attributes -> values that JSON and Sentry take, and where they go in a Sentry span, if anywhere."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otelbridge.exporters.sentry.limits import MAX_ATTRIBUTES, MAX_KEY, MAX_NAME, clip
from otelbridge.exporters.sentry.scrubbing import FILTERED, RENAMED_COUNTS, SECRET_NAME, SURVIVING_NAMES, TOKEN_NAME
from otelbridge.exporters.sentry.wire import decode_key_values

REMEMBERED_NAMES = 8192
MAX_DEPTH = 8  # of arrays and maps within each other
LARGEST_EXACT_INTEGER = 2**53  # JavaScript, and with it Sentry's pages, rounds what is beyond

STATEMENT_NAMES = frozenset({"db.query.text", "db.statement"})
_PARAMETER_NAMES = frozenset(
    {"db.postgresql.values", "db.sql.bindings", "db.params", "db.redis.parameters", "db.statement.parameters"}
)
_PARAMETER_PREFIXES = ("db.query.parameter.", "db.statement.parameter.")
_TAG_NAME = re.compile(rf"[a-zA-Z0-9_.:-]{{1,{MAX_NAME}}}")
_SPELT_NUMBERS = ("NaN", "Infinity", "-Infinity")


Fate = int
"""Where an attribute goes. Plain numbers, because this is looked at for every attribute of every span."""

DATA: Final = 0
"""Into the span's data, under its own name."""
RENAMED: Final = 1
"""Into the data under another name, unless the span has that one too."""
TAG: Final = 2
"""Into the span's tags."""
STATEMENT: Final = 3
"""Nowhere: a database statement as it was sent, with the values in it."""
NOWHERE: Final = 4
"""Nowhere: a value of a database statement, which never leaves, or no value at all."""
UNREADABLE: Final = 5
"""Nowhere: its bytes are no attribute."""
_SECRET: Final = 6
"""Planned for a name: into the data, without the value."""
_TOKEN: Final = 7
"""Planned for a name: into the tags when the value is a number, else like a secret."""

Attribute = tuple[str, Any, Fate]
_NO_ATTRIBUTE: Attribute = ("", None, UNREADABLE)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Many attributes.

    Attributes:
        names: the distinct ones.
        name_of: which of them each attribute has.
        values: of each attribute; None where its fate is NOWHERE.
        fates: of each attribute.
    """

    names: list[str]
    name_of: npt.NDArray[np.int64]
    values: list[Any]
    fates: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, number: int) -> Attribute:
        return self.names[self.name_of[number]], self.values[number], int(self.fates[number])


class AttributeReader:
    """Reads attributes; `withhold_secrets` replaces values under names that look like secrets."""

    def __init__(self, *, withhold_secrets: bool = True) -> None:
        self._withhold_secrets = withhold_secrets
        self._plan: Callable[[str], tuple[str, Fate]] = lru_cache(REMEMBERED_NAMES)(_plan)

    def read_all(self, encoded: pa.Array) -> Attributes:
        """Name, value and fate of encoded KeyValues. What a name decides is decided once for all that have it."""
        try:
            found = decode_key_values(encoded)
        except ValueError:
            return _together([self._read_one(one) for one in encoded.to_pylist()])
        plans = _together([(name, None, fate) for name, fate in map(self._plan, found.keys)])
        fates = plans.fates[found.key_of]
        values = np.full(len(fates), None, object)
        for places, scalars in found.scalars:
            wanted = fates[places] != NOWHERE
            values[places[wanted]] = _exactly(scalars.filter(pa.array(wanted)))
        read = Attributes(plans.names, plans.name_of[found.key_of], values.tolist(), fates)
        is_scalar = np.zeros(len(fates), np.bool_)
        is_scalar[np.concatenate([places for places, _ in found.scalars])] = True
        odd = (~is_scalar & (fates != NOWHERE)) | is_fate(fates, (STATEMENT, _SECRET, _TOKEN))
        for number in np.flatnonzero(odd).tolist():
            if is_scalar[number]:
                one = self.fate(found.keys[found.key_of[number]], read.values[number])
            else:  # an array, a map, bytes or nothing
                one = self._read_one(encoded[number].as_py())
            _replace(read, number, one)
        return read

    def plain(self, attributes: Iterable[KeyValue]) -> dict[str, Any]:
        """Attributes of a resource, an event or a link; what has no place in data is left out."""
        plain: dict[str, Any] = {}
        for attribute in list(attributes)[:MAX_ATTRIBUTES]:
            name, value, fate = self.fate(attribute.key, json_value(attribute.value))
            if fate in (DATA, RENAMED, TAG):
                plain[name] = value
        return plain

    def fate(self, key: str, value: Any) -> Attribute:
        """Name, value and fate of an attribute."""
        name, fate = self._plan(key)
        if fate == DATA and value is not None:
            return name, value, fate
        if value is None:
            return name, None, NOWHERE
        if fate == STATEMENT and not isinstance(value, str):
            return name, None, NOWHERE
        if fate == _TOKEN:  # a token is a secret or a count, and numbers are counts
            if isinstance(value, (int, float)) or value in _SPELT_NUMBERS:
                return key, str(value), TAG if _TAG_NAME.fullmatch(key) else NOWHERE
            fate = _SECRET
        if fate == _SECRET:
            return name, FILTERED if self._withhold_secrets else value, DATA
        return name, value, fate

    def _read_one(self, encoded: bytes) -> Attribute:
        try:
            attribute = KeyValue.FromString(encoded)
        except DecodeError:
            return _NO_ATTRIBUTE
        return self.fate(attribute.key, json_value(attribute.value))


def is_fate(fates: npt.NDArray[np.int64], wanted: Sequence[Fate]) -> npt.NDArray[np.bool_]:
    """Which of the fates are among the wanted ones."""
    is_wanted = np.zeros(_TOKEN + 1, np.bool_)
    is_wanted[list(wanted)] = True
    found: npt.NDArray[np.bool_] = is_wanted[fates]
    return found


def _together(attributes: list[Attribute]) -> Attributes:
    names, values, fates = zip(*attributes, strict=True) if attributes else ((), (), ())
    number_of = {name: number for number, name in enumerate(dict.fromkeys(names))}
    name_of = np.array([number_of[name] for name in names], np.int64)
    return Attributes(list(number_of), name_of, list(values), np.array(fates, np.int64))


def _replace(attributes: Attributes, number: int, one: Attribute) -> None:
    name, attributes.values[number], attributes.fates[number] = one
    if attributes.names[attributes.name_of[number]] != name:
        if name not in attributes.names:
            attributes.names.append(name)
        attributes.name_of[number] = attributes.names.index(name)


def _exactly(scalars: pa.Array) -> list[Any]:
    values: list[Any] = scalars.to_pylist()
    if pa.types.is_integer(scalars.type):
        return list(map(_exact, values))
    return list(map(_finite, values)) if pa.types.is_floating(scalars.type) else values


def _plan(key: str) -> tuple[str, Fate]:
    """What becomes of attributes of this name."""
    name = clip(key, MAX_KEY) or "(unnamed)"
    if key in STATEMENT_NAMES:
        return name, STATEMENT
    if key in _PARAMETER_NAMES or key.startswith(_PARAMETER_PREFIXES):
        return name, NOWHERE
    if key in RENAMED_COUNTS:
        return RENAMED_COUNTS[key], RENAMED
    if key in SURVIVING_NAMES:
        return name, DATA
    if SECRET_NAME.search(key):
        return name, _SECRET
    return name, _TOKEN if TOKEN_NAME.search(key) else DATA


def json_value(value: AnyValue, depth: int = MAX_DEPTH) -> Any:
    """An AnyValue as a string, number, boolean, null or list of those; deeper structures become JSON text."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "int_value":
        return _exact(value.int_value)
    if kind == "double_value":
        return _finite(value.double_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "bytes_value":
        return _text(value.bytes_value)
    if kind == "array_value":
        items = [_nested(item, depth - 1) for item in value.array_value.values]
        is_flat = not any(isinstance(item, (list, dict)) for item in items)
        return items if is_flat else msgspec.json.encode(items).decode()
    if kind == "kvlist_value":
        return msgspec.json.encode(_nested(value, depth)).decode()
    return None


def _nested(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_nested(item, depth - 1) for item in value.array_value.values] if depth > 0 else "…"
    if kind == "kvlist_value":
        return {item.key: _nested(item.value, depth - 1) for item in value.kvlist_value.values} if depth > 0 else "…"
    return json_value(value)


def _exact(number: int) -> int | str:
    return number if -LARGEST_EXACT_INTEGER <= number <= LARGEST_EXACT_INTEGER else str(number)


def _finite(number: float) -> float | str:
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def scalar(value: Any) -> Any:
    """A value of a polars column as JSON takes it."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return _exact(value)
    if isinstance(value, float):
        return _finite(value)
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()

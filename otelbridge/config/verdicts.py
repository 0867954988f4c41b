"""pydantic's verdicts in the words of a configuration; looked up by the type of the error, never by its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from otelbridge.config.problems import did_you_mean

UNKNOWN_KEY = "extra_forbidden"
MISSING = "missing"
FROM_AUTHOR = {"value_error", "assertion_error"}

_EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "sequence_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type"), "a map (`key: value` lines)"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dataclass_type"), "settings (`key: value` lines)"),
    "none_required": "nothing",
}
_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda ctx: f"must be greater than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']:g}",
    "less_than": lambda ctx: f"must be less than {ctx['lt']:g}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']:g}",
    "multiple_of": lambda ctx: f"must be a multiple of {ctx['multiple_of']:g}",
    "too_short": lambda ctx: f"needs at least {_count(ctx['min_length'], 'entry', 'entries')}",
    "too_long": lambda ctx: f"takes at most {_count(ctx['max_length'], 'entry', 'entries')}",
    "string_too_short": lambda ctx: f"needs at least {_count(ctx['min_length'], 'character', 'characters')}",
    "string_too_long": lambda ctx: f"takes at most {_count(ctx['max_length'], 'character', 'characters')}",
    "string_pattern_mismatch": lambda ctx: f"does not have the form `{ctx['pattern']}`",
}


def expected(error: ErrorDetails) -> str | None:
    """What type was wanted, when that is what is wrong; `one of ...` for a choice."""
    if error["type"] in {"literal_error", "enum"}:
        return f"one of {_choices(error)}"
    return _EXPECTED.get(error["type"])


def describe(error: ErrorDetails) -> str:
    """What is wrong, when it is not the type."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == MISSING:
        return "required, but not set"
    if kind in _BOUNDS:
        return _BOUNDS[kind](context)
    if kind in FROM_AUTHOR:
        return str(context.get("error") or error["msg"])
    return error["msg"][:1].lower() + error["msg"][1:]


def nearest_choice(error: ErrorDetails, text: str) -> str:
    """`; did you mean ...?` for a choice that is misspelt."""
    return did_you_mean(text, re.findall(r"'([^']*)'", _choices(error)))


def _choices(error: ErrorDetails) -> str:
    return str(error.get("ctx", {}).get("expected", "the known values"))


def _count(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number} {many}"

"""The functions of conditions: name, what they take, what they give, what they mean.

The table is the documentation too: `otelbridge components --columns` prints it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

Kind = Literal["string", "number", "boolean", "id"]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    Attributes:
        name: as written, in any case.
        parameters: the kinds of its arguments.
        result: the kind it gives.
        meaning: for the documentation. Every function of NULL is NULL.
        build: the polars expression from those of the arguments.
    """

    name: str
    parameters: tuple[Kind, ...]
    result: Kind
    meaning: str
    build: Callable[..., pl.Expr]


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function("lower", ("string",), "string", "in lower case", lambda text: text.str.to_lowercase()),
        Function("upper", ("string",), "string", "in upper case", lambda text: text.str.to_uppercase()),
        Function(
            "length",
            ("string",),
            "number",
            "how many characters",
            lambda text: text.str.len_chars().cast(pl.Int64),
        ),
        Function("abs", ("number",), "number", "without its sign", lambda value: value.cast(pl.Float64).abs()),
        Function(
            "number",
            ("string",),
            "number",
            "text read as a number; NULL where it is none",
            lambda text: text.cast(pl.Float64, strict=False).pipe(_finite),
        ),
        Function(
            "starts_with",
            ("string", "string"),
            "boolean",
            "whether the first text begins with the second",
            lambda text, part: text.str.starts_with(part),
        ),
        Function(
            "ends_with",
            ("string", "string"),
            "boolean",
            "whether the first text ends with the second",
            lambda text, part: text.str.ends_with(part),
        ),
        Function(
            "contains",
            ("string", "string"),
            "boolean",
            "whether the first text holds the second",
            lambda text, part: text.str.contains(part, literal=True),
        ),
    )
}
"""Those that take ordinary values; `coalesce`, `regexp_like`, `attribute` and `resource` have rules of their own."""


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)

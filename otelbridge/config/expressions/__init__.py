"""Conditions: SQL boolean expressions over the columns of spans, compiled once to polars.

A rule says `db.system.name IS NOT NULL AND duration_ms > 500` because SQL is what people know; a word in dots is one
column. NULL behaves as in SQL, and a condition that comes out as NULL does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from sqlglot import exp

from otelbridge.config.expressions.calls import CALLS
from otelbridge.config.expressions.compiler import Compiler
from otelbridge.config.expressions.functions import FUNCTIONS, Function
from otelbridge.config.expressions.operators import OPERATORS
from otelbridge.config.expressions.syntax import parse_syntax
from otelbridge.config.expressions.terms import attribute_column
from otelbridge.core.schema import Column

__all__ = ["FUNCTIONS", "Condition", "ConditionText", "Function", "column_names", "parse"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was checked against the columns.

    Attributes:
        text: as the user wrote it.
        expression: Boolean, never null, one value a row; needs `columns` in the frame, in their declared types.
        columns: what it reads. `attribute:K` and `resource:K` (String) are attributes asked for by name.
    """

    text: str
    expression: pl.Expr = field(compare=False, repr=False)
    columns: frozenset[str]


class ConditionText(str):
    """A setting that holds a condition; it is checked as soon as the columns in its place are known."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """A string, kept as a ConditionText."""
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def parse(text: str, columns: Mapping[str, Column]) -> Condition:
    """What `text` says over `columns`. Raises ConfigProblem, with offsets into the text, and nothing else."""
    tree = parse_syntax(text)
    compiler = Compiler(columns, {**OPERATORS, **CALLS})
    expression = compiler.condition(tree)
    return Condition(text, expression, frozenset(compiler.used))


def column_names(text: str) -> frozenset[str]:
    """The columns that `text` names, whether or not they exist. Raises ConfigProblem when it is not a condition."""
    names = set()
    for node in parse_syntax(text).walk():
        if isinstance(node, exp.Column):
            names.add(node.name)
        elif isinstance(node, exp.Anonymous) and (name := attribute_column(node)) is not None:
            names.add(name)
    return frozenset(names)

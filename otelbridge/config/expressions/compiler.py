"""Syntax tree to polars expression: a visitor over the node types that conditions may have.

Whatever has no handler is refused, and so is every part of a node that its handler does not read: a condition either
means what SQL says or is an error with a place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl
from sqlglot import exp

from otelbridge.config.expressions.functions import Kind
from otelbridge.config.expressions.syntax import span
from otelbridge.config.expressions.terms import Term
from otelbridge.config.problems import ConfigProblem
from otelbridge.core.schema import Column

MAX_TREE_DEPTH = 64  # `a + b + c ...` makes a deep tree without any nesting in the text

_REFUSED: Mapping[type[exp.Expression], str] = {
    exp.Null: "nothing equals NULL; write IS NULL or IS NOT NULL",
    exp.Star: "`*` stands for no column here",
    exp.Tuple: "a list of values stands behind IN only",
    exp.Concat: "two texts in a row; put an operator between them",
}
_COMPUTED = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Anonymous)


class Compiler:
    """Compiles one condition over `columns`; `used` then holds those it reads."""

    def __init__(self, columns: Mapping[str, Column], handlers: Mapping[type[exp.Expression], Handler]) -> None:
        self.columns = columns
        self.used: set[str] = set()
        self._handlers = handlers
        self._depth = 0

    def condition(self, tree: exp.Expression) -> pl.Expr:
        """One Boolean a row, never null."""
        expression = self.boolean(tree).fill_null(value=False)
        if self.used and not any(isinstance(node, _COMPUTED) for node in tree.walk()):
            return expression
        # A constant has one value, whatever the height of the frame; so has, in polars 2.1, a literal combined with a
        # computed column that is null in every row.
        return expression & pl.repeat(value=True, n=pl.len())

    def term(self, node: exp.Expression) -> Term:
        """The value of a node, of any kind."""
        handler = self._handlers.get(type(node))
        if handler is None:
            raise problem(node, _REFUSED.get(type(node), "this is no part of conditions"))
        if any(value and name not in handler.parts for name, value in node.args.items()):
            raise problem(node, "this form is no part of conditions")
        self._depth += 1
        if self._depth > MAX_TREE_DEPTH:
            raise problem(node, f"more than {MAX_TREE_DEPTH} operations depend on each other")
        term = handler.compile(self, node)
        self._depth -= 1
        return term

    def boolean(self, node: exp.Expression) -> pl.Expr:
        """The value of a node that must be true or false."""
        term = self.term(node)
        if term.kind != "boolean":
            raise problem(node, f"a {term.kind} where something true or false is needed; compare it with something")
        return term.expression

    def of_kind(self, node: exp.Expression, kind: Kind) -> Term:
        """The value of a node that must be of one kind."""
        term = self.term(node)
        if term.kind != kind:
            hint = "; number(...) reads a text as a number" if (term.kind, kind) == ("string", "number") else ""
            raise problem(node, f"a {term.kind} where a {kind} is needed{hint}")
        return term


class Handler(NamedTuple):
    """How a node type is compiled, and the parts of the node that are looked at."""

    compile: Callable[[Compiler, exp.Expression], Term]
    parts: frozenset[str]


def handler(compile_: Callable[[Compiler, exp.Expression], Term], parts: str = "this expression") -> Handler:
    """A row of a table of handlers; parts are separated by blanks."""
    return Handler(compile_, frozenset(parts.split()))


def problem(node: exp.Expression, message: str) -> ConfigProblem:
    """A mistake at a node."""
    return ConfigProblem(message, *span(node))

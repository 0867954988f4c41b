"""Values, logic, comparison and arithmetic of conditions.

Numbers are compared as they are; arithmetic is done in Float64, where nothing overflows, and dividing by zero is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import polars as pl
from sqlglot import exp

from otelbridge.config.expressions.compiler import Compiler, Handler, handler, problem
from otelbridge.config.expressions.syntax import quoted
from otelbridge.config.expressions.terms import Term, kind_of, number, read, string_literal, word
from otelbridge.config.problems import did_you_mean


def column(compiler: Compiler, node: exp.Expression) -> Term:
    """A column by its name."""
    name = node.name
    found = compiler.columns.get(name)
    if found is None:
        hint = did_you_mean(name, (quoted(known) for known in compiler.columns))
        raise problem(node, f"unknown column `{name}`{hint or '; attribute(...) reads an attribute by its name'}")
    kind = kind_of(found)
    if kind is None:
        raise problem(node, f"column `{name}` cannot be used in a condition")
    compiler.used.add(name)
    return read(found, kind)


def literal(_compiler: Compiler, node: exp.Expression) -> Term:
    """Text or a number, as written."""
    if node.args.get("is_string"):
        return Term(pl.lit(node.name, dtype=pl.String), "string", literal=node.name)
    value = number(node.name)
    if value is None:
        raise problem(node, f"`{node.name}` is not a number")
    return Term(pl.lit(value), "number", literal=value)


def truth(_compiler: Compiler, node: exp.Expression) -> Term:
    """TRUE or FALSE."""
    return Term(pl.lit(bool(node.this)), "boolean")


def paren(compiler: Compiler, node: exp.Expression) -> Term:
    """( ... )."""
    return compiler.term(node.this)


def connector(compiler: Compiler, node: exp.Expression) -> Term:
    """AND, OR: chains are joined pairwise, so that a hundred terms make a shallow tree."""
    parts = [compiler.boolean(part) for part in _chain(node)]
    join = pl.Expr.__and__ if isinstance(node, exp.And) else pl.Expr.__or__
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [join(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return Term(parts[0], "boolean")


def negation(compiler: Compiler, node: exp.Expression) -> Term:
    """NOT."""
    return Term(~compiler.boolean(node.this), "boolean")


def is_null(compiler: Compiler, node: exp.Expression) -> Term:
    """IS NULL, IS TRUE, IS FALSE: the only tests that NULL does not pass through."""
    right = node.args["expression"]
    if isinstance(right, exp.Null):
        return Term(compiler.term(node.this).expression.is_null(), "boolean")
    if isinstance(right, exp.Boolean):
        value = compiler.boolean(node.this)
        return Term((value if right.this else ~value).fill_null(value=False), "boolean")
    raise problem(right, "IS is followed by NULL, TRUE or FALSE; compare values with =")


def comparison(compiler: Compiler, node: exp.Expression) -> Term:
    """=, <>, <, <=, >, >=."""
    equality = isinstance(node, (exp.EQ, exp.NEQ))
    left, right = _alike(compiler.term(node.this), compiler.term(node.args["expression"]), node, equality)
    return Term(_COMPARISONS[type(node)](left.expression, right.expression), "boolean")


def between(compiler: Compiler, node: exp.Expression) -> Term:
    """BETWEEN low AND high, both included."""
    value = compiler.term(node.this)
    low, high = (compiler.term(node.args[bound]) for bound in ("low", "high"))
    for bound in (low, high):
        _alike(value, bound, node, equality=False)
    inside = (value.expression >= low.expression) & (value.expression <= high.expression)
    return Term(inside, "boolean")


def membership(compiler: Compiler, node: exp.Expression) -> Term:
    """IN (value, ...)."""
    items = node.args.get("expressions") or []
    if not items:
        raise problem(node, "IN is followed by values in parentheses")
    value = compiler.term(node.this)
    values = [_alike(value, compiler.term(item), item, equality=True)[1].literal for item in items]
    if None in values:
        raise problem(items[values.index(None)], "the list of IN holds plain values; use OR for anything else")
    whole = all(isinstance(one, int) for one in values)
    number_type = pl.Int64 if whole and not value.fractional else pl.Float64
    dtype = pl.String if value.kind == "string" else number_type
    return Term(value.expression.cast(dtype).is_in(pl.Series(values, dtype=dtype).implode()), "boolean")


def arithmetic(compiler: Compiler, node: exp.Expression) -> Term:
    """+, -, *, /."""
    sides = (node.this, node.args["expression"])
    left, right = (compiler.of_kind(side, "number").expression.cast(pl.Float64) for side in sides)
    if isinstance(node, exp.Div):
        right = pl.when(right != 0).then(right)
    return Term(_ARITHMETIC[type(node)](left, right), "number", fractional=True)


def minus(compiler: Compiler, node: exp.Expression) -> Term:
    """A sign."""
    term = compiler.of_kind(node.this, "number")
    if isinstance(term.literal, (int, float)):
        return Term(pl.lit(-term.literal), "number", literal=-term.literal)
    return Term(-term.expression.cast(pl.Float64), "number", fractional=True)


def _alike(left: Term, right: Term, node: exp.Expression, equality: bool) -> tuple[Term, Term]:
    """Both sides, if they can be compared; words turned into the numbers they stand for."""
    left, right = _spelled(left, right, node, equality), _spelled(right, left, node, equality)
    if "id" in (left.kind, right.kind):
        raise problem(node, "an id can be tested with IS NULL only")
    if left.kind != right.kind:
        raise problem(node, f"a {left.kind} is compared with a {right.kind}{_number_hint(left, right)}")
    if left.kind == "boolean" and not equality:
        raise problem(node, "true and false have no order")
    return left, right


def _spelled(term: Term, other: Term, node: exp.Expression, equality: bool) -> Term:
    if other.words is None or not isinstance(term.literal, str):
        return term
    if not equality:
        raise problem(node, "words have no order; use = or IN")
    if term.literal not in other.words:
        known = ", ".join(f"'{name}'" for name in other.words)
        raise problem(node, f"it is never {string_literal(term.literal)}, it is one of {known}")
    return word(term.literal, other.words)


def _number_hint(left: Term, right: Term) -> str:
    if {left.kind, right.kind} == {"string", "number"} and left.literal is None and right.literal is None:
        return "; number(...) reads a text as a number"
    return ""


def _chain(node: exp.Expression) -> Iterable[exp.Expression]:
    """`a AND b AND c` as a, b, c, without recursion: sqlglot nests them to the left."""
    parts, current = [], node
    while type(current) is type(node):
        parts.append(current.args["expression"])
        current = current.this
    return (current, *reversed(parts))


_Operation = Callable[[pl.Expr, pl.Expr], pl.Expr]
_COMPARISONS: Mapping[type[exp.Expression], _Operation] = {
    exp.EQ: pl.Expr.__eq__,
    exp.NEQ: pl.Expr.__ne__,
    exp.LT: pl.Expr.__lt__,
    exp.LTE: pl.Expr.__le__,
    exp.GT: pl.Expr.__gt__,
    exp.GTE: pl.Expr.__ge__,
}
_ARITHMETIC: Mapping[type[exp.Expression], _Operation] = {
    exp.Add: pl.Expr.__add__,
    exp.Sub: pl.Expr.__sub__,
    exp.Mul: pl.Expr.__mul__,
    exp.Div: pl.Expr.__truediv__,
}
OPERATORS: Mapping[type[exp.Expression], Handler] = {
    exp.Column: handler(column, "this"),
    exp.Literal: handler(literal, "this is_string"),
    exp.Boolean: handler(truth, "this"),
    exp.Paren: handler(paren, "this"),
    exp.And: handler(connector),
    exp.Or: handler(connector),
    exp.Not: handler(negation, "this"),
    exp.Is: handler(is_null),
    exp.Between: handler(between, "this low high"),
    exp.In: handler(membership, "this expressions"),
    exp.Neg: handler(minus, "this"),
    **{node: handler(comparison) for node in _COMPARISONS},
    # `typed` and `safe` say how other dialects divide; ours always divides as floats
    **{node: handler(arithmetic, "this expression typed safe") for node in _ARITHMETIC},
}

"""Functions and text matching of conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl
from sqlglot import exp

from otelbridge.config.expressions import patterns
from otelbridge.config.expressions.compiler import Compiler, Handler, handler, problem
from otelbridge.config.expressions.functions import FUNCTIONS
from otelbridge.config.expressions.terms import Term, attribute_column
from otelbridge.config.problems import did_you_mean


def like(compiler: Compiler, node: exp.Expression, escape: str | None = None) -> Term:
    """[NOT] LIKE, [NOT] ILIKE."""
    text = compiler.of_kind(node.this, "string").expression
    pattern = _text(node.args["expression"], "a pattern")
    ignore_case = isinstance(node, exp.ILike)
    try:
        matches = text.str.contains(patterns.like(pattern, escape, ignore_case=ignore_case))
    except patterns.BadPattern as error:
        raise problem(node, str(error)) from None
    return Term(~matches if node.args.get("negate") else matches, "boolean")


def escape(compiler: Compiler, node: exp.Expression) -> Term:
    """LIKE ... ESCAPE 'c'."""
    if not isinstance(node.this, (exp.Like, exp.ILike)):
        raise problem(node, "ESCAPE belongs to LIKE")
    return like(compiler, node.this, _text(node.args["expression"], "ESCAPE"))


def matches(compiler: Compiler, node: exp.Expression) -> Term:
    """`~`: whether a regular expression is found anywhere in the text."""
    return _regex(compiler, node.this, node.args["expression"])


def call(compiler: Compiler, node: exp.Expression) -> Term:
    """A function."""
    name, arguments = str(node.this).lower(), node.expressions
    if name in _SPECIAL:
        return _SPECIAL[name](compiler, node)
    function = FUNCTIONS.get(name)
    if function is None:
        raise problem(node, f"unknown function `{name}`{did_you_mean(name, (*FUNCTIONS, *_SPECIAL))}")
    _expect(node, name, len(function.parameters))
    terms = [compiler.of_kind(*pair).expression for pair in zip(arguments, function.parameters, strict=True)]
    return Term(function.build(*terms), function.result, fractional=name != "length")


def attribute(compiler: Compiler, node: exp.Expression) -> Term:
    """Any attribute of the span, or of its resource, by its name and as text."""
    name = attribute_column(node)
    if name is None:
        raise problem(node, "this function takes one attribute name in single quotes")
    compiler.used.add(name)
    return Term(pl.col(name).cast(pl.String), "string")


def coalesce(compiler: Compiler, node: exp.Expression) -> Term:
    """The first argument that is not NULL."""
    if not node.expressions:
        raise problem(node, "coalesce takes at least one value")
    first, *others = [compiler.term(argument) for argument in node.expressions]
    for other, argument in zip(others, node.expressions[1:], strict=True):
        if other.kind != first.kind:
            raise problem(argument, f"a {other.kind} where a {first.kind} is needed")
    fractional = any(term.fractional or isinstance(term.literal, float) for term in (first, *others))
    return Term(pl.coalesce(term.expression for term in (first, *others)), first.kind, fractional=fractional)


def regexp_like(compiler: Compiler, node: exp.Expression) -> Term:
    """`~` by its other name."""
    _expect(node, "regexp_like", 2)
    return _regex(compiler, *node.expressions)


def _regex(compiler: Compiler, text: exp.Expression, pattern: exp.Expression) -> Term:
    value = compiler.of_kind(text, "string").expression
    try:
        return Term(value.str.contains(patterns.check(_text(pattern, "a regular expression"))), "boolean")
    except patterns.BadPattern as error:
        raise problem(pattern, str(error)) from None


def _text(node: exp.Expression, what: str) -> str:
    if isinstance(node, exp.Literal) and node.args.get("is_string"):
        return node.name
    raise problem(node, f"{what} is a text in single quotes")


def _expect(node: exp.Expression, name: str, count: int) -> None:
    if len(node.expressions) != count:
        values = "1 value" if count == 1 else f"{count} values"
        raise problem(node, f"{name} takes {values}, not {len(node.expressions)}")


_SPECIAL: Mapping[str, Callable[[Compiler, exp.Expression], Term]] = {
    "attribute": attribute,
    "resource": attribute,
    "coalesce": coalesce,
    "regexp_like": regexp_like,
}
CALLS: Mapping[type[exp.Expression], Handler] = {
    exp.Anonymous: handler(call, "this expressions"),
    exp.Like: handler(like, "this expression negate"),
    exp.ILike: handler(like, "this expression negate"),
    exp.Escape: handler(escape),
    exp.RegexpLike: handler(matches),
}

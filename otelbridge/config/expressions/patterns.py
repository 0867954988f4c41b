"""LIKE and regular expressions: checked when the configuration is loaded, so that no batch can fail on one."""

from __future__ import annotations

import re

import polars as pl


class BadPattern(ValueError):
    """Not a pattern; the text says why."""


def like(pattern: str, escape: str | None, *, ignore_case: bool) -> str:
    """A LIKE pattern as a regular expression: `%` is any text, `_` any character, `escape` takes their meaning away."""
    if escape is not None and len(escape) != 1:
        raise BadPattern("ESCAPE takes one character")
    parts = ["(?is)^" if ignore_case else "(?s)^"]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            literal = next(characters, None)
            if literal is None:
                raise BadPattern("the pattern ends with its escape character")
            parts.append(re.escape(literal))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return "".join((*parts, "$"))


def check(pattern: str) -> str:
    """The pattern, if polars' engine (Rust's regex: linear time, no look-around) takes it. Raises BadPattern."""
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.ComputeError as error:
        raise BadPattern(_reason(str(error))) from None
    return pattern


def _reason(text: str) -> str:
    """The one line of the engine's report that says why."""
    for line in text.splitlines():
        if line.startswith("error: "):
            return f"not a regular expression: {line.removeprefix('error: ')}"
    first = text.splitlines()[0] if text else ""
    return f"not a regular expression: {first.removeprefix('regex error: ')}"

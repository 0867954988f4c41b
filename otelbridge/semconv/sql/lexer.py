"""Cut a SQL text into tokens of which none is a literal or a comment.

Tokens are plain strings in a list: the whole statement is cut by one call into the regular expression engine, which
is what makes 50 us for a statement possible.
"""

import re

from otelbridge.semconv.sql.dialects import Dialect

HIDDEN = "?"
"""What stands for a literal, a placeholder or a variable."""

# What is hidden and begins like this is a comment: neither strings nor signed numbers do.
_COMMENTS = ("--", "/*", "#")
# Only a name can stand behind these words.
_BEFORE_A_NAME = frozenset(["from", "join", "into", "update", "table"])
_BEFORE_A_VALUE = frozenset(["=", "<", ">", "like", "glob", "ilike"])
_BEFORE_A_LIST = frozenset(["in", "values"])


def lex(text: str, dialect: Dialect) -> tuple[list[str], list[str]]:
    """Cut a text without leading blanks into its tokens and the blanks behind each of them.

    Literals and placeholders of all styles are HIDDEN tokens; comments are gone, and where one separated two words a
    blank does now. A quoted or qualified name (`"public"."User"`) is one token.
    """
    if dialect.lexer_of_strings is None or '"' not in text:
        return _cut(text, dialect.lexer)
    tokens, gaps = _cut(text, dialect.lexer)
    if _hide_double_quoted_values(tokens):
        return tokens, gaps
    return _cut(text, dialect.lexer_of_strings)


def _cut(text: str, lexer: re.Pattern[str]) -> tuple[list[str], list[str]]:
    tokens: list[str] = []
    gaps: list[str] = []
    for kept, hidden, _, other, gap in lexer.findall(text):
        if kept:
            tokens.append(kept)
            gaps.append(gap)
        elif not hidden.startswith(_COMMENTS):
            tokens.append(other or HIDDEN)
            gaps.append(gap)
        elif gaps:
            gaps[-1] = gaps[-1] + gap or " "
    return tokens, gaps


def _hide_double_quoted_values(tokens: list[str]) -> bool:
    """Hide a double-quoted token where a value is expected: SQLite and MySQL take it for a string there.

    The price is that `"a" = "b"` of two unqualified columns loses the second one; qualified names are safe. False
    when no double-quoted token stands where only a name can stand: then all of them are strings.
    """
    any_is_a_name = False
    for index, token in enumerate(tokens):
        if token[0] == '"':
            previous = tokens[index - 1].lower() if index else ""
            before = tokens[index - 2].lower() if index > 1 else ""
            if previous in _BEFORE_A_NAME:
                any_is_a_name = True
            elif not ('".' in token or '."' in token) and _is_value(before, previous):
                tokens[index] = HIDDEN
    return any_is_a_name


def _is_value(before: str, previous: str) -> bool:
    in_list = (previous == "(" and before in _BEFORE_A_LIST) or (previous == "," and before == HIDDEN)
    return in_list or previous in _BEFORE_A_VALUE

"""Text to syntax tree: a dialect of our own, as small as the language of conditions.

sqlglot reads whole SQL in thirty dialects. This one knows a dozen keywords, so that `release`, `user` or `full` are
names and no statement, cast or subquery can be written at all; and it makes `db.system.name` one name instead of a
column of a table of a schema.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from otelbridge.config.problems import ConfigProblem

# The parser descends some 23 Python frames per nested function call: 16 levels stay far from the interpreter's limit
# of 1,000 wherever we are called from, and the bounds on length keep a hostile condition at a few milliseconds.
MAX_DEPTH = 16
MAX_TOKENS = 2_000
MAX_CHARACTERS = 16_384

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NAMES = {TokenType.VAR, TokenType.IDENTIFIER}
_PREFIXES = {TokenType.NOT, TokenType.DASH, TokenType.PLUS}
_OPERANDS = {
    *_NAMES,
    TokenType.NUMBER,
    TokenType.STRING,
    TokenType.R_PAREN,
    TokenType.NULL,
    TokenType.TRUE,
    TokenType.FALSE,
}

_KEYWORDS = {
    "AND": TokenType.AND,
    "OR": TokenType.OR,
    "NOT": TokenType.NOT,
    "IS": TokenType.IS,
    "NULL": TokenType.NULL,
    "IN": TokenType.IN,
    "BETWEEN": TokenType.BETWEEN,
    "LIKE": TokenType.LIKE,
    "ILIKE": TokenType.ILIKE,
    "ESCAPE": TokenType.ESCAPE,
    "TRUE": TokenType.TRUE,
    "FALSE": TokenType.FALSE,
    "<>": TokenType.NEQ,
    "!=": TokenType.NEQ,
    "<=": TokenType.LTE,
    ">=": TokenType.GTE,
}


class ConditionDialect(Dialect):
    """The keywords and operators of conditions, and none else."""

    class Tokenizer(tokens.Tokenizer):
        """Quotes and numbers as in standard SQL; no comments."""

        KEYWORDS = _KEYWORDS
        COMMENTS = []  # noqa: RUF012  # sqlglot declares it as an instance's list
        SINGLE_TOKENS = {  # noqa: RUF012  # as above
            "(": TokenType.L_PAREN,
            ")": TokenType.R_PAREN,
            ",": TokenType.COMMA,
            ".": TokenType.DOT,
            "-": TokenType.DASH,
            "+": TokenType.PLUS,
            "*": TokenType.STAR,
            "/": TokenType.SLASH,
            "=": TokenType.EQ,
            "<": TokenType.LT,
            ">": TokenType.GT,
            "~": TokenType.RLIKE,
            "'": TokenType.UNKNOWN,
            '"': TokenType.UNKNOWN,
        }

    class Parser(parser.Parser):
        """Every call stays what was written: no function has a grammar of its own."""

        FUNCTIONS = {}  # noqa: RUF012  # sqlglot declares them so
        NO_PAREN_FUNCTIONS = {}  # noqa: RUF012  # as above
        FUNCTION_PARSERS = {}  # noqa: RUF012  # as above
        NO_PAREN_FUNCTION_PARSERS = {}  # noqa: RUF012  # as above


def parse_syntax(text: str) -> exp.Expression:
    """The syntax tree of a condition, its names joined over dots. Raises ConfigProblem."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigProblem(f"a condition has at most {MAX_CHARACTERS:,} characters, this one has {len(text):,}")
    merged = _join_names(_tokenize(text))
    _check(merged)
    try:
        trees = ConditionDialect().parser().parse_into(exp.Condition, merged, text)
    except ParseError as error:
        raise _explain(error, merged, text) from None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expression):
        raise ConfigProblem("the condition is empty; write `TRUE` for one that always holds")
    return tree


def span(node: exp.Expression) -> tuple[int, int]:
    """Offsets in the text of everything below a node; NULL has none of its own, so what holds it counts then."""
    metas = [below.meta for below in node.walk() if "start" in below.meta]
    if not metas:
        return span(node.parent) if isinstance(node.parent, exp.Expression) else (0, 1)
    return min(meta["start"] for meta in metas), max(meta["end"] for meta in metas) + 1


def quoted(name: str) -> str:
    """A column's name as it is written in a condition."""
    plain = all(_WORD.match(part) for part in name.split(".")) and name.split(".")[0].upper() not in _KEYWORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


def _tokenize(text: str) -> list[Token]:
    if "\x00" in text:  # the tokenizer takes it for the end of the text
        raise ConfigProblem("unexpected character U+0000", text.index("\x00"))
    try:
        found = ConditionDialect().tokenize(text)
    except TokenError:
        # Quotes are all that can fail: everything else is made into a token.
        raise ConfigProblem("a quote is opened and never closed", *_open_quote(text)) from None
    if len(found) > MAX_TOKENS:
        raise ConfigProblem(f"a condition has at most {MAX_TOKENS:,} words and signs, this one has {len(found):,}")
    return found


def _open_quote(text: str) -> tuple[int, int]:
    opened: int | None = None
    for position, character in enumerate(text):
        if opened is None and character in "'\"":
            opened = position
        elif opened is not None and character == text[opened]:
            opened = None
    return opened or 0, len(text)


def _join_names(found: Sequence[Token]) -> list[Token]:
    """`db`, `.`, `system` as one quoted name; what follows a dot may be a keyword (`a.in`)."""
    joined: list[Token] = []
    position = 0
    while position < len(found):
        token = found[position]
        position += 1
        if token.token_type in _NAMES:
            parts, last = [token.text], token
            _check_word(token)
            while position + 1 < len(found) and found[position].token_type == TokenType.DOT:
                if not _may_follow_dot(found[position + 1]):
                    break
                last = found[position + 1]
                parts.append(last.text)
                position += 2
            # A bare word before a parenthesis stays a word: it names a function.
            if len(parts) > 1 or token.token_type == TokenType.VAR:
                kind = TokenType.IDENTIFIER if len(parts) > 1 else token.token_type
                token = Token(kind, ".".join(parts), token.line, token.col, token.start, last.end)
        joined.append(token)
    return joined


def _may_follow_dot(token: Token) -> bool:
    return token.token_type == TokenType.IDENTIFIER or _WORD.match(token.text) is not None


def _check_word(token: Token) -> None:
    if token.token_type == TokenType.VAR and not _WORD.match(token.text):
        odd = next((i for i in range(len(token.text)) if not _WORD.match(token.text[: i + 1])), 0)
        message = f"unexpected `{token.text[odd]}`; names with other characters are written in double quotes"
        raise ConfigProblem(message, token.start + odd)


def _check(found: Sequence[Token]) -> None:
    """Bound the depth of the tree before the parser descends into it."""
    prefixes = [0]  # signs that wait for their operand, per open parenthesis
    previous: Token | None = None
    for token in found:
        kind = token.token_type
        if kind == TokenType.L_PAREN:
            prefixes.append(0)
        elif kind == TokenType.R_PAREN and len(prefixes) > 1:
            prefixes.pop()
        elif kind in {TokenType.AND, TokenType.OR, TokenType.COMMA}:
            prefixes[-1] = 0
        elif kind in _PREFIXES and (previous is None or previous.token_type not in _OPERANDS):
            prefixes[-1] += 1
        if len(prefixes) - 1 + sum(prefixes) > MAX_DEPTH:
            raise ConfigProblem(f"nested more than {MAX_DEPTH} levels deep", token.start, token.end + 1)
        previous = token


def _explain(error: ParseError, found: Sequence[Token], text: str) -> ConfigProblem:
    """The parser's complaint in our words, at the token it stopped at."""
    details = error.errors[0] if error.errors else {}
    stopped = _token_at(details, found)
    start, end = (stopped.start, stopped.end + 1) if stopped else (max(len(text) - 1, 0), len(text))
    shown = text[start:end]
    description = str(details.get("description"))
    if "Required keyword" in description:
        message = f"incomplete: a value is missing at `{shown}`"
    elif description.startswith("Expecting )") and stopped is found[-1]:
        message = "a parenthesis is opened and never closed"
    else:
        message = f"unexpected `{shown}`"
    return ConfigProblem(message, start, end)


def _token_at(details: dict[str, object], found: Sequence[Token]) -> Token | None:
    matches = (token for token in found if (token.line, token.col) == (details.get("line"), details.get("col")))
    return next(matches, None)

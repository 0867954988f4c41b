"""Nothing that could be a value, and no comment, survives; whatever the text is, and wherever it was cut off."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelbridge.semconv.sql import MAX_ANALYSED_CHARS, Statement, analyse

WORD = "zqxjkv"  # the secrets: no keyword, name or number of the templates contains three characters of them in a row
NUMBER = "7391846"


def left_of_the_secrets(statement: Statement) -> list[str]:
    shown = " ".join((statement.text, statement.summary, statement.operation or "", *statement.tables)).lower()
    pieces = [secret[at : at + 3] for secret in (WORD, NUMBER) for at in range(len(secret) - 2)]
    return [piece for piece in pieces if piece in shown]


def doubled(quote: str, prefix: str = "") -> Callable[[str], str]:
    return lambda value: f"{prefix}{quote}{value.replace(quote, quote * 2)}{quote}"


def backslashed(quote: str, prefix: str = "") -> Callable[[str], str]:
    return lambda value: f"{prefix}{quote}{value.replace(chr(92), chr(92) * 2).replace(quote, chr(92) + quote)}{quote}"


def dollar_quoted(tag: str) -> Callable[[str], str]:
    return lambda value: f"${tag}${value.replace('$', '')}${tag}$"


def oracle_quoted(opening: str, closing: str) -> Callable[[str], str]:
    return lambda value: f"q'{opening}{value.replace(closing, '')}{closing}'"


def block_comment(value: str) -> str:
    return f"/* {value.replace('*', '').replace('/', '')} */"


def nested_comment(value: str) -> str:
    return f"/* a {block_comment(value)} {value.replace('*', '').replace('/', '')} */"


def line_comment(opening: str) -> Callable[[str], str]:
    return lambda value: f"{opening} {value.replace(chr(10), '')}\n"


@dataclass(frozen=True)
class Writing:
    """How one database system lets its users write values and comments."""

    system: str | None
    strings: tuple[Callable[[str], str], ...]
    comments: tuple[Callable[[str], str], ...] = (block_comment, line_comment("--"))


WRITINGS = (
    Writing(
        "postgresql",
        (
            doubled("'"),
            doubled("'", "N"),
            doubled("'", "U&"),
            backslashed("'", "E"),
            dollar_quoted(""),
            dollar_quoted("t"),
        ),
        (block_comment, line_comment("--"), nested_comment),
    ),
    Writing(
        "mysql",
        (backslashed("'"), backslashed('"'), backslashed("'", "_utf8mb4"), backslashed("'", "n")),
        (block_comment, line_comment("--"), line_comment("#")),
    ),
    Writing("sqlite", (doubled("'"), doubled("'", "x"), doubled('"'))),
    Writing(
        "microsoft.sql_server",
        (doubled("'"), doubled("'", "N")),
        (block_comment, line_comment("--"), nested_comment),
    ),
    Writing("oracle.db", (doubled("'"), doubled("'", "n"), oracle_quoted("[", "]"), oracle_quoted("!", "!"))),
    # Nobody says which product it is, so it can be any of them.
    Writing(
        None,
        (
            doubled("'"),
            backslashed("'"),
            backslashed("'", "e"),
            dollar_quoted("t"),
            oracle_quoted("(", ")"),
            doubled('"'),
        ),
        (block_comment, line_comment("--"), line_comment("#"), nested_comment),
    ),
)
# `{}` is a value; a comment may stand for any blank.
TEMPLATES = (
    "SELECT * FROM t WHERE b = {} AND c IN ({}, {}) ORDER BY d LIMIT 5",
    "SELECT CASE WHEN a = {} THEN 1 END FROM t JOIN u ON t.a = u.a WHERE t.b <> {} AND t.c LIKE {}",
    "INSERT INTO t (a, b) VALUES ({}, {}), ({}, {})",
    "INSERT INTO t (a) SELECT a FROM u WHERE b >= {} ON CONFLICT (a) DO UPDATE SET a = {}",
    "UPDATE t SET a = {}, b = b + 1 WHERE c = {}",
    "DELETE FROM t WHERE a = (SELECT max(a) FROM u WHERE b = {})",
    "WITH c AS (SELECT a FROM t WHERE b = {}) SELECT * FROM c WHERE x = {}",
    'SELECT "a" FROM "t" WHERE "t"."b" = {} AND "t"."c" IN ({}, {})',
    'INSERT INTO "t" ("a", "b") VALUES ({}, {})',
    "SET x = {}",
    "MERGE INTO t USING (SELECT a FROM u WHERE b = {}) s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = {}",
)
# What a lexer could trip over within a value.
TRICKY = (
    "'", '"', "`", "[", "]", "\\", "--", "/*", "*/", "#", "$", "$$", "$t$", "?", ";", "\n", "(", ")", ",", "''", "\\'",
    " FROM x ", " -- ", "%s", ":a", "é", "😀", "\u3000", "\x00", "q'[", "1",
)  # fmt: skip

values = st.lists(st.sampled_from((*TRICKY, WORD, NUMBER)), max_size=6).map(lambda parts: WORD + "".join(parts) + WORD)
numbers = st.sampled_from(
    [NUMBER, f"-{NUMBER}", f"+{NUMBER}.{NUMBER}", f".{NUMBER}e-{NUMBER}", f"0x{NUMBER}", f"{NUMBER}L"]
)


@st.composite
def statements(draw: st.DrawFn) -> tuple[str, str | None]:
    writing = draw(st.sampled_from(WRITINGS))
    literals = st.one_of(
        numbers, st.builds(lambda write, value: write(value), st.sampled_from(writing.strings), values)
    )
    text = draw(st.sampled_from(TEMPLATES))
    words = text.split(" ")
    for at in draw(st.lists(st.integers(0, len(words) - 1), max_size=2)):
        comment = draw(st.sampled_from(writing.comments))(draw(values))
        words[at] = f"{comment.replace('{', '').replace('}', '')} {words[at]}"
    text = " ".join(words)
    return text.format(*(draw(literals) for _ in range(text.count("{}")))), writing.system


@settings(max_examples=400, deadline=None)
@given(statements())
def test_no_value_and_no_comment_survives(statement: tuple[str, str | None]) -> None:
    text, system = statement
    assert not left_of_the_secrets(analyse(text, system)), text


@settings(max_examples=200, deadline=None)
@given(statements(), st.data())
def test_nothing_survives_where_a_text_was_cut_off(statement: tuple[str, str | None], data: st.DataObject) -> None:
    text, system = statement
    cut = text[: data.draw(st.integers(0, len(text)))]
    assert not left_of_the_secrets(analyse(cut, system)), cut


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TEMPLATES), st.sampled_from(WRITINGS[:-1]), st.data())
def test_statements_that_differ_in_their_values_are_equal(template: str, writing: Writing, data: st.DataObject) -> None:
    def written() -> str:
        literals = st.one_of(
            numbers, st.builds(lambda write, value: write(value), st.sampled_from(writing.strings[:1]), values)
        )
        return template.format(*(data.draw(literals) for _ in range(template.count("{}"))))

    assert analyse(written(), writing.system) == analyse(written(), writing.system)


@pytest.mark.parametrize("writing", WRITINGS, ids=lambda writing: str(writing.system))
def test_no_value_survives_at_the_limit(writing: Writing) -> None:
    values_of_all_kinds = ", ".join([NUMBER, *(write(WORD) for write in writing.strings)])
    filler = "SELECT a FROM t WHERE b IN (" + f"{values_of_all_kinds}, " * (
        MAX_ANALYSED_CHARS // len(values_of_all_kinds)
    )
    for shift in range(0, len(values_of_all_kinds), 5):  # so that the limit falls everywhere within the values
        assert not left_of_the_secrets(analyse(" " * shift + filler, writing.system))


def test_the_remainder_of_a_long_text_is_not_looked_at() -> None:
    text = f"SELECT a FROM t WHERE b = {'1' * MAX_ANALYSED_CHARS} AND zqxjkv = 1"
    assert analyse(text) == analyse("SELECT a FROM t WHERE b = 1")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(st.characters(exclude_categories=()), max_size=200),  # surrogates too
        st.lists(
            st.sampled_from((*TRICKY, "SELECT ", "FROM ", "IN (", "VALUES (", "WITH ", "SET ", "CREATE ", "true"))
        ).map("".join),
    ),
    st.sampled_from([writing.system for writing in WRITINGS]),
)
def test_any_text_gives_a_statement(text: str, system: str | None) -> None:
    statement = analyse(text, system)
    assert 0 <= statement.fingerprint < 2**64
    assert len(statement.summary) <= 255


HOSTILE = [
    "'", '"', "`", "[", "(", "$a$", "/*", "--", "\\'", "''", "q'[", "IN (", "IN ((", "IN (?,", "VALUES (", "VALUES (),",
    "VALUES ()", ".", "a.", '"a".', "1.", "%(", "@", ":", "FROM (", "WITH a AS (", "SET ", "ARRAY[", '"a""', "é",
]  # fmt: skip


@pytest.mark.parametrize("writing", WRITINGS, ids=lambda writing: str(writing.system))
def test_no_text_takes_more_than_linear_time(writing: Writing) -> None:
    """CPU time, so a busy machine does no harm: linear is 5 to 50 ms here, anything quadratic is seconds."""
    for fragment in HOSTILE:
        text = (fragment * MAX_ANALYSED_CHARS)[:MAX_ANALYSED_CHARS]
        started = time.process_time()
        analyse(text, writing.system)
        assert time.process_time() - started < 1.0, fragment

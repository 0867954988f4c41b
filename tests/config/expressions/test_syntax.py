import polars as pl
import pytest

from otelbridge.config.expressions import parse
from otelbridge.config.expressions.syntax import MAX_CHARACTERS, MAX_DEPTH, MAX_TOKENS, quoted
from otelbridge.core.schema import DERIVED_COLUMNS, WIRE_COLUMNS, Column
from otelbridge.semconv.concepts import CONCEPTS
from tests.config.expressions.conditions import COLUMNS, holds, refused


@pytest.mark.parametrize(
    "text",
    [
        "db.system.name = 'x'",
        "db . system . name = 'x'",
        "\"db.system.name\" = 'x'",
        "db.\"system\".name = 'x'",
    ],
)
def test_a_dotted_name_is_one_column(text: str) -> None:
    assert parse(text, COLUMNS).columns == {"db.system.name"}


def test_every_column_can_be_written_in_a_condition() -> None:
    columns = {column.name: column for column in (*WIRE_COLUMNS, *DERIVED_COLUMNS) if column.name != "raw"}
    columns |= {concept.name: concept for concept in CONCEPTS.values()}  # type: ignore[misc]  # same fields

    for name in columns:
        assert parse(f"{quoted(name)} IS NOT NULL", columns).columns == {name}


@pytest.mark.parametrize("word", ["release", "user", "full", "select", "case", "interval", "end", "from", "exists"])
def test_words_of_sql_that_conditions_do_not_use_are_ordinary_names(word: str) -> None:
    columns = {word: Column(word, pl.String, "", "")}

    assert parse(f"{word} = 'x'", columns).columns == {word}


def test_keywords_are_written_in_any_case() -> None:
    assert holds("name is not null And name Like 'x'", name="x")


def test_a_quote_inside_a_text_is_doubled() -> None:
    assert holds("name = 'it''s'", name="it's")


@pytest.mark.parametrize(
    ("text", "message", "underlined"),
    [
        ("", "the condition is empty; write `TRUE` for one that always holds", ""),
        (" \n", "the condition is empty; write `TRUE` for one that always holds", " "),
        ("name = 'x", "a quote is opened and never closed", "'x"),
        ("name = 'a''b' AND \"x = 1", "a quote is opened and never closed", '"x = 1'),
        ("name = ", "incomplete: a value is missing at `=`", "="),
        ("name = 'x' AND AND name = 'y'", "incomplete: a value is missing at `AND`", "AND"),
        ("(name = 'x'", "a parenthesis is opened and never closed", "'x'"),
        ("name = 'x')", "unexpected `)`", ")"),
        ("name = 'x' name", "unexpected `name`", "name"),
        ("name;name", "unexpected `;`; names with other characters are written in double quotes", ";"),
        ("name = #", "unexpected `#`; names with other characters are written in double quotes", "#"),
        ("name = \x00", "unexpected character U+0000", "\x00"),
        ("cast(name AS int) = 1", "unexpected `AS`", "AS"),
        ("SELECT name", "unexpected `name`", "name"),
        ("name || 'x' = 'y'", "unexpected `|`; names with other characters are written in double quotes", "|"),
    ],
)
def test_a_mistake_is_named_and_underlined(text: str, message: str, underlined: str) -> None:
    assert refused(text) == (message, underlined)


@pytest.mark.parametrize("opening", ["(", "NOT (", "NOT ", "- ", "is_segment = NOT ", "coalesce("])
def test_nesting_is_bounded(opening: str) -> None:
    message, _ = refused(opening * 500)

    assert message == f"nested more than {MAX_DEPTH} levels deep"


def test_nesting_up_to_the_bound_is_read() -> None:
    assert holds("(" * MAX_DEPTH + "is_segment" + ")" * MAX_DEPTH, is_segment=True)


def test_signs_of_separate_terms_do_not_count_as_nesting() -> None:
    assert holds(" AND ".join(["NOT is_segment"] * 40), is_segment=False)


def test_length_is_bounded() -> None:
    assert refused("x" * (MAX_CHARACTERS + 1))[0].startswith(f"a condition has at most {MAX_CHARACTERS:,} characters")
    assert refused("a " * (MAX_TOKENS + 1))[0].startswith(f"a condition has at most {MAX_TOKENS:,} words")

import pytest

from tests.config.expressions.conditions import holds, refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 'a'", True),
        ("name <> 'a'", False),
        ("name != 'b'", True),
        ("name < 'b'", True),
        ("duration_ms > 500", True),
        ("duration_ms >= 501.5", True),
        ("501.5 >= duration_ms", True),
        ("tokens <= 7", True),
        ("is_segment", True),
        ("NOT is_segment", False),
        ("is_segment = TRUE", True),
        ("is_segment AND duration_ms > 1000", False),
        ("is_segment OR duration_ms > 1000", True),
        ("NOT (is_segment AND duration_ms > 1000)", True),
        ("duration_ms BETWEEN 1 AND 501.5", True),
        ("duration_ms NOT BETWEEN 1 AND 500", True),
        ("name IN ('x', 'a')", True),
        ("name NOT IN ('x', 'y')", True),
        ("tokens IN (7, 8)", True),
        ("tokens IN (7.5, 8)", False),
        ("tokens IN (-7, 7.0)", True),
        ("duration_ms IN (501.5)", True),
    ],
)
def test_a_comparison_means_what_sql_says(text: str, expected: bool) -> None:
    assert holds(text, name="a", duration_ms=501.5, tokens=7, is_segment=True) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tokens + 1 = 8", True),
        ("tokens - 1 = 6", True),
        ("tokens * 2 = 14", True),
        ("tokens / 2 = 3.5", True),
        ("-tokens = -7", True),
        ("1 + 2 * tokens = 15", True),
        ("(1 + 2) * tokens = 21", True),
        ("tokens / 0 = 1", False),
        ("tokens / 0 IS NULL", True),
        ("tokens * 9000000000000000000 > 9000000000000000000", True),
    ],
)
def test_arithmetic_neither_truncates_nor_overflows(text: str, expected: bool) -> None:
    assert holds(text, tokens=7) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name IS NULL", True),
        ("name IS NOT NULL", False),
        ("name = 'a'", False),
        ("NOT (name = 'a')", False),
        ("name <> 'a'", False),
        ("name IN ('a')", False),
        ("name NOT IN ('a')", False),
        ("is_segment IS TRUE", False),
        ("is_segment IS FALSE", False),
        ("is_segment IS NOT TRUE", True),
        ("name = 'a' OR tokens = 7", True),
        ("name = 'a' AND tokens = 7", False),
        ("NOT (name = 'a' AND tokens = 8)", True),
        ("(name = 'a') IS NULL", True),
        ("trace_id IS NULL", True),
    ],
)
def test_null_is_neither_true_nor_false(text: str, expected: bool) -> None:
    assert holds(text, tokens=7) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status = 'error'", True),
        ("'error' = status", True),
        ("status <> 'error'", False),
        ("(status) IN ('ok', 'error')", True),
        ("status = 2", True),
        ("kind = 'server'", False),
        ("kind = 'client'", True),
        ("kind > 300", False),
    ],
)
def test_status_and_kind_are_written_as_words_or_numbers(text: str, expected: bool) -> None:
    assert holds(text, status=2, kind=3) is expected


@pytest.mark.parametrize(
    ("text", "message", "underlined"),
    [
        (
            "db.sytem.name = 'x'",
            "unknown column `db.sytem.name`; did you mean `db.system.name`?",
            "db.sytem.name",
        ),
        ("xyzzy = 'x'", "unknown column `xyzzy`; attribute(...) reads an attribute by its name", "xyzzy"),
        ("user_agent = 'x'", 'unknown column `user_agent`; did you mean `"user-agent"`?', "user_agent"),
        ("raw = 'x'", "column `raw` cannot be used in a condition", "raw"),
        ("tokens > 1 AND duration_ms > 'x'", "a number is compared with a string", "duration_ms > 'x'"),
        ("name > tokens", "a string is compared with a number; number(...) reads a text as a number", "name > tokens"),
        ("name BETWEEN 'a' AND 5", "a string is compared with a number", "name BETWEEN 'a' AND 5"),
        ("is_segment > FALSE", "true and false have no order", "is_segment"),
        ("trace_id = 5", "an id can be tested with IS NULL only", "trace_id = 5"),
        ("status = 'eror'", "it is never 'eror', it is one of 'unset', 'ok', 'error'", "status = 'eror'"),
        ("status > 'ok'", "words have no order; use = or IN", "status > 'ok'"),
        ("name = NULL", "nothing equals NULL; write IS NULL or IS NOT NULL", "name"),
        ("name IS 'x'", "IS is followed by NULL, TRUE or FALSE; compare values with =", "'x'"),
        ("name IN ()", "IN is followed by values in parentheses", "name"),
        ("name IN name", "this form is no part of conditions", "name IN name"),
        ("name IN ('a', name)", "the list of IN holds plain values; use OR for anything else", "name"),
        ("name + 1 = 2", "a string where a number is needed; number(...) reads a text as a number", "name"),
        ("NOT tokens", "a number where something true or false is needed; compare it with something", "tokens"),
        ("tokens = 1e999", "`1e999` is not a number", "1e999"),
        ("name = *", "`*` stands for no column here", "*"),
        ("(name, name) = 'x'", "a list of values stands behind IN only", "name, name"),
        ("name = 'a' 'b'", "two texts in a row; put an operator between them", "'a'"),
    ],
)
def test_a_mistake_is_named_and_underlined(text: str, message: str, underlined: str) -> None:
    assert refused(text) == (message, underlined)

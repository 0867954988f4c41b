import pytest

from otelbridge.config.expressions import column_names, parse
from tests.config.expressions.conditions import COLUMNS, holds, refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name LIKE 'GET /%'", True),
        ("name LIKE 'get /%'", False),
        ("name ILIKE 'get /%'", True),
        ("name NOT LIKE 'GET /%'", False),
        ("name LIKE 'GET _api%'", True),
        ("name LIKE 'GET'", False),
        ("name LIKE '%50!%' ESCAPE '!'", True),
        ("name LIKE 'GET !_%' ESCAPE '!'", False),
        ("name NOT LIKE '%50!%' ESCAPE '!'", False),
        ("name LIKE '%.%'", False),
        ("name ~ 'ap.'", True),
        ("name ~ '^api'", False),
        ("regexp_like(name, '(?i)API')", True),
        ("starts_with(name, 'GET')", True),
        ("ends_with(name, '%')", True),
        ("contains(name, '.')", False),
        ("contains(name, '/api')", True),
        ("lower(name) = 'get /api 50%'", True),
        ("UPPER(name) = 'GET /API 50%'", True),
        ("length(name) = 12", True),
        ("abs(tokens) = 7", True),
        ("coalesce(name, 'x') = 'x'", False),
        ("coalesce(db.system.name, 'x') = 'x'", True),
        ("coalesce(tokens, 1.5) = -7", True),
        ("attribute('my.key') = '12'", True),
        ("resource('my.key') = '12'", True),
        ("number(attribute('my.key')) > 5", True),
        ("number(name) IS NULL", True),
        ("attribute('other') IS NULL", True),
    ],
)
def test_a_function_means_what_its_documentation_says(text: str, expected: bool) -> None:
    assert holds(text, name="GET /api 50%", tokens=-7, **{"my.key": "12"}) is expected


@pytest.mark.parametrize("text", ["name LIKE '%'", "contains(name, 'a')", "lower(name) = 'a'", "length(name) > 0"])
def test_a_function_of_null_does_not_hold(text: str) -> None:
    assert not holds(text)
    assert not holds(f"NOT ({text})")


@pytest.mark.parametrize("text", ["number('nan') = number('nan')", "number('inf') > 5", "number('1_0') = 10"])
def test_text_that_is_no_finite_number_is_null(text: str) -> None:
    assert not holds(text)


def test_like_matches_over_several_lines() -> None:
    assert holds("name LIKE 'a%b'", name="a\n\nb")


def test_like_does_not_overlook_a_trailing_line_break() -> None:
    assert not holds("name LIKE 'a'", name="a\n")


def test_attributes_by_name_become_columns() -> None:
    condition = parse("attribute('app.tier') = resource('k8s.pod') AND is_segment", COLUMNS)

    assert condition.columns == {"attribute:app.tier", "resource:k8s.pod", "is_segment"}


def test_names_are_found_without_knowing_the_columns() -> None:
    names = column_names("attribute('app.tier') = 'x' AND no.such.column > 3 AND lower(\"odd-one\") = 'y'")

    assert names == {"attribute:app.tier", "no.such.column", "odd-one"}


@pytest.mark.parametrize(
    ("text", "message", "underlined"),
    [
        ("lowr(name) = 'x'", "unknown function `lowr`; did you mean `lower`?", "lowr(name"),
        ("lower(name, name) = 'x'", "lower takes 1 value, not 2", "lower(name, name"),
        ("contains(name) ", "contains takes 2 values, not 1", "contains(name"),
        ("lower(tokens) = 'x'", "a number where a string is needed", "tokens"),
        ("coalesce() = 'x'", "coalesce takes at least one value", "coalesce"),
        ("coalesce(name, 5) = 'x'", "a number where a string is needed", "5"),
        ("attribute(name) = 'x'", "this function takes one attribute name in single quotes", "attribute(name"),
        ("attribute('') = 'x'", "this function takes one attribute name in single quotes", "attribute(''"),
        ("name ~ '(x'", "not a regular expression: unclosed group", "'(x'"),
        (
            "name ~ 'a{1000}{1000}'",
            "not a regular expression: Compiled regex exceeds size limit of 10485760 bytes.",
            "'a{1000}{1000}'",
        ),
        ("regexp_like(name, name)", "a regular expression is a text in single quotes", "name"),
        ("name LIKE lower(name)", "a pattern is a text in single quotes", "lower(name"),
        ("name LIKE 'a!' ESCAPE '!'", "the pattern ends with its escape character", "name LIKE 'a!'"),
        ("name LIKE 'a' ESCAPE 'no'", "ESCAPE takes one character", "name LIKE 'a'"),
        ("name ~ 'a' ESCAPE 'n'", "ESCAPE belongs to LIKE", "name ~ 'a' ESCAPE 'n'"),
    ],
)
def test_a_mistake_is_named_and_underlined(text: str, message: str, underlined: str) -> None:
    assert refused(text) == (message, underlined)

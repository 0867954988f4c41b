import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.config.expressions import patterns

TEXT = st.text(alphabet="ab%_!\\.*^$ \n", max_size=8)


@given(pattern=TEXT, text=TEXT)
def test_like_agrees_with_its_definition(pattern: str, text: str) -> None:
    # Python's `$` also matches before a line break at the end; the engine's does not.
    expression = patterns.like(pattern, None, ignore_case=False).removesuffix("$") + r"\Z"

    assert bool(re.search(expression, text)) == _like(pattern, text)


def _like(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    head, rest = pattern[0], pattern[1:]
    if head == "%":
        return any(_like(rest, text[start:]) for start in range(len(text) + 1))
    return bool(text) and (head in {"_", text[0]}) and _like(rest, text[1:])


@given(pattern=st.text(max_size=20))
def test_every_like_pattern_is_a_regular_expression_for_polars(pattern: str) -> None:
    expression = patterns.like(pattern, None, ignore_case=True)

    assert patterns.check(expression) == expression


@pytest.mark.parametrize("pattern", ["(", "a{1000}{1000}", r"\p{Nothing}", "(?=ahead)", "[z-a]"])
def test_a_pattern_that_the_engine_refuses_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(patterns.BadPattern, match=r"^not a regular expression: \w"):
        patterns.check(pattern)

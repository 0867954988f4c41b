import pytest

from otelbridge.config.report import listed, some_of


@pytest.mark.parametrize(
    ("names", "said"), [(["b"], "`b`"), (["b", "a"], "`b` and `a`"), (["b", "a", "c"], "`b`, `a` and `c`")]
)
def test_names_are_listed_in_their_order(names: list[str], said: str) -> None:
    assert listed(names) == said


def test_of_many_names_the_first_are_told_and_how_many_more() -> None:
    assert some_of({"e", "d", "c", "b", "a"}) == "`a`, `b`, `c` and 2 more"


def test_a_name_takes_no_more_place_than_the_words_that_leave_it_out() -> None:
    assert some_of({"d", "c", "b", "a"}) == "`a`, `b`, `c` and `d`"


def test_what_does_not_look_like_a_name_is_not_shown() -> None:
    assert listed(["https://key@sentry.example/1"]) == some_of({"https://key@sentry.example/1"}) == "`[REDACTED]`"

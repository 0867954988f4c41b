import pytest

from otelbridge.config.document import Place, Source, read_document
from otelbridge.config.excerpts import LONGEST_LINE, Excerpts, show_name
from otelbridge.config.fields import Fields
from tests.config.catalogue import CATALOGUE


def excerpt(text: str, column: int, end: int, line: int = 0, parsed: bool = True) -> tuple[str, str]:
    """The line as shown, and what of it is underlined."""
    source = Source("a.yaml", tuple(text.split("\n")))
    excerpts = Excerpts(Fields(CATALOGUE))
    if parsed:
        excerpts.learn(source, read_document(text, source))
    shown = excerpts.at(Place(source, line, column, line, end))
    return shown.text, shown.text[shown.start : shown.start + shown.width]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("processors: {mark: {label: a, slow_ms: 5}}", "processors: {mark: {label: a, slow_ms: 5}}"),
        ("exporters: {sentry: {dsn: abc, project: p}}", "exporters: {sentry: {dsn: [REDACTED], project: p}}"),
        ("exporters: {sentry: {dsn: 'a b', project: p}} # c", "exporters: {sentry: {dsn: [REDACTED], project: p}}"),
        ("exporters: {sentry: {headers: {a: b}}}", "exporters: {sentry: {headers: {a: [REDACTED]}}}"),
        ("receivers: {otlp: {tokens: [a, b]}}", "receivers: {otlp: {tokens: [[REDACTED], [REDACTED]]}}"),
        ("other: {a: [b, {c: d}]}", "other: {a: [[REDACTED], {c: [REDACTED]}]}"),
        ("processors: {mark: {label: 'http://u:p@h'}}", "processors: {mark: {label: 'http://[REDACTED]@h'}}"),
        ("'a://b': 5", "[REDACTED]: [REDACTED]"),
    ],
)
def test_only_what_is_known_to_be_harmless_is_shown(text: str, shown: str) -> None:
    assert excerpt(text, 0, 1)[0] == shown


def test_the_underline_follows_what_was_moved() -> None:
    text = "exporters: {sentry: {dsn: abc, timeout_seconds: x}}"

    column = text.index("x}")
    assert excerpt(text, column, column + 1)[1] == "x"


def test_what_is_not_shown_is_underlined_whole() -> None:
    text = "exporters: {sentry: {dsn: abcdefghijklmnop}}"

    column = text.index("abc")
    assert excerpt(text, column, column + 16)[1] == "[REDACTED]"


def test_every_line_of_a_secret_is_hidden() -> None:
    text = "exporters:\n  sentry:\n    dsn: |\n      one\n      two\n    project: p"

    assert [excerpt(text, 0, 1, line)[0] for line in (2, 3, 4, 5)] == [
        "    dsn: [REDACTED]",
        "[REDACTED]",
        "[REDACTED]",
        "    project: p",
    ]


def test_of_a_line_that_is_no_yaml_only_known_words_are_shown() -> None:
    text = "exporters: {sentry: {dsn: https://k@h, timeout_seconds: 5 # c"

    shown, part = excerpt(text, 26, 37, parsed=False)

    assert shown == "exporters: {sentry: {dsn: *****:*****, timeout_seconds: * # *"
    assert part == "*****:*****"


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "processors: {mark: {label: " + "x" * 500 + ", mode: wrong, names: [" + "a, " * 200 + "]}}"
    column = text.index("wrong")

    shown, part = excerpt(text, column, column + 5)

    assert part == "wrong"
    assert len(shown) == LONGEST_LINE


@pytest.mark.parametrize(("name", "shown"), [("a_b", "a_b"), ("traces/x-1", "traces/x-1"), ("a@b", "[REDACTED]")])
def test_a_key_is_shown_if_it_looks_like_one(name: str, shown: str) -> None:
    assert show_name(name) == shown

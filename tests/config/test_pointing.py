import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.config.document import Mapping, Scalar, Source, Unreadable, read_document
from otelbridge.config.pointing import place_within


def node_of(text: str) -> Scalar:
    root = read_document(text, Source("a.yaml", tuple(text.split("\n"))))
    assert isinstance(root, Mapping)
    node = root.entries["a"].node
    assert isinstance(node, Scalar)
    return node


def pointed(text: str, word: str) -> str:
    """What stands in the file where `word` stands in the value."""
    node = node_of(text)
    assert node.text is not None
    start = node.text.index(word)
    place = place_within(node, start, start + len(word))
    assert place is not None
    return text.split("\n")[place.line][place.column : place.end_column]


@pytest.mark.parametrize(
    "text",
    [
        "a: one two three",
        "a: 'one two three'",
        'a: "one two three"',
        "a: one\n  two three",
        "a: 'one\n  two\n  three'",
        "a: |\n  one\n  two three\n",
        "a: >-\n  one\n  two\n\n  three\n",
        'a: "one \\\n  two three"',
    ],
)
def test_a_word_is_found_however_the_text_is_written(text: str) -> None:
    for word in ("one", "two", "three"):
        assert pointed(text, word) == word


def test_a_doubled_quote_is_passed_over() -> None:
    assert pointed("a: 'it''s here'", "here") == "here"


def test_a_character_that_is_not_written_itself_has_no_place() -> None:
    assert place_within(node_of('a: "\\u0061b here"'), 3, 7) is None


def test_a_range_over_several_lines_is_shown_on_its_first() -> None:
    place = place_within(node_of("a: |\n  one\n  two\n"), 0, 7)

    assert place is not None
    assert (place.line, place.column, place.end_line, place.end_column) == (1, 2, 1, 6)


@given(text=st.text(alphabet="ab '\"\\\n|>-:#", max_size=20), start=st.integers(0, 20), width=st.integers(1, 20))
def test_a_place_lies_in_the_file(text: str, start: int, width: int) -> None:
    whole = "a: " + text
    try:
        root = read_document(whole, Source("a.yaml", tuple(whole.split("\n"))))
    except Unreadable:
        return
    assert isinstance(root, Mapping)
    node = root.entries["a"].node

    place = place_within(node, start, start + width)

    if place is not None:
        line = whole.split("\n")[place.line]
        assert 0 <= place.column < place.end_column <= len(line) + 1

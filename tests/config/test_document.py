from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.config.document import MAX_DEPTH, Mapping, Node, Scalar, Source, Unreadable, read_document


def plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Mapping):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    return [plain(item) for item in node.items]


def read(text: str) -> Node:
    return read_document(text, Source("a.yaml", tuple(text.split("\n"))))


def refused(text: str) -> tuple[str, int, int]:
    with pytest.raises(Unreadable) as caught:
        read(text)
    place = caught.value.place
    return caught.value.message, place.line + 1, place.column + 1


def test_values_have_their_types() -> None:
    text = "a: [1, x, 'y', 1.5, yes, ~]\nb: |\n  two\n  lines\n"

    assert plain(read(text)) == {"a": [1, "x", "y", 1.5, True, None], "b": "two\nlines\n"}


def test_every_key_and_value_has_its_place() -> None:
    root = read("a: 1\nbc:\n  - x\n  - 'yy'\n")

    assert isinstance(root, Mapping)
    entry = root.entries["bc"]
    assert (entry.key.line, entry.key.column, entry.key.end_column) == (1, 0, 2)
    second = entry.node.items[1]  # type: ignore[union-attr]  # it is a list
    assert (second.place.line, second.place.column, second.place.end_column) == (3, 4, 8)


def test_an_empty_text_is_an_empty_map() -> None:
    assert plain(read("# nothing\n")) == {}


def test_text_is_kept_as_written_beside_its_value() -> None:
    root = read("a: 0123")

    assert isinstance(root, Mapping)
    node = root.entries["a"].node
    assert isinstance(node, Scalar)
    assert (node.value, node.text, node.quoted) == (83, "0123", False)


def test_a_quoted_number_is_text() -> None:
    assert plain(read("a: '5'\nb: ! 5")) == {"a": "5", "b": 5}


def test_anchors_and_merge_keys_are_plain_yaml() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [{x: 9}, *b]}\nthree: *b\n'<<': 5"

    assert plain(read(text)) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 9, "y": 2},
        "three": {"x": 1, "y": 2},
        "<<": 5,
    }


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "this key stands twice, first on line 1", 3, 1),
        ("x:\n  y: {a: 1, a: 2}", "this key stands twice, first on line 2", 2, 13),
        ("a: b: c", "not valid YAML: mapping values are not allowed in this context", 1, 5),
        ("a:\n\t- b", "not valid YAML: found character that cannot start any token", 2, 1),
        ("a: [1", "not valid YAML: did not find expected ',' or ']'", 2, 1),
        ("a: 'x", "not valid YAML: found unexpected end of stream", 1, 6),
        ("a: *b", "an alias without its anchor before it", 1, 4),
        ("a: &a [*a]", "an alias without its anchor before it", 1, 8),
        ("a: !!python/object:os.system x", "tags (`!...`) have no meaning in a configuration", 1, 4),
        ("a: !x [1]", "tags (`!...`) have no meaning in a configuration", 1, 4),
        ("? {a: b}\n: c", "a key must be plain text", 1, 3),
        ("<<: 5", "`<<` merges maps only", 1, 5),
        ("a: 1\n---\nb: 2", "a second document; a configuration is one", 2, 1),
        ("a: \x07", "the character U+0007 cannot stand in YAML", 1, 4),
        ("a: 1\nb: \udc80", "the character U+DC80 cannot stand in YAML", 2, 4),
    ],
)
def test_a_mistake_has_its_place(text: str, message: str, line: int, column: int) -> None:
    assert refused(text) == (message, line, column)


def test_a_billion_laughs_are_stopped_early() -> None:
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    started = time.process_time()

    message, line, _ = refused(laughs)

    assert message == "more than 100,000 values, aliases included"
    assert line == 6
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "\n".join(" " * i + "a:" for i in range(900)), "- " * 900])
def test_deep_nesting_is_refused(text: str) -> None:
    message, _, _ = refused(text)

    assert re.match(
        rf"nested more than {MAX_DEPTH} levels deep|not valid YAML: exceeded maximum nesting depth", message
    )


def test_many_values_are_refused() -> None:
    assert refused("a: [" + "1," * 200_000 + "]")[0] == "more than 100,000 values, aliases included"


@given(st.one_of(st.text(), st.text(alphabet="ab:-[]{}'\"#&*!|>%@ \n\t?,<~01", max_size=40)))
def test_any_text_is_a_tree_or_one_mistake_inside_it(text: str) -> None:
    try:
        root = read(text)
    except Unreadable as error:
        found = error
    else:
        plain(root)
        return

    assert 0 <= found.place.line <= text.count("\n") + text.count("\r") + text.count("\x85") + 1

import pytest

from otelbridge.config.document import Source, Unreadable, read_document
from otelbridge.config.merging import merge, read_setting
from tests.config.test_document import plain


def merged(below: str, above: str) -> object:
    return plain(merge(read_document(below, Source("1")), read_document(above, Source("2"))))


def test_maps_are_merged_deeply_and_later_values_win() -> None:
    assert merged("a: {b: 1, c: {d: 2, e: 3}}", "a: {c: {d: 4}, f: 5}") == {
        "a": {"b": 1, "c": {"d": 4, "e": 3}, "f": 5}
    }


def test_lists_are_replaced() -> None:
    assert merged("a: [1, 2]", "a: [3]") == {"a": [3]}


def test_an_empty_value_takes_back_what_was_set() -> None:
    assert merged("a: {b: 1}", "a:") == {"a": None}


def test_a_merged_value_remembers_its_own_source() -> None:
    root = merge(read_document("a: {b: 1, c: 2}", Source("1")), read_document("a: {b: 3}", Source("2")))

    entries = root.entries["a"].node.entries  # type: ignore[union-attr]  # maps
    assert [entries[key].node.place.source.name for key in "bc"] == ["2", "1"]


@pytest.mark.parametrize(
    ("setting", "tree"),
    [
        ("a=1", {"a": 1}),
        ("a.b/c.d=x", {"a": {"b/c": {"d": "x"}}}),
        ("a.b=[x, y]", {"a": {"b": ["x", "y"]}}),
        ("a.b={c: 1}", {"a": {"b": {"c": 1}}}),
        ("a.b={}", {"a": {"b": {}}}),
        ("a.b=", {"a": {"b": None}}),
        ("a=b=c", {"a": "b=c"}),
        ("a=x: [y", {"a": "x: [y"}),
        ('a."b.c"=1', {"a": {"b.c": 1}}),
        ("a='5'", {"a": "5"}),
    ],
)
def test_a_setting_is_a_path_and_yaml(setting: str, tree: object) -> None:
    assert plain(read_setting(setting)) == tree


@pytest.mark.parametrize("setting", ["", "a", "=1", "a..b=1", ".a=1", "a.=1", "https://key@host/1?x=y", 'a."b=1'])
def test_a_wrong_setting_is_refused_without_quoting_it(setting: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_setting(setting)

    assert caught.value.message == "expected --set a.b.c=value; a key with other characters in double quotes"
    assert caught.value.place.source.name == "--set"

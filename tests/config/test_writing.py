from __future__ import annotations

from enum import Enum
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from otelbridge.config.document import Source, read_document
from otelbridge.config.writing import one_line, plain_data
from tests.config.test_document import plain


class Colour(Enum):
    RED = "red"


class Group(BaseModel):
    name: str = "a"
    key: SecretStr = SecretStr("")
    folder: Path = Path("x")
    colour: Colour = Colour.RED
    pair: tuple[int, ...] = (1, 2)
    names: frozenset[str] = frozenset({"b", "a"})
    absent: int | None = None


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-1", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_what_is_written_is_read_again(value: object) -> None:
    line = one_line({"key": value})

    assert plain(read_document(line, Source("a"))) == {"key": value}
    assert yaml.safe_load(line) == {"key": value}
    assert "\n" not in line


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("127.0.0.1:4317", "127.0.0.1:4317"),
        ("./data", "./data"),
        ("GET /api", "GET /api"),
        ("1.5", '"1.5"'),
        ("on", '"on"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("-1", '"-1"'),
        ("12:30", '"12:30"'),
        ("a, b", '"a, b"'),
        ("ü", '"ü"'),
        (1.5, "1.5"),
        (None, "null"),
        (("a", 1), "[a, 1]"),
        ({"a": True}, "{a: true}"),
    ],
)
def test_text_has_quotes_only_where_it_needs_them(value: object, written: str) -> None:
    assert one_line(value) == written


def test_settings_become_plain_data() -> None:
    assert plain_data(Group(), reveal=False) == {
        "name": "a",
        "key": "",
        "folder": "x",
        "colour": "red",
        "pair": [1, 2],
        "names": ["a", "b"],
    }


def test_secrets_are_redacted_wherever_they_are() -> None:
    data = {"a": [Group(key=SecretStr("k"))], "b": SecretStr("k")}

    assert "k" not in str(plain_data(data, reveal=False)).replace("key", "")
    assert plain_data(data, reveal=True)["b"] == "k"

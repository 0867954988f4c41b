import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.config.scalars import plain_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("no", False),
        ("On", True),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("1_000", 1000),
        ("0123", 83),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1.50", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e3", 1000.0),
        ("-1.5e-3", -0.0015),
    ],
)
def test_a_plain_word_means_what_yaml_says(text: str, value: object) -> None:
    result = plain_value(text)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "089",
        "1:30",
        "2024-01-01",
        ".inf",
        ".nan",
        "1e999",
        "9" * 65,
        "0x",
        "0b2",
        "_1",
        "1.2.3",
        "-+5",
        "--5",
        "tRuE",
        ".",
    ],
)
def test_anything_else_is_text(text: str) -> None:
    assert plain_value(text) == text


@given(st.text(alphabet="0123456789abxoeE+-._ntrufls~", max_size=12))
def test_every_text_has_a_value(text: str) -> None:
    plain_value(text)

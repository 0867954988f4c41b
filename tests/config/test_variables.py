from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.config.document import Mapping, Scalar, Source, read_document
from otelbridge.config.variables import Expansion
from tests.config.test_document import plain

ENVIRONMENT = {
    "NAME": "value",
    "PORT": "4317",
    "OCTAL": "0123",
    "LIST": "[a, {b: 1}]",
    "EMPTY": "",
    "DOLLARS": "${NAME}",
    "DSN": "https://key@host/1",
    "BROKEN": "[a: {",
}


def expanded(text: str) -> tuple[Scalar, Expansion]:
    expansion = Expansion(ENVIRONMENT)
    root = expansion.expand(read_document(text, Source("a.yaml")))
    assert isinstance(root, Mapping)
    return root.entries["a"].node, expansion  # type: ignore[return-value]  # most cases are scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:NAME}", "value"),
        ("${NAME}", "value"),
        ("'${NAME}'", "value"),
        ("${PORT}", 4317),
        ("x${NAME}y", "xvaluey"),
        ("1${PORT}", 14317),
        ("'1${PORT}'", "14317"),
        ("${NAME}:${PORT}", "value:4317"),
        ("${env:NONE:-other}", "other"),
        ("${NONE:-5}", 5),
        ("${NAME:-other}", "value"),
        ("${NONE:-${NAME}}", "value"),
        ("${NONE:-a${PORT}b}c", "a4317bc"),
        ("${LIST}", ["a", {"b": 1}]),
        ("${DOLLARS}", "${NAME}"),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$$$$", "$$"),
        ("^a$", "^a$"),
        ("a$b", "a$b"),
        ("${DSN}", "https://key@host/1"),
        ("${BROKEN}", "[a: {"),
        ("${EMPTY}", None),
        ("${NONE:-}", None),
        ("${EMPTY:-x}", None),
    ],
)
def test_a_reference_becomes_what_the_variable_holds(text: str, value: object) -> None:
    node, expansion = expanded(f"a: {text}")

    assert plain(node) == value
    assert not expansion.problems
    assert not expansion.warnings


def test_the_original_characters_are_kept_for_text_settings() -> None:
    node, _ = expanded("a: ${OCTAL}")

    assert (node.value, node.text, node.variables) == (83, "0123", ("OCTAL",))


def test_a_variable_that_is_not_set_is_empty_and_warned_about() -> None:
    node, expansion = expanded("a: x${NONE}y")

    assert node.value == "xy"
    assert [note.message for note in expansion.warnings] == [
        "the environment variable NONE is not set, so it counts as empty"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${1x}", "a reference is `${env:NAME}` or `${env:NAME:-default}`; write `$$` for a dollar sign"),
        ("${file:/etc/secret}", "a reference is `${env:NAME}` or `${env:NAME:-default}`; write `$$` for a dollar sign"),
        (
            "${" + "A" * 201 + "}",
            "a reference is `${env:NAME}` or `${env:NAME:-default}`; write `$$` for a dollar sign",
        ),
        ("${NAME", "`${` without its `}`; write `$$` for a dollar sign"),
        ("${A:-" * 20 + "}" * 20, "defaults inside defaults, more than 8 deep"),
    ],
)
def test_a_wrong_reference_is_refused_without_quoting_it(text: str, message: str) -> None:
    _, expansion = expanded(f"a: '{text}'")

    assert [note.message for note in expansion.problems] == [message]


def test_expansion_is_bounded() -> None:
    expansion = Expansion({"BIG": "x" * 1_000_000})

    expansion.expand(read_document("a: [" + "'${BIG}', " * 20 + "]", Source("a.yaml")))

    assert expansion.problems[0].message == "variables expand to more than 10,485,760 characters"


@given(st.text(alphabet="${}:-NAME_env$ ", max_size=40))
def test_any_text_expands_or_is_one_problem(text: str) -> None:
    expansion = Expansion(ENVIRONMENT)
    node = Scalar(read_document("a: b", Source("a.yaml")).place, text, text, quoted=True)

    expansion.expand(node)

    assert len(expansion.problems) <= 1

"""The shape of the code: short modules, each with a docstring that says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "otelbridge"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 300
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_says_what_it_is(module: Path) -> None:
    text = module.read_text()

    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert module.stem not in FORBIDDEN_NAMES


def test_only_the_service_reads_the_clock() -> None:
    readers = [
        str(module.relative_to(PACKAGE))
        for module in MODULES
        if "time.time()" in module.read_text() and "service" not in module.parts and "cli" not in module.parts
    ]

    assert readers == []

import polars as pl
import pytest

from otelbridge.config.expressions import parse
from otelbridge.config.expressions.compiler import MAX_TREE_DEPTH
from tests.config.expressions.conditions import COLUMNS, holds, refused


def test_a_chain_of_hundreds_of_terms_is_no_deep_tree() -> None:
    assert holds(" OR ".join(f"tokens = {number}" for number in range(400)), tokens=399)


def test_a_deep_tree_is_refused() -> None:
    message, _ = refused(" + ".join(["tokens"] * 200) + " > 1")

    assert message == f"more than {MAX_TREE_DEPTH} operations depend on each other"


@pytest.mark.parametrize(("text", "expected"), [("TRUE", True), ("1 = 2", False), ("TRUE OR FALSE", True)])
@pytest.mark.parametrize("height", [0, 3])
def test_a_constant_condition_gives_one_value_a_row(text: str, expected: bool, height: int) -> None:
    condition = parse(text, COLUMNS)

    result = pl.DataFrame({"name": ["a"] * height}).select(condition.expression).to_series()

    assert result.to_list() == [expected] * height
    assert condition.columns == frozenset()


def test_the_result_is_never_null() -> None:
    frame = pl.DataFrame({"name": ["a", None]}, schema={"name": pl.String})

    result = frame.select(parse("name = 'a'", COLUMNS).expression).to_series()

    assert result.to_list() == [True, False]

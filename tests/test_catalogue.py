from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from otelbridge.catalogue import BUILT_IN, GROUP, base_columns, catalogue
from otelbridge.config.expressions import parse
from otelbridge.config.expressions.syntax import quoted
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind
from otelbridge.core.errors import CannotStart


class OwnConfig(ComponentConfig):
    """Settings of a third party's component."""


OWN = ComponentSpec(Kind.PROCESSOR, "own", OwnConfig, lambda config, _: config, "a third party's")
SECOND = ComponentSpec(Kind.PROCESSOR, "db_queries", OwnConfig, lambda config, _: config, "in the way")
NO_SPEC = OwnConfig


def plugin(name: str) -> EntryPoint:
    return EntryPoint("theirs", f"tests.test_catalogue:{name}", GROUP)


def test_names_are_unique_within_a_kind() -> None:
    names = [(spec.kind, spec.name) for spec in BUILT_IN]

    assert len(names) == len(set(names))


def test_a_third_party_adds_a_component() -> None:
    specs = catalogue([plugin("OWN")]).specs

    assert specs[Kind.PROCESSOR, "own"] is OWN
    assert len(specs) == len(BUILT_IN) + 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MISSING", "entry point `theirs` of a package cannot be loaded: .*MISSING"),
        ("NO_SPEC", "entry point `theirs` of a package is no component: it must name a ComponentSpec"),
        ("SECOND", "entry point `theirs` of a package brings a second processor `db_queries`"),
    ],
)
def test_a_broken_package_is_told_in_one_line(name: str, message: str) -> None:
    with pytest.raises(CannotStart, match=f"^{message}"):
        catalogue([plugin(name)])


def test_every_column_that_is_documented_can_be_used_in_a_condition() -> None:
    columns = {column.name: column for column in base_columns()}

    for name in columns:
        assert parse(f"{quoted(name)} IS NULL", columns).columns == {name}


def test_every_added_column_is_named_once_and_has_a_meaning() -> None:
    for spec in BUILT_IN:
        names = [column.name for column in spec.adds]
        assert len(names) == len(set(names))
        assert all(column.meaning for column in spec.adds)

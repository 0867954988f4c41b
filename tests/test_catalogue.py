from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.catalogue import BUILT_IN, GROUP, base_columns, catalogue
from otelbridge.config.documentation import settings
from otelbridge.config.expressions import parse
from otelbridge.config.expressions.syntax import quoted
from otelbridge.config.load import load
from otelbridge.config.model import SECTION_OF
from otelbridge.config.problems import InvalidConfiguration
from otelbridge.core.component import BuildContext, ComponentConfig, ComponentSpec, Kind
from otelbridge.core.errors import CannotStart
from otelbridge.engine.pipeline import build
from otelbridge.service.fallback import without_destination


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


def anything_for(keys: list[str]) -> st.SearchStrategy[object]:
    scalars = st.none() | st.booleans() | st.integers(-5, 70_000) | st.floats(allow_nan=False, allow_infinity=False)
    texts = st.text(max_size=8) | st.sampled_from(
        ["any", "db", "127.0.0.1:0", "status = 'error'", "https://k@h/1", "="]
    )
    return st.recursive(
        scalars | texts,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(keys), inner, max_size=4),
        max_leaves=8,
    )


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: str(spec.name))
@given(data=st.data())
def test_any_settings_are_refused_or_can_be_built(spec: ComponentSpec[object], data: st.DataObject) -> None:
    keys = sorted({step.removesuffix("[]") for item in settings(spec.config) for step in item.path.split(".")})
    given_settings = data.draw(st.dictionaries(st.sampled_from(keys), anything_for(keys), max_size=5))
    pipeline = {
        "receivers": ["otlp"],
        "processors": ["db_queries", "group_by_trace"],
        "trackers": [],
        "exporters": ["local_store"],
    }
    everything: dict[str, dict[str, object]] = {
        "receivers": {"otlp": {}},
        "processors": {"db_queries": {}, "group_by_trace": {}},
        "trackers": {},
        "exporters": {"local_store": {}},
        "service": {"pipelines": {"traces": pipeline}},
    }
    everything[SECTION_OF[spec.kind]][spec.name] = given_settings
    if spec.name not in pipeline[SECTION_OF[spec.kind]]:
        pipeline[SECTION_OF[spec.kind]].append(spec.name)

    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_text(json.dumps(everything))
        try:
            configuration = load([str(path)], (), {}, catalogue([]))
        except InvalidConfiguration:
            return
        for plan in map(without_destination, configuration.pipelines):
            build(plan.id, plan.processors, plan.exporters, folder, plan.trackers)
            for receiver in plan.receivers:
                receiver.spec.build(receiver.config, BuildContext(receiver.id))


def test_every_column_that_is_documented_can_be_used_in_a_condition() -> None:
    columns = {column.name: column for column in base_columns()}

    for name in columns:
        assert parse(f"{quoted(name)} IS NULL", columns).columns == {name}


def test_every_added_column_is_named_once_and_has_a_meaning() -> None:
    for spec in BUILT_IN:
        names = [column.name for column in spec.adds]
        assert len(names) == len(set(names))
        assert all(column.meaning for column in spec.adds)

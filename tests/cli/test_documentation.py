from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from otelbridge.catalogue import BUILT_IN, base_columns, catalogue
from otelbridge.cli import documentation
from otelbridge.cli.described import by_name, names
from otelbridge.cli.main import main
from otelbridge.config.load import load
from otelbridge.config.model import Catalogue

STALE = "stale: run `make docs`"


@pytest.mark.parametrize("path", documentation.generated())
def test_what_is_generated_is_fresh(path: str) -> None:
    assert (documentation.CHECKOUT / path).read_text(encoding="utf-8") == documentation.generated()[path], STALE


def test_no_page_is_left_of_a_component_that_is_gone() -> None:
    pages = {f"docs/components/{page.name}" for page in (documentation.CHECKOUT / "docs/components").glob("*.md")}

    assert pages - set(documentation.generated()) == set(), STALE


def test_the_files_are_written_and_pages_of_no_component_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documentation, "CHECKOUT", tmp_path)
    (tmp_path / "docs/components").mkdir(parents=True)
    (tmp_path / "docs/components/gone.md").touch()

    assert documentation.main() == 0

    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(documentation.generated())


def test_the_example_configuration_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--config", str(documentation.CHECKOUT / "config.example.yaml")]) == 0

    assert capsys.readouterr().out == "valid: traces, metrics\n"


def test_the_example_configuration_changes_nothing_but_what_it_must() -> None:
    example = load([str(documentation.CHECKOUT / "config.example.yaml")], (), {}, catalogue())
    default = load(["default"], (), {}, catalogue())

    assert example.service == default.service
    for kind, components in default.components.items():
        for name, item in components.items():
            assert example.components[kind][name].config == item.config


@pytest.mark.parametrize("name", names(Catalogue.of(BUILT_IN, base_columns())))
def test_the_example_of_a_component_is_yaml_with_every_setting(name: str) -> None:
    for described in by_name(catalogue(), name):
        yaml.safe_load(described.example)
        last_steps = [setting.path.split(".")[-1] for setting in described.settings if "NAME" not in setting.path]
        assert [step for step in last_steps if f"{step}:" not in described.example] == []

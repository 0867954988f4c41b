"""docs/configuration.md says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otelbridge.cli.main import main

PAGE = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")


def example() -> str:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def test_the_example_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(example())

    assert main(["validate", "--config", str(path)]) == 0
    assert capsys.readouterr().out == "valid: traces\n"


def test_a_mistake_looks_as_it_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(example().replace("slow_query_ms", "slow_query"))

    assert main(["validate", "--config", "config.yaml"]) == 78

    shown = re.search(r"(?m)^    config\.yaml:.*\n(?:    .*\n)*", PAGE)
    assert shown is not None
    assert capsys.readouterr().err == re.sub(r"(?m)^    ", "", shown[0])

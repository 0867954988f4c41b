from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from otelbridge.cli.main import main
from tests.config.catalogue import BASE

DSN = "https://k3y0fs3ntry@host/1"


@pytest.fixture(autouse=True)
def _catalogue(small_catalogue: None) -> None:
    """All of these print small components."""


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "a.yaml"
    path.write_text(BASE.replace("sentry:\n", "sentry: {dsn: '${env:DSN}', headers: {a: " + DSN + "}}\n"))
    return str(path)


def test_defaults_are_filled_in(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["print-config", "--config", path, "--set", "processors.mark.slow_ms=7"]) == 0

    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["processors"]["mark"] == {
        "slow_ms": 7.0,
        "label": "slow",
        "mode": "auto",
        "repeats": 5,
        "names": [],
        "weights": {},
        "strict": False,
    }
    assert printed["service"]["storage"]["log"] == "sqlite"
    assert printed["service"]["pipelines"]["traces"]["processors"] == ["mark", "group_by_trace", "sample"]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_secrets_are_redacted(
    path: str, form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSN", DSN)

    assert main(["print-config", "--config", path, "--format", form]) == 0

    printed = capsys.readouterr().out
    read = json.loads(printed) if form == "json" else yaml.safe_load(printed)
    assert read["exporters"]["sentry"]["dsn"] == "[REDACTED]"
    assert read["exporters"]["sentry"]["headers"] == {"a": "[REDACTED]"}
    assert "k3y0fs3ntry" not in printed


def test_secrets_are_shown_when_asked_for(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSN", DSN)

    assert main(["print-config", "--config", path, "--mode", "unredacted"]) == 0

    assert yaml.safe_load(capsys.readouterr().out)["exporters"]["sentry"]["dsn"] == DSN


def test_an_empty_secret_is_shown_as_empty(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSN", "")

    assert main(["print-config", "--config", path]) == 0

    assert yaml.safe_load(capsys.readouterr().out)["exporters"]["sentry"]["dsn"] == ""


def test_what_is_printed_is_a_configuration_again(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSN", DSN)
    assert main(["print-config", "--config", path, "--mode", "unredacted"]) == 0
    first = capsys.readouterr().out
    (tmp_path / "b.yaml").write_text(first)

    assert main(["print-config", "--config", str(tmp_path / "b.yaml"), "--mode", "unredacted"]) == 0

    assert capsys.readouterr().out == first


def test_warnings_go_to_stderr(path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSN", raising=False)

    assert main(["print-config", "--config", path]) == 0

    printed = capsys.readouterr()
    assert printed.err.startswith(f"warning: {path}:")
    head, *excerpt = printed.err.splitlines()
    assert head.endswith("the environment variable DSN is not set, so it counts as empty")
    assert excerpt == [
        "  8 |   sentry: {dsn: [REDACTED], headers: {a: [REDACTED]}}",
        "    |                 ^^^^^^^^^^",
    ]
    yaml.safe_load(printed.out)

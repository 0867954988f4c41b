from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from otelbridge import __version__
from otelbridge.cli.main import COMMANDS, main
from tests.config.catalogue import BASE

OTELBRIDGE = [sys.executable, "-m", "otelbridge"]
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OTELBRIDGE, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


def test_the_version_is_told_at_once() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    result = run("--version")

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.stdout == f"otelbridge {__version__}\n"
    # Polars alone takes 0.16 s, gRPC as much: they must not be imported for this.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: otelbridge" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nothing"], ["validate", "--nothing"], ["print-config", "--format", "xml"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage: otelbridge" in capsys.readouterr().err


@pytest.mark.usefixtures("small_catalogue")
def test_a_wrong_configuration_exits_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(BASE + "  batch: {max_spans: 0}\n")

    assert main(["validate", "--config", str(path)]) == 78

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"{path}:15:22: service.batch.max_spans: must be at least 1, got 0\n"
        "  15 |   batch: {max_spans: 0}\n"
        "     |                      ^\n"
        "1 problem; nothing was started.\n"
    )


def test_what_else_a_user_can_repair_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components", "db_querys"]) == 1

    assert capsys.readouterr().err == ("otelbridge: no component is called `db_querys`; did you mean `db_queries`?\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    result = subprocess.run(
        [*OTELBRIDGE, "components", "--columns"],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    os.close(writing)

    assert (result.returncode, result.stderr) == (0, b"")

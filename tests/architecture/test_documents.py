"""What the documents say can be done."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otelbridge.catalogue import catalogue
from otelbridge.config.load import load

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "getting-started.md"]
# Not for a test: fetching the project, settings of the reader's own shell, and a daemon that runs until it is stopped
# (tests/e2e start it).
NOT_RUN = re.compile(r"git clone|cd otelbridge|export |SENTRY_DSN=|make run$")


def commands() -> list[str]:
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```console\n(.*?)```", document.read_text(), re.DOTALL):
            found += [line for line in block.splitlines() if line and not NOT_RUN.match(line)]
    return sorted(set(found))


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("make ")])
def test_a_make_target_of_the_documents_exists(command: str) -> None:
    make = shutil.which("make")
    assert make is not None

    done = subprocess.run([make, "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [line for line in commands() if not line.startswith("make ")])
def test_a_command_of_the_documents_works(command: str) -> None:
    program, *arguments = command.split()
    assert program == ".venv/bin/otelbridge"

    done = subprocess.run(
        [sys.executable, "-m", "otelbridge", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_readmes_configuration_is_valid(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    file = tmp_path / "readme.yaml"
    file.write_text(text)

    configuration = load([str(file)], [], {"SENTRY_DSN": "https://a@sentry.example/1"}, catalogue())

    assert [plan.id for plan in configuration.pipelines] == ["traces"]


@pytest.mark.parametrize("document", sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]), ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_the_ready_made_configurations_are_valid() -> None:
    names = sorted(path.stem for path in (ROOT / "pipelines").glob("*.yaml"))

    assert "default" in names
    for name in names:
        load([name], [], {"SENTRY_DSN": "https://a@sentry.example/1"}, catalogue())

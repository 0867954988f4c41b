"""What the documents say can be done."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otelbridge.catalogue import BUILT_IN, catalogue
from otelbridge.config.load import load
from otelbridge.core.component import Kind

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


@pytest.mark.parametrize(
    ("number", "pipeline", "added"), [(0, "metrics", "capacity/orders"), (1, "traces", "capacity")]
)
def test_an_addition_in_getting_started_is_valid_and_adds_a_tracker(
    number: int, pipeline: str, added: str, tmp_path: Path
) -> None:
    text = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "getting-started.md").read_text(), re.DOTALL)[number]
    file = tmp_path / "addition.yaml"
    file.write_text(text)

    configuration = load(["default", str(file)], [], {}, catalogue())

    before = {plan.id: [one.id for one in plan.trackers] for plan in load(["default"], [], {}, catalogue()).pipelines}
    after = {plan.id: [one.id for one in plan.trackers] for plan in configuration.pipelines}
    assert after == {**before, pipeline: [*before[pipeline], added]}
    assert configuration.warnings == ()


TRACKERS = [spec.name for spec in BUILT_IN if spec.kind is Kind.TRACKER]
SECTIONS = [
    "When it fires",
    "When it stays silent",
    "What the finding says",
    "Which settings to turn, and when",
    "What it costs",
    "Limits",
    "How it was measured",
]


@pytest.mark.parametrize("name", TRACKERS)
def test_the_page_of_a_tracker_answers_what_an_operator_asks(name: str) -> None:
    page = (ROOT / "docs" / "trackers" / f"{name}.md").read_text()

    assert [title for title in re.findall(r"^## (.+)$", page, re.MULTILINE) if title in SECTIONS] == SECTIONS


@pytest.mark.parametrize("name", TRACKERS)
def test_the_page_of_a_tracker_names_settings_that_there_are(name: str) -> None:
    page = (ROOT / "docs" / "trackers" / f"{name}.md").read_text()
    turned = page.split("## Which settings to turn")[1].split("##")[0]
    reference = (ROOT / "docs" / "components" / f"{name}.md").read_text()

    for setting in re.findall(r"(?:raise|lower) (?:its )?`(\w+)`|(?:or|the) `(\w+)`", turned):
        (word,) = [one for one in setting if one]
        assert re.search(rf"\b{word}`", reference), word


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

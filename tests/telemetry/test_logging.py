"""The daemon's own log says things once."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pytest
import structlog

from otelbridge.telemetry.logging import QUIET_SECONDS, Format, configure, logger


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(text) for text in out.getvalue().splitlines()]


def test_a_repeated_message_is_counted_instead(out: io.StringIO) -> None:
    clock = Clock()
    configure("info", "json", clock, out)
    log = logger("test")

    for _ in range(5):
        log.warning("delivery failed", reason="away")
    clock.now += QUIET_SECONDS
    log.warning("delivery failed", reason="away")
    structlog.reset_defaults()

    first, second = lines(out)
    assert "repeated" not in first
    assert second["repeated"] == 4


def test_the_same_message_about_another_pipeline_is_no_repeat(out: io.StringIO) -> None:
    configure("info", "json", Clock(), out)

    for pipeline in ("traces", "metrics", "traces"):
        logger("service").info("exporting", pipeline=pipeline)
    structlog.reset_defaults()

    assert [line["pipeline"] for line in lines(out)] == ["traces", "metrics"]


def test_findings_about_different_things_are_no_repeats(out: io.StringIO) -> None:
    configure("info", "json", Clock(), out)

    for title, environment in (
        ("A became slower", "prod"),
        ("A became slower", "staging"),
        ("B became slower", "prod"),
    ):
        logger("service").info("finding raised", title=title, environment=environment)
    structlog.reset_defaults()

    assert len(lines(out)) == 3


def test_different_messages_are_not_repeats(out: io.StringIO) -> None:
    configure("info", "json", Clock(), out)

    logger("a").info("started")
    logger("b").info("started")
    logger("a").info("stopped")
    structlog.reset_defaults()

    assert [(line["component"], line["event"]) for line in lines(out)] == [
        ("a", "started"), ("b", "started"), ("a", "stopped"),
    ]  # fmt: skip


def test_what_is_below_the_level_is_not_shown(out: io.StringIO) -> None:
    configure("warning", "json", Clock(), out)

    logger("a").info("chatter")
    structlog.reset_defaults()

    assert out.getvalue() == ""


def test_off_a_terminal_it_is_json_with_the_error(out: io.StringIO) -> None:
    configure("info", "auto", Clock(), out)

    try:
        raise ValueError("broken")
    except ValueError as error:
        logger("a").error("component failed", exc_info=error)
    structlog.reset_defaults()

    (line,) = lines(out)
    assert line["level"] == "error"
    assert "broken" in json.dumps(line["exception"])


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_shows_no_values_of_variables(style: Format, out: io.StringIO) -> None:
    configure("info", style, Clock(), out)
    statement = " ".join(["secret", "statement"])

    try:
        raise ValueError(len(statement))
    except ValueError as error:
        logger("test").error("component failed", exc_info=error)
    structlog.reset_defaults()

    assert "ValueError" in out.getvalue()
    assert "secret statement" not in out.getvalue()

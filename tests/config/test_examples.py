from __future__ import annotations

import re
from pathlib import Path

from otelbridge.config.examples import component_example, service_example, whole_example
from otelbridge.core.component import Kind
from tests.config.catalogue import BASE, CATALOGUE, load_texts

PIPELINES = (
    "traces:",
    "  receivers: [otlp]",
    "  processors: [mark, group_by_trace, sample]",
    "  exporters: [sentry]",
)


def test_the_whole_example_is_a_configuration_with_the_defaults(tmp_path: Path) -> None:
    configuration = load_texts(tmp_path, whole_example(CATALOGUE, PIPELINES))

    for components in configuration.components.values():
        for item in components.values():
            assert item.config == item.spec.config()
    assert configuration.service == load_texts(tmp_path, BASE).service
    assert [warning.splitlines()[0].partition(": ")[2] for warning in configuration.warnings] == [
        "processors.share: defined, but in no pipeline: it does nothing",
        "trackers.watch: defined, but in no pipeline: it does nothing",
    ]


def test_every_setting_is_there_with_its_documentation() -> None:
    example = component_example(CATALOGUE.specs[Kind.PROCESSOR, "mark"])

    assert example.startswith("processors:\n  # marks slow spans\n  mark:\n    # What is slow. (number, more than 0)\n")
    assert '    # A choice. ("on" | "off" | auto)\n    mode: auto\n' in example


def test_what_is_commented_out_can_be_used(tmp_path: Path) -> None:
    example = component_example(CATALOGUE.specs[Kind.PROCESSOR, "sample"])
    used = re.sub(
        r"(?m)^( +)# (rules:| {2}.*)$", r"\1\2", example.replace("      rules: []\n", "").replace("    rules: []\n", "")
    )

    configuration = load_texts(tmp_path, BASE, used)

    (rule,) = configuration.components[Kind.PROCESSOR]["sample"].config.rules  # type: ignore[attr-defined]
    assert (rule.name, rule.any_span, rule.keep) == ("CHANGE_ME", "TRUE", 1.0)


def test_an_optional_group_is_a_comment() -> None:
    example = component_example(CATALOGUE.specs[Kind.RECEIVER, "otlp"])

    assert "    # extra:\n    #   # host:port. (text)\n    #   endpoint: 127.0.0.1:4317\n" in example


def test_the_service_section_is_complete(tmp_path: Path) -> None:
    text = BASE[: BASE.index("service:")] + service_example(PIPELINES)

    assert load_texts(tmp_path, text).service == load_texts(tmp_path, BASE).service

from __future__ import annotations

import pytest

from otelbridge.cli.main import main


@pytest.mark.usefixtures("small_catalogue")
def test_every_component_is_listed_with_its_kind_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("receivers:\n  otlp  alpha  receives OTLP\n\nprocessors:\n")
    assert "  group_by_trace  alpha  groups spans by trace\n" in printed
    assert "exporters:\n  sentry  alpha  sends to Sentry\n" in printed


@pytest.mark.usefixtures("small_catalogue")
def test_one_component_is_documented_completely(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components", "sample"]) == 0

    assert (
        capsys.readouterr().out
        == """\
sample (processor, alpha)
  samples traces
  Looks at whole traces: it must stand after `group_by_trace`.

settings:
  rules: list of settings; default []
      First match decides.
  rules[].name: text; required
      What it is called.
  rules[].any_span: condition; default "TRUE"
      Which traces.
  rules[].keep: number, at least 0, at most 1; default 1.0
      How many of them.

example, with every setting:
  processors:
    # samples traces
    sample:
      # First match decides. (list of settings)
      rules: []
      # rules:
      #   # What it is called. (text)
      #   - name: CHANGE_ME
      #     # Which traces. (condition)
      #     any_span: "TRUE"
      #     # How many of them. (number, at least 0, at most 1)
      #     keep: 1.0
"""
    )


@pytest.mark.usefixtures("small_catalogue")
def test_the_service_section_is_documented_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components", "service"]) == 0

    printed = capsys.readouterr().out
    assert "storage.log: sqlite | memory; default sqlite" in printed
    assert "pipelines.NAME.receivers: list of text, not empty; required" in printed


@pytest.mark.usefixtures("small_catalogue")
def test_columns_and_functions_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components", "--columns"]) == 0

    printed = capsys.readouterr().out
    assert "  duration_ms  " in printed
    assert "whether the span is slow (added by mark)" in printed
    assert "  coalesce(value, ...)  " in printed

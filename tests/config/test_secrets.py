"""No way in leads a secret out again: each test takes another way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.catalogue import BASE, load_texts, refused

KEY = "k3y0fs3ntry"
DSN = f"https://{KEY}@o1.ingest.sentry.io/42"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"exporters: {{sentry: {{dsn: [{DSN}]}}}}", id="a list for a secret"),
        pytest.param(f"exporters: {{sentry: {{dsn: {{url: '{DSN}'}}}}}}", id="settings for a secret"),
        pytest.param(
            f"exporters: {{sentry: {{dsn: {DSN.replace('https', 'http')}}}}}", id="a validator that quotes it"
        ),
        pytest.param(f"exporters: {{sentry: {{dns: {DSN}}}}}", id="a misspelt key"),
        pytest.param(f"exporters: {{sentry: {{dns: [[{DSN}]]}}}}", id="deep under a misspelt key"),
        pytest.param(f"exporters: {{sentri: {{dsn: {DSN}}}}}", id="an unknown component"),
        pytest.param(f"exporters: {{sentry: {DSN}}}", id="in the place of settings"),
        pytest.param(f"exporters: {DSN}", id="in the place of components"),
        pytest.param(f"exporter: {{sentry: {{dsn: {DSN}}}}}", id="an unknown section"),
        pytest.param(f"exporters: {{sentry: {{dsn: {DSN}, timeout_seconds: x}}}}", id="beside a mistake"),
        pytest.param(f"exporters:\n  sentry:\n    timeout_seconds: x  # was {DSN}", id="in a comment"),
        pytest.param(f"exporters: {{sentry: {{'{DSN}': 5}}}}", id="as a key"),
        pytest.param(f"exporters: {{sentry: {{dsn:{DSN}}}}}", id="a blank is missing"),
        pytest.param(f"exporters:\n  sentry:\n    dsn:{DSN}\n    timeout_seconds: 5", id="no YAML: a blank is missing"),
        pytest.param(f"exporters:\n  sentry:\n    dsn: '{DSN}\n", id="no YAML: an open quote"),
        pytest.param(f"exporters:\n  sentry:\n    dsn: {DSN}: x\n", id="no YAML: a colon too many"),
        pytest.param(f"exporters:\n  sentry:\n    dsn: {DSN}\n    dsn: {DSN}", id="a key that stands twice"),
        pytest.param(f"exporters:\n  sentry:\n    dsn: !secret {DSN}", id="a tag"),
        pytest.param(f"exporters:\n  sentry:\n    dsn: |\n      x\n      {DSN}\n", id="a block"),
        pytest.param(f"exporters: {{sentry: {{headers: {{a: [{KEY}]}}}}}}", id="in a map of secrets"),
        pytest.param(f"receivers: {{otlp: {{tokens: {{a: {KEY}}}}}}}", id="a map for a list of secrets"),
        pytest.param(f"x: &x {DSN}\nprocessors: {{mark: {{slow_ms: *x}}}}", id="an alias from an unknown key"),
        pytest.param(f"exporters: {{sentry: {{dsn: '${{env:{DSN}}}'}}}}", id="as the name of a variable"),
        pytest.param(f"exporters: {{sentry: {{dsn: '${{env:NONE:-{DSN}'}}}}", id="as an unclosed default"),
        pytest.param(f"exporters: {{sentry: {{dsn: ['${{env:NONE:-{DSN}}}']}}}}", id="as a default"),
        pytest.param(f"processors: {{mark: {{slow_ms: '{DSN}'}}}}", id="in a setting that is no secret"),
        pytest.param(f"service: {{pipelines: {{traces: {{exporters: ['{DSN}']}}}}}}", id="as the id of a component"),
        pytest.param(f"service: {{pipelines: {{'{DSN}': {{}}}}}}", id="as the id of a pipeline"),
        pytest.param(f"processors: {{sample: {{rules: [{{name: a, any_span: '{DSN}'}}]}}}}", id="as a condition"),
        pytest.param(DSN, id="as the whole file"),
    ],
)
def test_no_message_holds_a_secret_of_a_file(tmp_path: Path, text: str) -> None:
    assert KEY not in refused(tmp_path, text)


@pytest.mark.parametrize(
    "setting",
    [
        f"exporters.sentry.dsn=[{DSN}]",
        f"exporters.sentry.dns={DSN}",
        f"exporters.sentry.dsn=http://{KEY}@host/1",
        f"exporters.sentry={DSN}",
        f"exporters={DSN}",
        f"exporters.sentry.headers={{a: [{KEY}]}}",
        f"{DSN}",
        f"{DSN}?a=b",
        f"exporters.sentry.dsn:{DSN}",
        f"exporters.sentry.{DSN}=5",
        f"processors.mark.slow_ms={DSN}",
    ],
)
def test_no_message_holds_a_secret_of_the_command_line(tmp_path: Path, setting: str) -> None:
    assert KEY not in refused(tmp_path, settings=(setting,))


@pytest.mark.parametrize(
    "path",
    [
        "exporters.sentry.dns",
        "exporters.sentry.timeout_seconds",
        "exporters.sentry",
        "exporters",
        "processors.mark.slow_ms",
        "processors.mark.mode",
        "service.pipelines.traces.receivers",
        "service.telemetry.metrics.endpoint",
    ],
)
@pytest.mark.parametrize("value", [DSN, KEY, f"[{DSN}]", f"{{a: {KEY}}}"])
def test_no_message_holds_what_a_variable_holds(tmp_path: Path, path: str, value: str) -> None:
    assert KEY not in refused(tmp_path, settings=(path + "=${env:S}",), environment={"S": value})


def test_a_validator_that_quotes_a_part_of_a_secret_is_not_repeated(tmp_path: Path) -> None:
    said = refused(tmp_path, "exporters: {sentry: {dsn: '${env:S}'}}", environment={"S": f"http://{KEY}@host/1"})

    assert "exporters.sentry.dsn: not valid" in said
    assert KEY not in said


def test_no_warning_holds_a_secret(tmp_path: Path) -> None:
    text = f"exporters:\n  sentry: {{dsn: '{DSN}${{env:NONE}}'}}\n  sentry/b: {{dsn: {DSN}}}  # {DSN}\n"

    configuration = load_texts(tmp_path, BASE, text)

    assert len(configuration.warnings) == 2
    assert KEY not in "\n".join(configuration.warnings)


def test_a_loaded_configuration_does_not_print_its_secrets(tmp_path: Path) -> None:
    configuration = load_texts(tmp_path, BASE, f"exporters: {{sentry: {{dsn: {DSN}, headers: {{a: {KEY}}}}}}}")

    assert KEY not in repr(configuration)
    assert KEY not in str(configuration)

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otelbridge.config.load import load
from otelbridge.config.model import Configuration
from otelbridge.config.problems import InvalidConfiguration
from otelbridge.core.component import Kind
from tests.config.catalogue import (
    BASE,
    CATALOGUE,
    MarkConfig,
    OtlpConfig,
    Protocol,
    SentryConfig,
    heads,
    load_texts,
    refused,
)

PROCESSORS = "mark, group_by_trace, sample, share"


def mark(configuration: Configuration) -> MarkConfig:
    config = configuration.components[Kind.PROCESSOR]["mark"].config
    assert isinstance(config, MarkConfig)
    return config


def sentry(configuration: Configuration) -> SentryConfig:
    config = configuration.components[Kind.EXPORTER]["sentry"].config
    assert isinstance(config, SentryConfig)
    return config


def test_components_stand_in_their_pipeline_in_order(tmp_path: Path) -> None:
    configuration = load_texts(tmp_path, BASE)

    (plan,) = configuration.pipelines
    assert plan.id == "traces"
    assert [item.id for item in plan.receivers] == ["otlp"]
    assert [item.id for item in plan.processors] == ["mark", "group_by_trace", "sample"]
    assert [item.spec.name for item in plan.exporters] == ["sentry"]
    assert mark(configuration) == MarkConfig()
    assert configuration.warnings == ()


def test_later_files_and_then_settings_win(tmp_path: Path) -> None:
    configuration = load_texts(
        tmp_path,
        BASE,
        "processors: {mark: {slow_ms: 5, label: a, names: [x, y]}}",
        "processors: {mark: {label: b, names: [z]}}",
        settings=("processors.mark.slow_ms=7",),
    )

    assert mark(configuration) == MarkConfig(slow_ms=7, label="b", names=("z",))


def test_an_empty_value_brings_the_default_back(tmp_path: Path) -> None:
    first = "processors: {mark: {slow_ms: 5, label: a}}"

    assert mark(load_texts(tmp_path, BASE, first, "processors: {mark: {slow_ms: }}")) == MarkConfig(label="a")
    assert mark(load_texts(tmp_path, BASE, first, "processors: {mark: }")) == MarkConfig()


def test_a_key_that_switches_something_on_is_seen_without_a_value(tmp_path: Path) -> None:
    without = load_texts(tmp_path, BASE).components[Kind.RECEIVER]["otlp"].config
    empty = "receivers: {otlp: {extra: }}\nservice: {telemetry: {metrics: {endpoint: ''}}}"

    configuration = load_texts(tmp_path, BASE, empty, "receivers: {otlp: {grpc: {endpoint: 'localhost:0'}}}")

    assert isinstance(without, OtlpConfig)
    assert without.extra is None
    config = configuration.components[Kind.RECEIVER]["otlp"].config
    assert isinstance(config, OtlpConfig)
    assert config.extra == Protocol()


def test_a_required_setting_without_a_value_is_missing(tmp_path: Path) -> None:
    said = refused(tmp_path, "processors: {sample: {rules: [{name: }]}}")

    assert heads(said) == ["processors.sample.rules[0].name: required, but not set"]


def test_a_component_can_stand_under_several_ids(tmp_path: Path) -> None:
    text = """
processors:
  mark/b: {label: b}
service: {pipelines: {traces: {processors: [mark, mark/b, group_by_trace, sample]}}}
"""

    configuration = load_texts(tmp_path, BASE, text)

    assert [item.id for item in configuration.pipelines[0].processors] == ["mark", "mark/b", "group_by_trace", "sample"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("label: 1.10", MarkConfig(label="1.10")),
        ("label: 0123", MarkConfig(label="0123")),
        ("label: yes", MarkConfig(label="yes")),
        ("mode: on", MarkConfig(mode="on")),
        ("names: [1, no, a]", MarkConfig(names=("1", "no", "a"))),
        ("repeats: 7", MarkConfig(repeats=7)),
        ("repeats: many", MarkConfig(repeats="many")),
        ("slow_ms: 5", MarkConfig(slow_ms=5.0)),
        ("slow_ms: 0x10", MarkConfig(slow_ms=16.0)),
        ("weights: {a: 1, b: 2.5}", MarkConfig(weights={"a": 1.0, "b": 2.5})),
        ("strict: yes", MarkConfig(strict=True)),
    ],
)
def test_a_value_is_read_as_its_setting_wants_it(tmp_path: Path, written: str, read: MarkConfig) -> None:
    assert mark(load_texts(tmp_path, BASE, f"processors: {{mark: {{{written}}}}}")) == read


@pytest.mark.parametrize(
    ("written", "environment", "read"),
    [
        ("slow_ms: ${env:X}", {"X": "5"}, MarkConfig(slow_ms=5.0)),
        ("slow_ms: ${env:X:-7}", {}, MarkConfig(slow_ms=7.0)),
        ("slow_ms: ${env:X}", {"X": ""}, MarkConfig()),
        ("slow_ms: ${env:X}", {}, MarkConfig()),
        ("slow_ms: 1${env:X}", {"X": "0"}, MarkConfig(slow_ms=10.0)),
        ("label: ${env:X}", {"X": "0123"}, MarkConfig(label="0123")),
        ("label: ${env:X}", {"X": "~"}, MarkConfig(label="~")),
        ("label: ${env:X}", {"X": ""}, MarkConfig(label="")),
        ("label: a$${env:X}", {"X": "b"}, MarkConfig(label="a${env:X}")),
        ("mode: ${env:X}", {"X": ""}, MarkConfig()),
        ("mode: ${env:X}", {"X": "off"}, MarkConfig(mode="off")),
        ("names: ${env:X}", {"X": "[a, b]"}, MarkConfig(names=("a", "b"))),
        ("weights: ${env:X}", {"X": "{a: 1}"}, MarkConfig(weights={"a": 1.0})),
        ("weights: ${env:X}", {"X": ""}, MarkConfig()),
    ],
)
def test_a_variable_is_read_as_its_setting_wants_it(
    tmp_path: Path, written: str, environment: dict[str, str], read: MarkConfig
) -> None:
    text = f"processors:\n  mark:\n    {written}\n"

    assert mark(load_texts(tmp_path, BASE, text, environment=environment)) == read


def test_a_secret_keeps_its_characters(tmp_path: Path) -> None:
    text = "exporters: {sentry: {dsn: '${env:DSN}', headers: {a: 0123}}}"

    config = sentry(load_texts(tmp_path, BASE, text, environment={"DSN": "https://k:1@h/1"}))

    assert config.dsn.get_secret_value() == "https://k:1@h/1"
    assert config.headers["a"].get_secret_value() == "0123"


def test_a_variable_that_is_not_set_is_a_warning(tmp_path: Path) -> None:
    configuration = load_texts(tmp_path, BASE, "processors: {mark: {label: '${env:NONE}'}}")

    (warning,) = configuration.warnings
    head, shown, _ = warning.splitlines()
    assert shown == "  1 | processors: {mark: {label: '${env:NONE}'}}"
    assert head.endswith("2.yaml:1:28: the environment variable NONE is not set, so it counts as empty")


def test_a_component_in_no_pipeline_is_a_warning(tmp_path: Path) -> None:
    configuration = load_texts(tmp_path, BASE, "processors:\n  mark/b:\n")

    (warning,) = configuration.warnings
    assert warning.endswith(
        "2.yaml:2:3: processors.mark/b: defined, but in no pipeline: it does nothing\n  2 |   mark/b:\n    |   ^^^^^^"
    )


def test_settings_that_are_odd_are_a_warning(tmp_path: Path) -> None:
    text = """
processors:
  share: {key: []}
service: {pipelines: {traces: {processors: [group_by_trace, share]}}}
"""

    warnings = load_texts(tmp_path, BASE, text).warnings

    assert warnings[0].splitlines()[0].endswith("2.yaml:3:3: processors.share: without a key it does nothing")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_files(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        "processors:\n  mark: {slow_ms: x}\nexporters:\n  sentri:\n",
        "service: {batch: {max_span: 5}, pipelines: {traces: {exporters: [sentri, nothing]}}}",
        settings=("processors.sample.rule=[]",),
    )

    assert said == (
        "--set processors.sample.rule: unknown setting; did you mean `rules`?\n"
        "2.yaml:2:19: processors.mark.slow_ms: expected a number, got x\n"
        "  2 |   mark: {slow_ms: x}\n"
        "    |                   ^\n"
        "2.yaml:4:3: exporters.sentri: unknown exporter; did you mean `sentry`?\n"
        "  4 |   sentri:\n"
        "    |   ^^^^^^\n"
        "3.yaml:1:19: service.batch.max_span: unknown setting; did you mean `max_spans`?\n"
        "  1 | service: {batch: {max_span: [REDACTED]}, pipelines: {traces: {exporters: [sentri, nothing]}}}\n"
        "    |                   ^^^^^^^^\n"
        "3.yaml:1:74: service.pipelines.traces.exporters[1]: no exporter `nothing` is defined under `exporters`\n"
        "  1 | service: {batch: {max_span: [REDACTED]}, pipelines: {traces: {exporters: [sentri, nothing]}}}\n"
        "    |                                                                                   ^^^^^^^\n"
        "5 problems; nothing was started."
    )


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("receiver: {}", "receiver: unknown section; did you mean `receivers`?"),
        ("extensions: {}", "extensions: unknown section; otelbridge has none"),
        ("receivers: [otlp]", "receivers: expected components by id (`type:` or `type/name:`)"),
        ("processors: {mark/: {}}", "processors.mark/: an id is `type` or `type/name`"),
        (
            "processors: {xyzzy: {}}",
            "processors.xyzzy: unknown processor; there are mark, group_by_trace, sample, share",
        ),
        (
            "processors: {sentry: {}}",
            "processors.sentry: unknown processor; `sentry` is a kind of exporter, define it under `exporters`",
        ),
        ("processors: {mark: {strct: }}", "processors.mark.strct: unknown setting; did you mean `strict`?"),
        ("processors: {mark: 5}", "processors.mark: expected settings (`key: value` lines)"),
        (
            "processors: {mark: {mode: oof}}",
            "processors.mark.mode: expected one of 'on', 'off' or 'auto', got oof; did you mean `off`?",
        ),
        ("processors: {mark: {slow_ms: '5'}}", 'processors.mark.slow_ms: expected a number, got "5"'),
        ("processors: {mark: {slow_ms: 0}}", "processors.mark.slow_ms: must be greater than 0, got 0"),
        ("processors: {mark: {slow_ms: 1e999}}", "processors.mark.slow_ms: expected a number, got 1e999"),
        ("processors: {mark: {names: a}}", "processors.mark.names: expected a list, got a"),
        ("processors: {mark: {names: [a, [b]]}}", "processors.mark.names[1]: expected text, got a list"),
        ("processors: {mark: {names: [a, ~]}}", "processors.mark.names[1]: expected text, got ~"),
        ("processors: {mark: {weights: {a: b}}}", "processors.mark.weights.a: expected a number, got b"),
        (
            "processors: {mark: {repeats: lots}}",
            "processors.mark.repeats: expected a whole number or one of 'many', got lots",
        ),
        ("processors: {mark: {strict: 1}}", "processors.mark.strict: expected true or false, got 1"),
        ("processors: {mark: {label: {a: b}}}", "processors.mark.label: expected text, got settings"),
        (
            "exporters: {sentry: {timeout_seconds: true}}",
            "exporters.sentry.timeout_seconds: expected a whole number, got true",
        ),
        ("exporters: {sentry: {timeout_seconds: 61}}", "exporters.sentry.timeout_seconds: must be at most 60, got 61"),
        (
            "exporters: {sentry: {timeout_seconds: 1.5}}",
            "exporters.sentry.timeout_seconds: expected a whole number, got 1.5",
        ),
        ("processors: {sample: {rules: [{}]}}", "processors.sample.rules[0].name: required, but not set"),
        (
            "service: {pipelines: {traces: {receivers: []}}}",
            "service.pipelines.traces.receivers: needs at least 1 entry, got a list",
        ),
        ("service: {pipelines: {traces: {exporters: }}}", "service.pipelines.traces.exporters: required, but not set"),
        (
            "service: {telemetry: {metrics: {endpoint: here}}}",
            "service.telemetry.metrics.endpoint: write host:port, for example 127.0.0.1:8888 or 0.0.0.0:8888",
        ),
        ("5", "a configuration is made of sections: `receivers:`, `service:` ..."),
        ("[a]", "a configuration is made of sections: `receivers:`, `service:` ..."),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, head: str) -> None:
    assert heads(refused(tmp_path, text)) == [head]


def test_a_required_setting_whose_variable_is_empty_says_so(tmp_path: Path) -> None:
    text = "service: {pipelines: {traces: {exporters: '${env:X}'}}}"

    said = refused(tmp_path, text, environment={"X": ""})

    assert heads(said) == [
        "service.pipelines.traces.exporters: required, but not set; its environment variable is empty"
    ]


def test_values_of_variables_are_named_and_not_shown(tmp_path: Path) -> None:
    text = "processors: {mark: {slow_ms: '${env:X}'}}"

    said = refused(tmp_path, text, environment={"X": "hidden"})

    assert heads(said) == ["processors.mark.slow_ms: expected a number, got what ${X} holds"]
    assert "hidden" not in said


def test_a_missing_service_section_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="service: required, but not set: it says which pipelines there are"):
        load_texts(tmp_path, "receivers: {otlp: }")


@pytest.mark.parametrize(
    ("section", "written"),
    [
        ("receivers", "receiver"),
        ("processors", "procesors"),
        ("exporters", "exporter"),
        ("service", "services"),
    ],
)
def test_a_misspelt_section_is_told_and_not_what_follows_from_its_absence(
    tmp_path: Path, section: str, written: str
) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        load_texts(tmp_path, BASE.replace(f"{section}:\n", f"{written}:\n", 1))

    assert heads(str(refused.value)) == [f"{written}: unknown section; did you mean `{section}`?"]


def test_beside_a_misspelt_section_the_others_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        load_texts(tmp_path, BASE.replace("exporters:\n", "exporter:\n", 1).replace("[mark,", "[marc,"))

    assert heads(str(refused.value)) == [
        "exporter: unknown section; did you mean `exporters`?",
        "service.pipelines.traces.processors[0]: no processor `marc` is defined under `processors`; "
        "did you mean `mark`?",
    ]


def test_what_a_section_lacks_is_told_although_another_of_nearly_its_name_is_there(tmp_path: Path) -> None:
    said = refused(tmp_path, "exporter: {sentry/b: }\nservice: {pipelines: {traces: {exporters: [sentry/b]}}}")

    assert [head.partition(":")[0] for head in heads(said)] == ["exporter", "service.pipelines.traces.exporters[0]"]


def test_an_empty_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="service: required, but not set"):
        load_texts(tmp_path, "")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"none\.yaml: cannot be read: No such file or directory"):
        load([str(tmp_path / "none.yaml")], (), {}, CATALOGUE)


KEYS = """
receivers processors exporters service pipelines traces otlp mark sample sentry dsn rules any_span grpc endpoint storage
batch telemetry group_by_trace weights names
"""
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["${env:X}", "otlp", "mark"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS.split()) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(tree=json_like)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example overwrites the files
def test_any_tree_is_a_configuration_or_a_list_of_problems(tmp_path: Path, tree: object) -> None:
    text = json.dumps(tree, ensure_ascii=False)  # which is YAML
    try:
        load_texts(tmp_path, BASE, text, environment={"X": "5"})
    except InvalidConfiguration as error:
        found = error
    else:
        return

    assert found.problems
    assert all(problem.message for problem in found.problems)

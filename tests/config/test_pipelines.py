from __future__ import annotations

from pathlib import Path

import pytest

from otelbridge.config.problems import InvalidConfiguration
from tests.config.catalogue import BASE, heads, load_texts, refused

TRACES = "service.pipelines.traces"


def pipeline(**lists: str) -> str:
    entries = ", ".join(f"{name}: [{ids}]" for name, ids in lists.items())
    return f"service: {{pipelines: {{traces: {{{entries}}}}}}}"


@pytest.mark.parametrize(
    ("text", "head"),
    [
        (
            pipeline(receivers="otlp, otpl"),
            f"{TRACES}.receivers[1]: no receiver `otpl` is defined under `receivers`; did you mean `otlp`?",
        ),
        (
            pipeline(exporters="mark"),
            f"{TRACES}.exporters[0]: `mark` is defined under `processors`, not under `exporters`",
        ),
        (
            pipeline(processors="group_by_trace, sample/x"),
            f"{TRACES}.processors[1]: no processor `sample/x` is defined under `processors`; did you mean `sample`?",
        ),
        (pipeline(receivers="otlp, otlp"), f"{TRACES}.receivers[1]: `otlp` stands here twice"),
        (
            pipeline(processors="mark"),
            f"{TRACES}.processors: `group_by_trace` must be among the processors: exporters get whole traces",
        ),
        (
            "processors: {group_by_trace/b: }\n" + pipeline(processors="group_by_trace, group_by_trace/b"),
            f"{TRACES}.processors[1]: `group_by_trace` can stand in a pipeline once",
        ),
        (
            pipeline(processors="mark, sample, group_by_trace"),
            f"{TRACES}.processors[1]: `sample` looks at whole traces: it must stand after `group_by_trace`",
        ),
    ],
)
def test_a_pipeline_that_cannot_work_is_refused(tmp_path: Path, text: str, head: str) -> None:
    assert heads(refused(tmp_path, text)) == [head]


def test_a_trace_processor_without_grouping_is_refused_with_its_line(tmp_path: Path) -> None:
    said = refused(tmp_path, "service:\n  pipelines:\n    traces:\n      processors: [mark, sample]\n")

    assert said.splitlines()[3:6] == [
        "2.yaml:4:26: service.pipelines.traces.processors[1]: `sample` looks at whole traces: it must stand after "
        "`group_by_trace`",
        "  4 |       processors: [mark, sample]",
        "    |                          ^^^^^^",
    ]


@pytest.mark.parametrize(
    ("pipeline_id", "message"),
    [
        ("logs/x", "pipelines of logs are not supported; those of `traces` or `metrics` are"),
        ("trace", "a pipeline is called `traces` or `metrics`, with /NAME where there are several"),
        ("traces/", "a pipeline is called `traces` or `metrics`, with /NAME where there are several"),
    ],
)
def test_a_pipeline_of_another_name_is_refused(tmp_path: Path, pipeline_id: str, message: str) -> None:
    lists = "{receivers: [otlp], processors: [group_by_trace], exporters: [sentry]}"
    text = f"service: {{pipelines: {{{pipeline_id}: {lists}}}}}"

    assert heads(refused(tmp_path, text)) == [f"service.pipelines.{pipeline_id}: {message}"]


def metrics(**lists: str) -> str:
    return "trackers: {watch: }\n" + pipeline(**lists).replace("traces:", "metrics:")


def test_a_pipeline_of_metrics_needs_no_processors(tmp_path: Path) -> None:
    configuration = load_texts(tmp_path, BASE, metrics(receivers="otlp", trackers="watch", exporters="sentry"))

    assert [plan.signal for plan in configuration.pipelines] == ["traces", "metrics"]


@pytest.mark.parametrize(
    ("lists", "head"),
    [
        (
            {"trackers": "watch", "processors": "mark"},
            "service.pipelines.metrics.processors: processors look at spans: a pipeline of metrics has none",
        ),
        (
            {},
            "service.pipelines.metrics.trackers: required in a pipeline of metrics: what no tracker watches is not "
            "used",
        ),
    ],
)
def test_a_pipeline_of_metrics_that_cannot_work_is_refused(tmp_path: Path, lists: dict[str, str], head: str) -> None:
    assert heads(refused(tmp_path, metrics(receivers="otlp", exporters="sentry", **lists))) == [head]


def test_a_component_that_is_not_defined_is_offered(tmp_path: Path) -> None:
    text = BASE.replace("  group_by_trace:\n", "").replace("  sample:\n", "")

    with pytest.raises(InvalidConfiguration) as caught:
        load_texts(tmp_path, text)

    said = "no processor `group_by_trace` is defined under `processors`; add `group_by_trace:` there"
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "head"),
    [
        (
            "receivers: {otlp: {http: {endpoint: '127.0.0.1:4317'}}}",
            "2.yaml:1:37",
            "receivers.otlp.http.endpoint: the same port as `receivers.otlp.grpc.endpoint`",
        ),
        (
            "receivers: {otlp: {grpc: {endpoint: '0.0.0.0:8888'}}}",
            "2.yaml:1:37",
            "receivers.otlp.grpc.endpoint: the same port as `service.telemetry.metrics.endpoint`",
        ),
        (
            "service: {telemetry: {metrics: {endpoint: 'localhost:4318'}}}",
            "2.yaml:1:43",
            "service.telemetry.metrics.endpoint: the same port as `receivers.otlp.http.endpoint`",
        ),
        (
            "receivers: {otlp/b: {grpc: {endpoint: '127.0.0.1:1'}}}\n" + pipeline(receivers="otlp, otlp/b"),
            "2.yaml:1:13",
            "receivers.otlp/b.http.endpoint: the same port as `receivers.otlp.http.endpoint`",
        ),
    ],
)
def test_one_port_cannot_be_listened_on_twice(tmp_path: Path, text: str, place: str, head: str) -> None:
    said = refused(tmp_path, text)

    assert heads(said) == [head]
    assert said.startswith(place)


@pytest.mark.parametrize(
    "text",
    [
        "receivers: {otlp: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}}",
        "receivers: {otlp: {grpc: {endpoint: ''}, http: {endpoint: ''}}}",
        "receivers: {otlp: {grpc: {endpoint: '10.0.0.1:8888'}}}",
        "receivers: {otlp/unused: {}}",
        "service: {telemetry: {metrics: {endpoint: ''}}}",
    ],
)
def test_different_listeners_are_no_conflict(tmp_path: Path, text: str) -> None:
    load_texts(tmp_path, BASE, text)


def test_a_wrong_service_section_does_not_hide_wrong_pipelines(tmp_path: Path) -> None:
    text = "service: {batch: {max_spans: 0}, pipelines: {traces: {exporters: [none]}, traces/b: {receivers: 5}}}"

    assert heads(refused(tmp_path, text)) == [
        "service.batch.max_spans: must be at least 1, got 0",
        f"{TRACES}.exporters[0]: no exporter `none` is defined under `exporters`",
        f"{TRACES}/b.exporters: required, but not set",
        f"{TRACES}/b.receivers: expected a list, got 5",
    ]

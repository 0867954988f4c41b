from __future__ import annotations

from pathlib import Path

import pytest

from otelbridge.catalogue import catalogue
from otelbridge.config.load import load
from otelbridge.config.problems import InvalidConfiguration

TEXT = """\
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
processors: {{db_queries: {settings}, span_metrics: , llm_cost: , group_by_trace: , n_plus_one: , dynamic_sampling: }}
trackers: {{error_spike: , degradation: {{watch: [{{measurement: db.n_plus_one.count}}]}}}}
exporters: {{local_store: }}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [{processors}]
      trackers: [{trackers}]
      exporters: [local_store]
"""
UNUSED = "defined, but in no pipeline"


def heads(said: str, folder: Path) -> list[str]:
    """The lines that say what is wrong, without the folder's name."""
    return [line.replace(f"{folder}/", "") for line in said.splitlines() if line.startswith(str(folder))]


def warned(folder: Path, processors: str, trackers: str = "error_spike") -> list[str]:
    file = folder / "config.yaml"
    file.write_text(TEXT.format(processors=processors, trackers=trackers, settings=""))
    warnings = load([str(file)], (), {}, catalogue()).warnings
    return [head for head in heads("\n".join(warnings), folder) if UNUSED not in head]


def refused(folder: Path, processors: str, settings: str = "") -> str:
    file = folder / "config.yaml"
    file.write_text(TEXT.format(processors=processors, trackers="error_spike", settings=settings))
    with pytest.raises(InvalidConfiguration) as error:
        load([str(file)], (), {}, catalogue())
    return str(error.value)


def test_what_trackers_watch_is_not_measured_behind_sampling(tmp_path: Path) -> None:
    said = refused(tmp_path, "group_by_trace, dynamic_sampling, span_metrics")

    assert heads(said, tmp_path) == [
        "config.yaml:9:54: service.pipelines.traces.processors[2]: `span_metrics` must stand before `group_by_trace`: "
        "trackers watch its `error.rate`, and here it would see only what `dynamic_sampling` keeps"
    ]
    assert "\n    |" + " " * 54 + "^" * len("span_metrics") + "\n" in said


def test_what_trackers_watch_is_not_measured_behind_the_grouping(tmp_path: Path) -> None:
    said = refused(tmp_path, "group_by_trace, span_metrics, dynamic_sampling")

    assert heads(said, tmp_path) == [
        "config.yaml:9:36: service.pipelines.traces.processors[1]: `span_metrics` must stand before `group_by_trace`: "
        "trackers watch its `error.rate`, and here late spans and what it makes of whole traces would be missing"
    ]


def test_the_place_is_right_where_a_processor_before_it_is_wrong_in_itself(tmp_path: Path) -> None:
    said = refused(tmp_path, "db_queries, group_by_trace, span_metrics", settings="{slow_query_ms: x}")

    assert [head.split(": ")[1] for head in heads(said, tmp_path)] == [
        "processors.db_queries.slow_query_ms",
        "service.pipelines.traces.processors[2]",
    ]


@pytest.mark.parametrize("processor", ["db_queries", "llm_cost"])
def test_behind_the_grouping_what_nobody_watches_is_odd(tmp_path: Path, processor: str) -> None:
    assert warned(tmp_path, f"span_metrics, group_by_trace, {processor}") == [
        f"config.yaml:9:50: service.pipelines.traces.processors[2]: `{processor}` looks at single spans: it should "
        "stand before `group_by_trace`, else late spans and what it makes of whole traces would be missing"
    ]


def test_whole_traces_can_be_measured_where_all_of_them_are(tmp_path: Path) -> None:
    assert warned(tmp_path, "db_queries, group_by_trace, n_plus_one, dynamic_sampling", trackers="degradation") == []


def test_whole_traces_that_are_measured_behind_sampling_are_odd(tmp_path: Path) -> None:
    assert warned(tmp_path, "db_queries, group_by_trace, dynamic_sampling, n_plus_one", trackers="degradation") == [
        "config.yaml:9:66: service.pipelines.traces.processors[3]: `n_plus_one` stands after `dynamic_sampling`: "
        "trackers watch its `db.n_plus_one.count` and would see only what is kept"
    ]


def test_behind_sampling_what_needs_whole_traces_and_is_not_watched_is_right(tmp_path: Path) -> None:
    assert warned(tmp_path, "db_queries, span_metrics, group_by_trace, dynamic_sampling, n_plus_one") == []


def test_a_pipeline_that_must_not_have_processors_is_not_told_their_order(tmp_path: Path) -> None:
    lists = "receivers: [otlp], processors: [group_by_trace, span_metrics], exporters: [local_store]"
    text = TEXT.format(processors="span_metrics, group_by_trace", trackers="error_spike", settings="")
    file = tmp_path / "config.yaml"
    file.write_text(f"{text}    metrics: {{{lists}, trackers: [error_spike]}}\n")

    with pytest.raises(InvalidConfiguration) as error:
        load([str(file)], (), {}, catalogue())

    (said,) = heads(str(error.value), tmp_path)
    assert said.endswith("processors look at spans: a pipeline of metrics has none")

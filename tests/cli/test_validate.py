from __future__ import annotations

from pathlib import Path

import pytest

from otelbridge.cli.main import main

PIPELINE = """
processors:
  db_queries:
  group_by_trace: {buffer_mib: 16}
  n_plus_one:
receivers:
  otlp: {protocols: {grpc: , http: }}
exporters:
  file: {path: %s}
service:
  pipelines: {traces: {receivers: [otlp], processors: [db_queries, group_by_trace, n_plus_one], exporters: [file]}}
  storage: {data_directory: %s}
"""


def test_nothing_is_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(PIPELINE % (tmp_path / "out" / "x.jsonl", tmp_path / "data"))

    assert main(["validate", "--config", str(path)]) == 0

    assert capsys.readouterr().out == "valid: traces\n"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.yaml"]

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otelbridge.core.component import BuildContext
from otelbridge.core.errors import CannotStart
from otelbridge.exporters.file import MIB, SPEC, FileConfig, FileExporter
from tests.exporters.conftest import NOW, kept
from tests.support.otlp import query, request, span


def exporter(folder: Path, **config: int) -> FileExporter:
    return SPEC.build(FileConfig(path=str(folder / "traces"), **config), BuildContext("file"))


def lines(folder: Path) -> list[dict[str, object]]:
    files = sorted(folder.glob("traces.*.jsonl"), key=lambda path: int(path.name.split(".")[1]))
    return [json.loads(text) for path in files for text in path.read_text().splitlines()]


def test_a_kept_trace_is_a_line_without_values_of_statements(tmp_path: Path) -> None:
    writer = exporter(tmp_path)
    encoded = writer.encode(kept(request(span("root", query("select 1 from t where a = 'bob'")))))
    for parcel in encoded.parcels:
        writer.deliver(parcel, NOW)
    writer.close()
    (line,) = lines(tmp_path)
    assert line["spans"] == 2
    assert line["payload"]["spans"][0]["description"] == "select ? from t where a = ?"  # type: ignore[index]
    assert "bob" not in json.dumps(line)


def test_only_so_many_files_are_kept(tmp_path: Path) -> None:
    writer = exporter(tmp_path, max_file_mib=1, max_files=2)
    for number in range(40):
        trees = [span(f"s{i}", attributes={"key": "x" * 1000}) for i in range(100)]
        for parcel in writer.encode(kept(request(span("root", *trees), trace=number + 1))).parcels:
            writer.deliver(parcel, NOW)
    writer.close()
    assert len(list(tmp_path.glob("traces.*.jsonl"))) == 2
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * MIB
    assert lines(tmp_path)[-1]["payload"]["contexts"]["trace"]["span_id"]  # type: ignore[index]


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart):
        exporter(tmp_path / "file" / "below").start()
    exporter(tmp_path).start()


def test_two_exporters_of_one_path_write_one_file(tmp_path: Path) -> None:
    first, second = exporter(tmp_path), exporter(tmp_path)
    for number, writer in enumerate((first, second, first)):
        for parcel in writer.encode(kept(request(span("root"), trace=number + 1))).parcels:
            writer.deliver(parcel, NOW)
    second.close()
    for parcel in first.encode(kept(request(span("root"), trace=9))).parcels:
        first.deliver(parcel, NOW)
    first.close()

    assert [path.name for path in tmp_path.iterdir()] == ["traces.1.jsonl"]
    assert len(lines(tmp_path)) == 4


def test_two_exporters_of_one_path_must_have_the_same_bounds(tmp_path: Path) -> None:
    first = exporter(tmp_path, max_files=3)

    with pytest.raises(CannotStart, match="written by two exporters with different bounds"):
        exporter(tmp_path, max_files=4)
    first.close()

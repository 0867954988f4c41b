"""Parcels are compressed before they wait, and arrive whole whatever the server and the settings are by then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from otelbridge.core.component import Parcel
from otelbridge.core.errors import RetryLater
from otelbridge.exporters.json_lines import JsonLines, read_lines
from otelbridge.exporters.sentry.compression import compressed, compression_of
from otelbridge.exporters.sentry.envelope import envelope
from otelbridge.exporters.sentry.exporter import SentryConfig, SentryExporter
from tests.support.sentry_server import Reply, SentryServer, running

NOW = 1_790_000_000.0
BODY = envelope("event", {"event_id": "a" * 32, "text": "x" * 5000})


@pytest.fixture
def server() -> Iterator[SentryServer]:
    with running() as started:
        yield started


def exporter(server: SentryServer, compression: str) -> SentryExporter:
    return SentryExporter(SentryConfig(dsn=server.dsn, proxy="", compression=compression))  # type: ignore[arg-type]


def packed(server: SentryServer, compression: str) -> Parcel:
    plain = Parcel("id", f"127.0.0.1:{server.port}/42", "error", BODY, 3)
    (parcel,) = exporter(server, compression).pack([plain])
    assert (parcel.id, parcel.destination, parcel.category, parcel.spans) == ("id", plain.destination, "error", 3)
    return parcel


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_parcel_that_waits_is_compressed_and_leaves_as_it_is(server: SentryServer, compression: str) -> None:
    parcel = packed(server, compression)
    assert len(parcel.body) < len(BODY) / 10
    sender = exporter(server, compression)
    sender.deliver(parcel, NOW)
    (taken,) = server.taken
    assert (taken.headers["content-encoding"], taken.headers["content-length"]) == (compression, str(len(parcel.body)))
    assert taken.body == BODY
    sender.close()


@pytest.mark.parametrize("before", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("after", ["zstd", "gzip", "none"])
def test_what_waited_under_another_setting_leaves_under_the_one_of_today(
    server: SentryServer, before: str, after: str
) -> None:
    sender = exporter(server, after)
    sender.deliver(packed(server, before), NOW)
    (taken,) = server.taken
    assert taken.headers.get("content-encoding", "none") == after
    assert taken.body == BODY
    sender.close()


def test_a_parcel_that_a_server_cannot_read_is_sent_again_as_gzip(server: SentryServer) -> None:
    server.replies = [Reply(415)]
    sender = exporter(server, "zstd")
    parcel = packed(server, "zstd")
    with pytest.raises(RetryLater):
        sender.deliver(parcel, NOW)
    sender.deliver(parcel, NOW)
    assert [taken.headers["content-encoding"] for taken in server.taken] == ["zstd", "gzip"]
    assert server.taken[1].body == BODY
    assert compression_of(sender.pack([parcel])[0].body) == "gzip"
    sender.close()


def test_the_local_store_reads_what_waited_for_sentry(server: SentryServer, tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "out", "traces", 10**6, 3)
    lines.append(packed(server, "zstd"), NOW)
    (text,) = read_lines(lines.paths()[0])
    assert json.loads(text)["payload"]["text"] == "x" * 5000


def test_no_envelope_looks_compressed() -> None:
    assert compression_of(BODY) == "none"
    assert compressed(BODY, "none") is BODY

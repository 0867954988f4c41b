"""Metrics are taken as spans are, by the same servers; here is what differs, and that nothing else does."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.code_pb2 import Code
from grpc import Compression as GrpcCompression
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from pydantic import ValidationError

from otelbridge.core.component import Accepted, Signal
from otelbridge.core.errors import RetryLater, Undecodable
from otelbridge.receivers.otlp.grpc_server import EXPORT_METRICS, OTHER_SIGNALS
from otelbridge.receivers.otlp.http_server import HttpSettings
from otelbridge.receivers.otlp.intake import Outcome
from tests.receivers.otlp.clients import JSON, retry_seconds, status_of
from tests.receivers.otlp.conftest import Running, Start
from tests.support.metrics import measured, sdk_request

PATH = "/v1/metrics"
HEADERS = {"authorization": "Bearer s3cret"}
AUTH = {"auth": {"bearer": "s3cret"}}


@pytest.fixture
async def both(start: Start) -> Running:
    """A receiver that feeds pipelines of both signals."""
    return await start(*Signal)


def over_grpc(compression: GrpcCompression) -> Callable[[Running], MetricExporter]:
    def make(running: Running) -> MetricExporter:
        endpoint = f"http://{running.receiver.endpoints['grpc']}"
        return GrpcExporter(endpoint, insecure=True, compression=compression, headers=HEADERS, timeout=10)

    return make


def over_http(compression: HttpCompression) -> Callable[[Running], MetricExporter]:
    def make(running: Running) -> MetricExporter:
        endpoint = f"http://{running.receiver.endpoints['http']}{PATH}"
        return HttpExporter(endpoint, compression=compression, headers=HEADERS, timeout=10)

    return make


EXPORTERS = {
    "grpc": over_grpc(GrpcCompression.NoCompression),
    "grpc gzip": over_grpc(GrpcCompression.Gzip),
    "http": over_http(HttpCompression.NoCompression),
    "http gzip": over_http(HttpCompression.Gzip),
}
every_exporter = pytest.mark.parametrize("make", EXPORTERS.values(), ids=EXPORTERS)


async def export(exporter: MetricExporter) -> MetricExportResult:
    try:
        return await asyncio.to_thread(exporter.export, measured())
    finally:
        exporter.shutdown()


def names(requests: Sequence[bytes]) -> list[str]:
    (request,) = map(ExportMetricsServiceRequest.FromString, requests)
    return [metric.name for metric in request.resource_metrics[0].scope_metrics[0].metrics]


@every_exporter
async def test_what_the_sdk_measures_arrives(start: Start, make: Callable[[Running], MetricExporter]) -> None:
    running = await start(*Signal, grpc=AUTH, http=AUTH)

    assert await export(make(running)) is MetricExportResult.SUCCESS

    assert running.log.signals == [Signal.METRICS]
    assert names(running.log.requests) == names([sdk_request()])


@every_exporter
async def test_what_was_refused_for_now_is_sent_again(both: Running, make: Callable[[Running], MetricExporter]) -> None:
    attempts: list[bytes] = []

    async def refuse_once(request: bytes) -> Accepted:
        attempts.append(request)
        if len(attempts) == 1:
            raise RetryLater("full", seconds=0.01)
        return Accepted(items=3)

    both.log.take = refuse_once

    assert await export(make(both)) is MetricExportResult.SUCCESS
    assert len(attempts) == 2
    assert attempts[0] == attempts[1]


@every_exporter
async def test_what_was_refused_for_good_is_not_sent_again(
    both: Running, make: Callable[[Running], MetricExporter]
) -> None:
    both.log.error = Undecodable("broken")

    assert await export(make(both)) is MetricExportResult.FAILURE
    assert sum(sum(counts.requests.values()) for counts in both.receiver.counts.values()) == 1


async def test_unusable_points_are_told_to_the_client(both: Running) -> None:
    both.log.answer = Accepted(items=5, rejected=2, reason="no time")

    over_grpc = ExportMetricsServiceResponse.FromString(await both.grpc.export(b"x", EXPORT_METRICS))
    over_http = ExportMetricsServiceResponse.FromString((await both.http.post(b"x", PATH)).body)
    in_json = json.loads((await both.http.post(b"{}", PATH, **JSON)).body)

    assert over_grpc == over_http
    assert (over_grpc.partial_success.rejected_data_points, over_grpc.partial_success.error_message) == (2, "no time")
    assert in_json == {"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "no time"}}


async def test_json_is_submitted_as_protobuf(both: Running) -> None:
    request = ExportMetricsServiceRequest.FromString(sdk_request())
    body = json.dumps(MessageToDict(request)).encode()

    answer = await both.http.post(gzip.compress(body), PATH, **JSON, Content_Encoding="gzip")

    assert (answer.status, answer.body) == (200, b"{}")
    assert list(map(ExportMetricsServiceRequest.FromString, both.log.requests)) == [request]


async def test_broken_json_is_refused_in_json_and_never_submitted(both: Running) -> None:
    answer = await both.http.post(b'{"resourceMetrics": 1}', PATH, **JSON)

    assert answer.status == 400
    assert json.loads(answer.body) == {"code": 3, "message": "resourceMetrics: expected an array"}
    assert both.log.requests == []


async def test_each_signal_is_submitted_as_what_it_is_and_counted_by_itself(both: Running) -> None:
    both.log.answer = Accepted(items=5, rejected=2, reason="unusable")
    await both.grpc.export(b"four", EXPORT_METRICS)
    await both.grpc.export(b"x")
    await both.http.post(b"y", PATH)
    await both.http.post(b"z")
    await both.http.post(b"z")

    assert both.log.signals == [Signal.METRICS, Signal.TRACES, Signal.METRICS, Signal.TRACES, Signal.TRACES]
    over_grpc, over_http = both.receiver.counts["grpc"], both.receiver.counts["http"]
    assert (over_grpc.accepted, over_grpc.rejected) == ({"traces": 3, "metrics": 3}, {"traces": 2, "metrics": 2})
    assert (over_http.accepted, over_http.rejected) == ({"traces": 6, "metrics": 3}, {"traces": 4, "metrics": 2})
    assert (over_grpc.bytes, over_grpc.requests[Outcome.SUCCESS]) == (5, 2)


async def test_what_cannot_be_decoded_must_not_be_sent_again(both: Running) -> None:
    both.log.error = Undecodable("broken")

    refused = await both.grpc.refused(b"x", EXPORT_METRICS)
    answer = await both.http.post(b"x", PATH)

    assert (refused.code(), refused.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "broken")
    assert (answer.status, answer.problem.code, answer.problem.message) == (400, Code.INVALID_ARGUMENT, "broken")


async def test_a_full_log_names_the_time_to_come_back(both: Running) -> None:
    both.log.error = RetryLater("the log is full", seconds=2.5)

    refused = await both.grpc.refused(b"x", EXPORT_METRICS)
    answer = await both.http.post(b"x", PATH)

    assert retry_seconds(status_of(refused)) == 2.5
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")


async def test_a_wrong_token_is_unauthenticated(start: Start) -> None:
    running = await start(*Signal, grpc=AUTH, http=AUTH)

    refused = await running.grpc.refused(b"x", EXPORT_METRICS, authorization="Bearer other")
    answer = await running.http.post(b"x", PATH, Authorization="Bearer other")

    assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    assert answer.status == 401
    assert running.log.requests == []


async def test_a_request_above_the_limit_is_refused(start: Start) -> None:
    running = await start(*Signal, grpc={"max_recv_msg_size_mib": 1}, http={"max_request_body_size": 1024})

    refused = await running.grpc.refused(bytes(1024 * 1024 + 1), EXPORT_METRICS)
    plain = await running.http.post(bytes(1025), PATH)
    bomb = await running.http.post(gzip.compress(bytes(1025)), PATH, Content_Encoding="gzip")

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # by grpcio; clients drop it, as they should
    assert (plain.status, bomb.status) == (413, 413)
    assert running.log.requests == []


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_what_is_in_flight_is_answered_before_the_receiver_stops(both: Running, transport: str) -> None:
    both.log.opened.clear()
    sending = both.grpc.export(b"x", EXPORT_METRICS) if transport == "grpc" else both.http.post(b"x", PATH)
    request: asyncio.Task[object] = asyncio.create_task(sending)
    await both.log.reached.wait()

    stop = asyncio.create_task(both.receiver.stop(30.0))  # longer than this test takes
    both.log.opened.set()
    await asyncio.gather(request, stop)

    assert both.log.requests == [b"x"]
    assert both.receiver.counts[transport].requests[Outcome.SUCCESS] == 1


async def test_while_the_receiver_drains_clients_are_told_to_come_back(both: Running) -> None:
    both.log.opened.clear()
    waiting = asyncio.create_task(both.grpc.export(b"x"))
    await both.log.reached.wait()
    stop = asyncio.create_task(both.receiver.stop(30.0))
    await asyncio.sleep(0)  # both servers have begun
    await asyncio.sleep(0)

    refused = await both.grpc.refused(b"x", EXPORT_METRICS)
    answer = await both.http.post(b"x", PATH)

    assert (refused.code(), refused.details()) == (grpc.StatusCode.UNAVAILABLE, "shutting down")
    assert (answer.status, answer.problem.message) == (503, "shutting down")
    both.log.opened.set()
    await asyncio.gather(waiting, stop)


@pytest.mark.parametrize(
    ("fed", "method", "path", "reason"),
    [
        (Signal.TRACES, EXPORT_METRICS, PATH, "this receiver feeds no metrics pipeline: "),
        (
            Signal.METRICS,
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "/v1/traces",
            "this receiver feeds no traces pipeline: ",
        ),
    ],
)
async def test_a_signal_that_feeds_no_pipeline_is_refused_in_words_that_help(
    start: Start, fed: Signal, method: str, path: str, reason: str
) -> None:
    running = await start(fed)

    refused = await running.grpc.refused(b"x", method)
    answer = await running.http.post(b"x", path)

    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
    assert (refused.details() or "").startswith(reason)
    assert (answer.status, answer.problem.message) == (404, refused.details())
    assert running.log.requests == []


@pytest.mark.parametrize("method", OTHER_SIGNALS)
async def test_other_signals_are_told_what_is_taken(start: Start, method: str) -> None:
    running = await start(Signal.METRICS, Signal.TRACES)

    refused = await running.grpc.refused(b"anything", method)

    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
    assert refused.details() == f"this receiver takes traces and metrics only, no {OTHER_SIGNALS[method]}"


@pytest.mark.parametrize(
    ("signals", "taken"),
    [
        ([Signal.METRICS], "metrics only, at /v1/metrics"),
        ([Signal.METRICS, Signal.TRACES], "traces and metrics only, at /v1/traces and /v1/metrics"),
    ],
)
async def test_at_other_paths_stands_what_is_taken_where(start: Start, signals: list[Signal], taken: str) -> None:
    running = await start(*signals)

    answer = await running.http.post(b"", "/v1/logs")

    assert answer.status == 404
    assert answer.problem.message.endswith(f"this receiver takes {taken}")


async def test_the_path_is_a_setting(start: Start) -> None:
    running = await start(*Signal, http={"metrics_url_path": "/numbers"})

    assert (await running.http.post(b"", "/numbers")).status == 200
    assert (await running.http.post(b"", PATH)).status == 404
    assert running.log.signals == [Signal.METRICS]


@pytest.mark.parametrize("settings", [{"metrics_url_path": "/v1/traces"}, {"metrics_url_path": "numbers"}])
def test_a_path_that_cannot_be_told_apart_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="metrics_url_path"):
        HttpSettings.model_validate(settings)

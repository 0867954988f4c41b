"""What clients are told, in both protocols: the answer tells them whether to send the same request again.

OTLP clients repeat a request that was UNAVAILABLE (gRPC) or 503 (HTTP) after the delay we name, and drop one that was
INVALID_ARGUMENT or 4xx. RESOURCE_EXHAUSTED means neither to all of them, so it is never sent from here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code  # type: ignore[import-untyped] # no type information is published
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped] # no type information is published
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # no type information is published
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otelbridge.core.component import Accepted, Signal
from otelbridge.core.errors import OtelbridgeError, RetryLater, TooLarge, Undecodable

MAX_MESSAGE_CHARACTERS = 500  # it travels in an HTTP/2 header, for all of which clients allow 8 KiB
RETRY_SECONDS = (1.0, 5.0)
"""Clients that were refused together come back spread over these seconds, lest they are refused together again."""

_random = random.SystemRandom()


class Unauthenticated(OtelbridgeError):
    """The client did not prove that it may send."""


class NotOffered(OtelbridgeError):
    """Not what this server is for: another signal, path, method or encoding. `status` says which over HTTP."""

    def __init__(self, reason: str, status: HTTPStatus) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as a client sees it.

    Attributes:
        status: gRPC code and message, with a RetryInfo if the client should try again.
        http_status: the same over HTTP.
        retry_after_seconds: when to try again; None: never.
    """

    status: Status
    http_status: HTTPStatus
    retry_after_seconds: float | None


def http_status(error: OtelbridgeError) -> int:
    """The status that `refusal` has."""
    return int(_codes(error)[1])


def refusal(error: OtelbridgeError) -> Refusal:
    """What to tell the client that caused `error`."""
    code, http_status = _codes(error)
    message = str(error)
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = message[: MAX_MESSAGE_CHARACTERS - 3] + "..."
    status = Status(code=code, message=message)
    if not isinstance(error, RetryLater):
        return Refusal(status, http_status, None)
    seconds = _random.uniform(*RETRY_SECONDS) if error.seconds is None else error.seconds
    status.details.add().Pack(retry_info(seconds))
    return Refusal(status, http_status, seconds)


def retry_info(seconds: float) -> RetryInfo:
    """A google.rpc.RetryInfo."""
    fraction, whole = math.modf(seconds)
    return RetryInfo(retry_delay=Duration(seconds=int(whole), nanos=int(fraction * 1e9)))


def success(accepted: Accepted, signal: Signal) -> ExportTraceServiceResponse | ExportMetricsServiceResponse:
    """The answer to a request that is durable; it names what is unusable, which the client must not send again."""
    if signal is Signal.METRICS:
        metrics = ExportMetricsServiceResponse()
        if accepted.rejected:
            metrics.partial_success.rejected_data_points = accepted.rejected
            metrics.partial_success.error_message = accepted.reason
        return metrics
    traces = ExportTraceServiceResponse()
    if accepted.rejected:
        traces.partial_success.rejected_spans = accepted.rejected
        traces.partial_success.error_message = accepted.reason
    return traces


def not_fed(signal: Signal) -> NotOffered:
    """The error for a signal that the receiver knows but has no pipeline for."""
    reason = f"this receiver feeds no {signal} pipeline: name it as a receiver of one to send {signal} here"
    return NotOffered(reason, HTTPStatus.NOT_FOUND)


def taken_only(signals: Collection[Signal]) -> str:
    """Like `traces and metrics only`."""
    return f"{' and '.join(signals)} only"


def _codes(error: OtelbridgeError) -> tuple[Code.ValueType, HTTPStatus]:
    match error:
        case NotOffered():
            return Code.UNIMPLEMENTED, error.status
        case Unauthenticated():
            return Code.UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED
        case RetryLater():
            return Code.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE
        case TooLarge():
            return Code.INVALID_ARGUMENT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        case Undecodable():
            return Code.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST
        case _:
            return Code.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR

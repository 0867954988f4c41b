"""The load generator: a process of its own that sends prebuilt payloads over OTLP/gRPC and never counts as measured.

It is told what to do by lines of JSON on stdin, and answers each with a line of JSON, so that it builds its payloads
once and every measured process gets the same ones. It sends whole laps of them, because a trace whose root never comes
keeps a collector waiting:

    {"target": "127.0.0.1:4317", "spans": 300000, "spans_per_second": 0}
    {"spans": 300032, "requests": 586, "retries": 0, "bytes": 117000000, "seconds": 2.1}

It behaves as an SDK does: UNAVAILABLE is answered by waiting as long as RetryInfo says and sending the same again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped] # googleapis-common-protos publishes no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # as above

from bench.payloads import SPANS_PER_REQUEST, Payload, batches

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CONNECTIONS = 4
IN_FLIGHT_PER_CONNECTION = 4
LAP_SPANS = 64 * SPANS_PER_REQUEST  # in payloads that differ in more than ids
LAP_OF_SINGLE_SPANS = 4096
ATTEMPTS = 20
DEADLINE_SECONDS = 30.0
BACKOFF_SECONDS = 0.2  # where the server does not say how long to wait


@dataclass(slots=True)
class Sent:
    """What was acknowledged, and what it took."""

    spans: int = 0
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Source:
    """An endless supply of requests with ids that were never used before. Thread-safe.

    Attributes:
        lap_spans: after so many all traces are whole.
    """

    def __init__(self, payloads: list[Payload], rng: random.Random) -> None:
        self._lock = threading.Lock()
        self._requests = self._laps(payloads, rng)
        self.lap_spans = sum(payload.spans for payload in payloads)

    def take(self) -> tuple[Payload, bytes]:
        """The next payload and the mask for its ids."""
        with self._lock:
            return next(self._requests)

    @staticmethod
    def _laps(payloads: list[Payload], rng: random.Random) -> Iterator[tuple[Payload, bytes]]:
        while True:
            mask = rng.randbytes(24)
            for payload in payloads:
                yield payload, mask


class _Job:
    """One order: at least so many spans to that target, over several connections, and no trace in part."""

    def __init__(self, source: Source, target: str, spans: int, spans_per_second: float) -> None:
        self._source = source
        self._target = target
        self._spans = -(-spans // source.lap_spans) * source.lap_spans
        self._spans_per_second = spans_per_second
        self._begun_spans = 0
        self._lock = threading.Lock()
        self.sent = Sent()
        self._failures: list[BaseException] = []

    def run(self) -> Sent:
        options = [("grpc.use_local_subchannel_pool", 1)]  # or all channels of a process share one connection
        channels = [grpc.insecure_channel(self._target, options) for _ in range(CONNECTIONS)]
        for channel in channels:
            grpc.channel_ready_future(channel).result(DEADLINE_SECONDS)
        start = time.monotonic()
        threads = [
            threading.Thread(target=self._work, args=(channel, start))
            for channel in channels
            for _ in range(IN_FLIGHT_PER_CONNECTION)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.sent.seconds = time.monotonic() - start
        for channel in channels:
            channel.close()
        if self._failures:
            raise self._failures[0]
        return self.sent

    def _work(self, channel: grpc.Channel, start: float) -> None:
        export = channel.unary_unary(EXPORT, request_serializer=None, response_deserializer=None)
        try:
            while True:
                with self._lock:
                    if self._begun_spans >= self._spans or self._failures:
                        return
                    payload, mask = self._source.take()
                    due = start + self._begun_spans / self._spans_per_second if self._spans_per_second else start
                    self._begun_spans += payload.spans
                body = payload.fresh(mask)
                time.sleep(max(0.0, due - time.monotonic()))
                retries = _send(export, body)
                with self._lock:
                    self.sent.spans += payload.spans
                    self.sent.requests += 1
                    self.sent.retries += retries
                    self.sent.bytes += len(body)
        except grpc.RpcError as error:
            self._failures.append(error)


def _send(export: grpc.UnaryUnaryMultiCallable[bytes, bytes], body: bytes) -> int:
    """Send until it is acknowledged; returns how often it had to be repeated."""
    for attempt in range(ATTEMPTS):
        try:
            export(body, timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == ATTEMPTS - 1:
                raise
            time.sleep(_retry_delay_seconds(error))
        else:
            return attempt
    raise AssertionError("the last attempt returns or raises")


def _retry_delay_seconds(error: grpc.RpcError) -> float:
    for item in error.trailing_metadata() or ():
        if item.key == "grpc-status-details-bin":
            for detail in Status.FromString(item.value).details:
                info = RetryInfo()
                if detail.Unpack(info):
                    return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return BACKOFF_SECONDS


def main() -> None:
    """Build the payloads, say so, and serve orders until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans-per-request", type=int, default=SPANS_PER_REQUEST)
    parser.add_argument("--prompt-bytes", type=int, default=0)
    arguments = parser.parse_args()
    lap_spans = LAP_OF_SINGLE_SPANS if arguments.spans_per_request == 1 else LAP_SPANS
    payloads = batches(
        lap_spans // arguments.spans_per_request,
        spans=arguments.spans_per_request,
        now_ns=time.time_ns(),
        prompt_bytes=arguments.prompt_bytes,
    )
    source = Source(payloads, random.Random())
    print(json.dumps({"payloads": len(payloads)}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        sent = _Job(source, order["target"], order["spans"], order.get("spans_per_second", 0)).run()
        print(json.dumps({field: getattr(sent, field) for field in Sent.__slots__}), flush=True)


if __name__ == "__main__":
    main()

"""What it costs to receive: CPU microseconds of the server per request, until the bytes are submitted and answered.

    .venv/bin/python -m bench.receive

The client is a process of its own, so that only the server's CPU is counted. The threaded gRPC server is here for
comparison; the receiver uses the asyncio one.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from otelbridge.core.component import Accepted, BuildContext, Signal
from otelbridge.otlp.json import to_protobuf
from otelbridge.receivers.otlp import SPEC, Config
from otelbridge.receivers.otlp.grpc_server import EXPORT_TRACES
from tests.support import recordings

GRPC_CLIENT = """
import sys, grpc
address, path, count, waiting = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
body = open(path, "rb").read()
with grpc.insecure_channel(address) as channel:
    export = channel.unary_unary(sys.argv[5])
    export(body)
    print("ready", flush=True); sys.stdin.readline()
    calls = []
    for _ in range(count):
        if len(calls) >= waiting:
            calls.pop(0).result()
        calls.append(export.future(body))
    for call in calls:
        call.result()
    print("done", flush=True); sys.stdin.readline()
"""
HTTP_CLIENT = """
import sys, http.client, threading
address, path, count, waiting = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
headers = dict(item.split("=") for item in sys.argv[5:])
body = open(path, "rb").read()
def send(times, connection):
    for _ in range(times):
        connection.request("POST", "/v1/traces", body, headers)
        assert connection.getresponse().read() in (b"", b"{}")
connections = [http.client.HTTPConnection(address) for _ in range(waiting)]
for connection in connections: send(1, connection)
print("ready", flush=True); sys.stdin.readline()
threads = [threading.Thread(target=send, args=(count // waiting, connection)) for connection in connections]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done", flush=True); sys.stdin.readline()
"""


Server = Callable[[], AbstractAsyncContextManager[dict[str, str]]]


async def submit(_request: bytes) -> Accepted:
    """Takes everything at no cost."""
    return Accepted(512)


@asynccontextmanager
async def receiver() -> AsyncIterator[dict[str, str]]:
    """The receiver as configured by default, on free ports."""
    local = {"endpoint": "127.0.0.1:0"}
    built = SPEC.build(Config.model_validate({"protocols": {"grpc": local, "http": local}}), BuildContext("otlp"))
    await built.start({Signal.TRACES: submit})
    yield built.endpoints
    await built.stop(1)


@asynccontextmanager
async def threaded_grpc() -> AsyncIterator[dict[str, str]]:
    """The other server of grpcio, handing every request over to the loop."""
    loop = asyncio.get_running_loop()

    def export(body: bytes, _context: grpc.ServicerContext) -> bytes:
        asyncio.run_coroutine_threadsafe(submit(body), loop).result()
        return b""

    class Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg] # it takes arguments in the stubs only
        def service(self, _call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
            return grpc.unary_unary_rpc_method_handler(export)

    server = grpc.server(
        ThreadPoolExecutor(16), handlers=[Methods()], options=[("grpc.max_receive_message_length", -1)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield {"grpc": f"127.0.0.1:{port}"}
    await asyncio.to_thread(server.stop(1).wait)


def cpu_seconds() -> float:
    """CPU of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure(title: str, client: str, address: str, path: Path, count: int, waiting: int, *more: str) -> None:
    """Let a client send a body `count` times, with `waiting` requests in flight; print the best of three."""
    best = float("inf")
    for _ in range(3):
        arguments = [sys.executable, "-c", client, address, str(path), str(count), str(waiting), *more]
        process = await asyncio.create_subprocess_exec(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        before = cpu_seconds()
        process.stdin.write(b"\n")
        await process.stdout.readline()
        best = min(best, (cpu_seconds() - before) / count)
        process.stdin.write(b"\n")
        await process.wait()
    print(f"{title:42} {path.name:8} {waiting:2} in flight {best * 1e6:7.0f} us", flush=True)


async def measure_grpc(title: str, server: Server, bodies: dict[str, Path]) -> None:
    """One span a request, and 512, one at a time and several."""
    async with server() as endpoints:
        for name, count, waiting in (("small", 2000, 16), ("protobuf", 800, 1), ("protobuf", 800, 8)):
            await measure(title, GRPC_CLIENT, endpoints["grpc"], bodies[name], count, waiting, EXPORT_TRACES)


async def measure_http(bodies: dict[str, Path]) -> None:
    """Every encoding of the body."""
    async with receiver() as endpoints:
        for name, count, waiting in (("small", 2000, 16), ("protobuf", 800, 8), ("gzip", 400, 8), ("json", 80, 8)):
            headers = ["Content-Type=application/json" if name == "json" else "Content-Type=application/x-protobuf"]
            if name == "gzip":
                headers.append("Content-Encoding=gzip")
            title = "http, uvicorn on uvloop"
            await measure(title, HTTP_CLIENT, endpoints["http"], bodies[name], count, waiting, *headers)


def write_bodies(folder: Path) -> dict[str, Path]:
    """440 recorded spans in every encoding, and a single one of about 300 bytes."""
    body = recordings.load("ai-sdk-v6") + recordings.load("drizzle-pg")  # concatenated requests are one request
    request = ExportTraceServiceRequest.FromString(body)
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    single = min(spans, key=lambda span: abs(span.ByteSize() - 300))
    scope = ScopeSpans(spans=[single])
    contents = {
        "small": ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])]).SerializeToString(),
        "protobuf": body,
        "gzip": gzip.compress(body, 6),
        "json": json.dumps(with_hexadecimal_ids(MessageToDict(request))).encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def with_hexadecimal_ids(value: Any) -> Any:
    """OTLP's JSON of protobuf's JSON."""
    if isinstance(value, list):
        return [with_hexadecimal_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    ids = {key: base64.b64decode(value[key]).hex() for key in ("traceId", "spanId", "parentSpanId") if key in value}
    return {key: with_hexadecimal_ids(item) for key, item in value.items()} | ids


def measure_json(path: Path) -> None:
    """The part of a JSON request that is not HTTP."""
    body = path.read_bytes()
    seconds = []
    for _ in range(20):
        started = time.process_time()
        to_protobuf(body, Signal.TRACES)
        seconds.append(time.process_time() - started)
    print(f"JSON to protobuf alone: {min(seconds) / 440 * 1e6:.1f} us a span")


def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = write_bodies(Path(folder))
        for title, server, run in (
            ("grpc asyncio server on asyncio", receiver, asyncio.run),
            ("grpc asyncio server on uvloop", receiver, uvloop.run),
            ("grpc threaded server, handover to uvloop", threaded_grpc, uvloop.run),
        ):
            run(measure_grpc(title, server, bodies))
        uvloop.run(measure_http(bodies))
        measure_json(bodies["json"])


if __name__ == "__main__":
    main()

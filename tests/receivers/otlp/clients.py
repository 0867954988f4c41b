"""Clients that send what no exporter would, and show all that comes back."""

from __future__ import annotations

import asyncio
import http.client
from dataclasses import dataclass
from email.message import Message
from types import TracebackType

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from otelbridge.receivers.otlp.grpc_server import EXPORT_TRACES

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
TIMEOUT_SECONDS = 30.0  # for tests that would hang


class GrpcClient:
    """One channel without serialisers."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        options = [("grpc.max_send_message_length", -1)]
        self.channel = (
            grpc.aio.insecure_channel(address, options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options)
        )

    async def __aenter__(self) -> GrpcClient:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.channel.close()

    async def export(
        self,
        body: bytes = b"",
        method: str = EXPORT_TRACES,
        compression: grpc.Compression | None = None,
        **metadata: str,
    ) -> bytes:
        call = self.channel.unary_unary(method)
        answer: bytes = await call(
            body, timeout=TIMEOUT_SECONDS, compression=compression, metadata=tuple(metadata.items())
        )
        return answer

    async def refused(self, body: bytes = b"", method: str = EXPORT_TRACES, **more: object) -> grpc.aio.AioRpcError:
        try:
            await self.export(body, method, **more)  # type: ignore[arg-type]
        except grpc.aio.AioRpcError as error:
            return error
        raise AssertionError("the call succeeded")


def status_of(error: grpc.aio.AioRpcError) -> Status:
    return Status.FromString(dict(error.trailing_metadata() or ())["grpc-status-details-bin"])


def retry_seconds(status: Status) -> float:
    info = RetryInfo()
    assert status.details[0].Unpack(info)
    return info.retry_delay.ToNanoseconds() / 1e9


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: Message
    body: bytes

    @property
    def problem(self) -> Status:
        assert self.headers["Content-Type"] == "application/x-protobuf"
        return Status.FromString(self.body)


class HttpClient:
    """One connection a request, but for `converse`."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def post(self, body: object = b"", path: str = "/v1/traces", **headers: str) -> HttpAnswer:
        """POST protobuf, unless the headers (with _ for -) say something else."""
        return await self.request("POST", body, path, **headers)

    async def request(self, method: str, body: object = b"", path: str = "/v1/traces", **headers: str) -> HttpAnswer:
        named = PROTOBUF | {name.replace("_", "-"): value for name, value in headers.items()}

        def send() -> HttpAnswer:
            connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT_SECONDS)
            try:
                connection.request(method, path, body, named)  # type: ignore[arg-type]
                response = connection.getresponse()
                return HttpAnswer(response.status, response.headers, response.read())
            finally:
                connection.close()

        return await asyncio.to_thread(send)

    async def converse(self, *pieces: bytes) -> bytes:
        """Send bytes as they are, one piece after the other, and return what came until the server closed."""
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
        finally:
            writer.close()

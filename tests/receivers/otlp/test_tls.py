from __future__ import annotations

import http.client
import ssl
from asyncio import to_thread

import grpc
import pytest

from tests.receivers.otlp.clients import PROTOBUF, TIMEOUT_SECONDS, GrpcClient
from tests.receivers.otlp.conftest import CERTIFICATES, Running, Start

TLS = {"cert_file": str(CERTIFICATES / "server.pem"), "key_file": str(CERTIFICATES / "server.key")}
MUTUAL = TLS | {"client_ca_file": str(CERTIFICATES / "authority.pem")}


def read(name: str) -> bytes:
    return (CERTIFICATES / name).read_bytes()


def grpc_client(running: Running, identity: str | None = None) -> GrpcClient:
    credentials = grpc.ssl_channel_credentials(
        read("authority.pem"),
        read(f"{identity}.key") if identity else None,
        read(f"{identity}.pem") if identity else None,
    )
    return GrpcClient(running.receiver.endpoints["grpc"], credentials)


async def post(running: Running, identity: str | None = None) -> int:
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    if identity:
        context.load_cert_chain(CERTIFICATES / f"{identity}.pem", CERTIFICATES / f"{identity}.key")

    def send() -> int:
        connection = http.client.HTTPSConnection(running.http.address, timeout=TIMEOUT_SECONDS, context=context)
        try:
            connection.request("POST", "/v1/traces", b"x", PROTOBUF)
            return connection.getresponse().status
        finally:
            connection.close()

    return await to_thread(send)


async def test_grpc_is_encrypted(start: Start) -> None:
    running = await start(grpc={"tls": TLS})
    async with grpc_client(running) as client:
        await client.export(b"x")
    assert running.log.requests == [b"x"]
    assert (await running.grpc.refused()).code() is grpc.StatusCode.UNAVAILABLE  # in the clear: nobody there


async def test_http_is_encrypted(start: Start) -> None:
    running = await start(http={"tls": TLS})
    assert await post(running) == 200
    with pytest.raises((http.client.HTTPException, OSError)):
        await running.http.post(b"x")
    assert running.log.requests == [b"x"]


async def test_grpc_clients_prove_who_they_are(start: Start) -> None:
    running = await start(grpc={"tls": MUTUAL})
    async with grpc_client(running, "client") as known:
        await known.export(b"x")
    for identity in (None, "stranger"):
        async with grpc_client(running, identity) as unknown:
            assert (await unknown.refused(b"y")).code() is grpc.StatusCode.UNAVAILABLE
    assert running.log.requests == [b"x"]


async def test_http_clients_prove_who_they_are(start: Start) -> None:
    running = await start(http={"tls": MUTUAL})
    assert await post(running, "client") == 200
    for identity in (None, "stranger"):
        with pytest.raises(OSError, match=r"(?i)alert|reset|eof|ssl|closed"):
            await post(running, identity)
    assert running.log.requests == [b"x"]

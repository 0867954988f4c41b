from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from otelbridge.core.component import Accepted, BuildContext, Signal, Submit
from otelbridge.core.errors import CannotStart
from otelbridge.receivers.otlp import SPEC, Config, OtlpReceiver
from tests.receivers.otlp.conftest import Running


async def submit(_request: bytes) -> Accepted:
    return Accepted(items=0)


SUBMIT: dict[Signal, Submit] = {Signal.TRACES: submit}


def receiver(protocols: dict[str, Any], component: str = "otlp") -> OtlpReceiver:
    return SPEC.build(Config.model_validate({"protocols": protocols}), BuildContext(component))


@pytest.fixture
def taken() -> Iterator[str]:
    """An address on which another process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


async def test_endpoints_are_as_bound(running: Running) -> None:
    assert not any(endpoint.endswith(":0") for endpoint in running.receiver.endpoints.values())
    grpc, http = running.receiver.endpoints["grpc"], running.receiver.endpoints["http"]
    assert running.receiver.endpoint == f"grpc {grpc}, http {http}"


async def test_a_protocol_is_served_only_if_its_key_is_there() -> None:
    assert set(receiver({"grpc": None}).endpoints) == {"grpc"}
    assert set(receiver({"http": {}}).endpoints) == {"http"}


async def test_a_key_without_settings_means_the_defaults() -> None:
    assert receiver({"grpc": None, "http": None}).endpoints == {"grpc": "127.0.0.1:4317", "http": "127.0.0.1:4318"}


def test_without_any_setting_both_protocols_are_served() -> None:
    assert set(OtlpReceiver(Config(), BuildContext("otlp")).endpoints) == {"grpc", "http"}


@pytest.mark.parametrize("protocols", [{}, {"thrift": {}}, {"grpc": {"endpoint": "4317"}}, {"http": {"cors": {}}}])
def test_settings_that_mean_nothing_are_refused(protocols: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"protocols": protocols})


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_a_taken_port_is_one_clear_line(taken: str, transport: str) -> None:
    with pytest.raises(CannotStart) as caught:
        await receiver({transport: {"endpoint": taken}}).start(SUBMIT)
    assert str(caught.value) == (
        f"{taken} is in use (receiver otlp_{transport}): stop the other process or set "
        f"receivers.otlp.protocols.{transport}.endpoint"
    )


async def test_the_line_names_the_receiver_that_was_meant(taken: str) -> None:
    with pytest.raises(CannotStart, match=r"set receivers\.otlp/second\.protocols\.http\.endpoint$"):
        await receiver({"http": {"endpoint": taken}}, "otlp/second").start(SUBMIT)


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_two_receivers_do_not_share_a_port(running: Running, transport: str) -> None:
    with pytest.raises(CannotStart, match="is in use"):
        await receiver({transport: {"endpoint": running.receiver.endpoints[transport]}}).start(SUBMIT)


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_an_address_of_another_machine_is_one_clear_line(transport: str) -> None:
    with pytest.raises(CannotStart, match=r"^192\.0\.2\.1:4317 is no address of this machine"):
        await receiver({transport: {"endpoint": "192.0.2.1:4317"}}).start(SUBMIT)


async def test_a_host_that_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(CannotStart, match=r"^nowhere\.invalid:4317 cannot be listened on, .*set receivers\."):
        await receiver({"grpc": {"endpoint": "nowhere.invalid:4317"}}).start(SUBMIT)


async def test_if_one_protocol_cannot_start_the_other_is_closed_again(taken: str) -> None:
    built = receiver({"grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": taken}})
    with pytest.raises(CannotStart):
        await built.start(SUBMIT)
    host, _, port = built.endpoints["grpc"].rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


async def test_a_port_is_free_again_after_the_stop(running: Running) -> None:
    await running.grpc.export()
    await running.http.post()
    endpoints = running.receiver.endpoints
    await running.receiver.stop(1)
    again = receiver({transport: {"endpoint": endpoint} for transport, endpoint in endpoints.items()})
    await again.start(SUBMIT)
    await again.stop(0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_ipv6_addresses_stand_in_brackets() -> None:
    built = receiver({"grpc": {"endpoint": "[::1]:0"}, "http": {"endpoint": "[::1]:0"}})
    await built.start(SUBMIT)
    assert all(endpoint.startswith("[::1]:") for endpoint in built.endpoints.values())
    await built.stop(0)

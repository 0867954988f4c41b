"""One attempt to deliver, against a server that misbehaves in every way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from otelbridge.core.component import Parcel
from otelbridge.core.errors import OtelbridgeError, RateLimited, Rejected, RetryLater
from otelbridge.exporters.sentry.exporter import SentryConfig, SentryExporter
from tests.support.sentry_server import Reply, SentryServer, running

NOW = 1_790_000_000.0


@pytest.fixture
def server() -> Iterator[SentryServer]:
    with running() as started:
        yield started


def exporter(server: SentryServer, **config: Any) -> SentryExporter:
    return SentryExporter(SentryConfig(dsn=server.dsn, proxy="", **config))  # type: ignore[arg-type]


def parcel(server: SentryServer, body: bytes = b"{}\n{}\n") -> Parcel:
    return Parcel("id", f"127.0.0.1:{server.port}/42", "transaction", body, 3)


def attempt(server: SentryServer, *replies: Reply, **config: Any) -> OtelbridgeError | tuple[Any, ...]:
    server.replies = list(replies)
    sender = exporter(server, **config)
    try:
        return sender.deliver(parcel(server), NOW)
    except OtelbridgeError as error:
        return error
    finally:
        sender.close()


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_an_envelope_arrives_whole_at_its_project(server: SentryServer, compression: str) -> None:
    body = b'{"event_id":"x"}\n' + b"x" * 100_000
    sender = exporter(server, compression=compression)
    assert sender.deliver(parcel(server, body), NOW) == ()
    (taken,) = server.taken
    assert (taken.path, taken.body) == ("/api/42/envelope/", body)
    assert taken.headers.get("content-encoding", "none") == compression
    assert taken.headers["content-type"] == "application/x-sentry-envelope"
    assert "sentry_key=publickey" in taken.headers["x-sentry-auth"]
    assert "sentry_client=otelbridge/" in taken.headers["x-sentry-auth"]
    assert "expect" not in taken.headers
    sender.close()


def test_connections_are_kept(server: SentryServer) -> None:
    sender = exporter(server)
    for _ in range(5):
        sender.deliver(parcel(server), NOW)
    assert len({taken.connection for taken in server.taken}) == 1
    sender.close()


def test_threads_deliver_at_once(server: SentryServer) -> None:
    sender = exporter(server)
    bodies = [f"{{}}\n{number}\n".encode() * 50 for number in range(200)]

    def deliver(mine: list[bytes]) -> None:
        for body in mine:
            sender.deliver(parcel(server, body), NOW)

    threads = [threading.Thread(target=deliver, args=(bodies[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken.body for taken in server.taken) == sorted(bodies)
    assert len({taken.connection for taken in server.taken}) <= 8
    sender.close()


def test_limits_are_reported_although_the_parcel_was_taken(server: SentryServer) -> None:
    answer = attempt(server, Reply(headers={"X-Sentry-Rate-Limits": "60:error:key"}))
    assert answer == ((frozenset({"error"}), 60.0),)


def test_429_is_a_pause(server: SentryServer) -> None:
    error = attempt(server, Reply(429, {"X-Sentry-Rate-Limits": "60:transaction:key,120:error:key"}))
    assert isinstance(error, RateLimited)
    assert error.limits == ((frozenset({"transaction"}), 60.0), (frozenset({"error"}), 120.0))


def test_413_is_final_and_says_why(server: SentryServer) -> None:
    error = attempt(server, Reply(413, body=b'{"detail":"too large"}'))
    assert isinstance(error, Rejected)
    assert str(error) == "HTTP 413: too large"


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(503, {"Retry-After": "9"}), Reply(kind="reset"), Reply(302, {"Location": "/"})]
)
def test_trouble_of_the_server_is_tried_again(server: SentryServer, reply: Reply) -> None:
    error = attempt(server, reply)
    assert isinstance(error, RetryLater)
    assert error.seconds == (9.0 if reply.status == 503 else None)


def test_a_server_that_hangs_costs_the_timeout(server: SentryServer) -> None:
    error = attempt(server, Reply(kind="hang"), timeout_seconds=0.2)
    assert isinstance(error, RetryLater)
    assert "no answer" in str(error)


def test_a_server_that_is_away_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    sender = SentryExporter(SentryConfig(dsn=f"http://key@127.0.0.1:{port}/1", proxy=""))  # type: ignore[arg-type]
    with pytest.raises(RetryLater, match="no answer"):
        sender.deliver(Parcel("id", f"127.0.0.1:{port}/1", "error", b"{}", 0), NOW)


def test_a_connection_that_died_while_it_was_kept_costs_nothing(server: SentryServer) -> None:
    server.replies = [Reply(), Reply(kind="reset"), Reply()]
    sender = exporter(server)
    sender.deliver(parcel(server), NOW)
    assert sender.deliver(parcel(server), NOW) == ()
    sender.close()


def test_delivery_goes_on_after_an_error(server: SentryServer) -> None:
    server.replies = [Reply(kind="reset"), Reply(kind="reset"), Reply()]
    sender = exporter(server)
    for _ in range(2):
        with pytest.raises(RetryLater):
            sender.deliver(parcel(server), NOW)
    assert sender.deliver(parcel(server), NOW) == ()
    sender.close()


def test_a_server_that_does_not_know_zstd_gets_gzip_from_then_on(server: SentryServer) -> None:
    server.replies = [Reply(415)]
    sender = exporter(server)
    with pytest.raises(RetryLater) as first:
        sender.deliver(parcel(server), NOW)
    assert first.value.seconds == 0
    sender.deliver(parcel(server), NOW)
    assert [taken.headers["content-encoding"] for taken in server.taken] == ["zstd", "gzip"]
    sender.close()


def test_415_for_gzip_is_final(server: SentryServer) -> None:
    assert isinstance(attempt(server, Reply(415), compression="gzip"), Rejected)


def test_a_huge_answer_is_not_kept(server: SentryServer) -> None:
    error = attempt(server, Reply(400, body=b"x" * 10_000_000))
    assert isinstance(error, Rejected)
    assert len(str(error)) < 400


def test_a_parcel_of_a_project_that_is_no_longer_configured_is_rejected(server: SentryServer) -> None:
    with pytest.raises(Rejected, match="no project"):
        exporter(server).deliver(Parcel("id", "gone/1", "error", b"{}", 0), NOW)


def test_requests_go_through_the_proxy(server: SentryServer) -> None:
    config = SentryConfig(dsn="http://key@sentry.invalid/42", proxy=f"http://127.0.0.1:{server.port}")  # type: ignore[arg-type]
    sender = SentryExporter(config)
    sender.deliver(Parcel("id", "sentry.invalid/42", "error", b"{}", 0), NOW)
    assert server.taken[0].path == "http://sentry.invalid/api/42/envelope/"
    sender.close()


def test_certificates_are_checked(server: SentryServer) -> None:
    sender = SentryExporter(
        SentryConfig(dsn=f"https://key@127.0.0.1:{server.port}/42", proxy="", ca_certs="/nonexistent.pem")
    )  # type: ignore[arg-type]
    with pytest.raises(RetryLater):
        sender.deliver(Parcel("id", f"127.0.0.1:{server.port}/42", "error", b"{}", 0), NOW)


def test_client_reports_can_be_switched_off_and_are_for_known_projects(server: SentryServer) -> None:
    dropped = {("rejected", "span"): 3}
    destination = f"127.0.0.1:{server.port}/42"
    report = exporter(server).client_report(destination, dropped, NOW)
    assert report is not None
    assert report.destination == destination
    assert exporter(server).client_report("gone/1", dropped, NOW) is None
    assert exporter(server, client_reports=False).client_report(destination, dropped, NOW) is None

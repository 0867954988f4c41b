from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from otelbridge.core.component import BuildContext
from otelbridge.core.errors import CannotStart
from otelbridge.exporters.sentry.destinations import Router, destination
from otelbridge.exporters.sentry.exporter import SPEC, SentryConfig, SentryExporter
from tests.exporters.conftest import DSN, kept, send
from tests.support.otlp import request, span

CHECKOUT = "https://checkoutkey@o1.ingest.example.com/7"


def test_a_destination_is_named_without_its_key() -> None:
    found = destination("https://key:secret@sentry.example.com:8443/prefix/42")
    assert found.name == "sentry.example.com:8443/prefix/42"
    assert found.url == "https://sentry.example.com:8443/prefix/api/42/envelope/"
    assert found.public_key == "key"
    assert "sentry_key=key" in found.authorization
    assert "sentry_version=7" in found.authorization


@pytest.mark.parametrize(
    "dsn", ["nonsense", "ftp://key@host/1", "https://host/1", "https://topsecret@host/x", "https://k@h:port/1"]
)
def test_what_is_no_dsn_is_refused_without_being_shown(dsn: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SentryConfig(dsn=dsn)
    assert "not a DSN" in str(refused.value)
    assert dsn not in str(refused.value)


def rules(*pairs: tuple[dict[str, str], str]) -> Router:
    return Router(destination(DSN), [(match, destination(dsn)) for match, dsn in pairs])


@pytest.mark.parametrize(
    ("match", "resource", "matches"),
    [
        ({"service.name": "checkout"}, {"service.name": "checkout"}, True),
        ({"service.name": "checkout"}, {"service.name": "checkout-api"}, False),
        ({"service.name": "checkout-*"}, {"service.name": "checkout-api"}, True),
        ({"service.name": "a.b"}, {"service.name": "axb"}, False),
        ({"service.name": "*", "k8s.namespace.name": "pay"}, {"service.name": "x"}, False),
        ({"service.name": "*", "k8s.namespace.name": "pay"}, {"service.name": "x", "k8s.namespace.name": "pay"}, True),
        ({"shard": "7"}, {"shard": 7}, True),
        ({"service.name": "checkout"}, {}, False),
    ],
)
def test_a_rule_matches_all_of_its_attributes(match: dict[str, str], resource: dict[str, Any], matches: bool) -> None:
    assert (rules((match, CHECKOUT))(resource) == "o1.ingest.example.com/7") is matches


def test_the_first_rule_that_matches_wins() -> None:
    other = "https://k@other.example.com/1"
    assert rules(({"a": "1"}, CHECKOUT), ({"a": "*"}, other))({"a": "1"}) == "o1.ingest.example.com/7"


def test_a_trace_over_two_projects_becomes_parcels_for_both() -> None:
    bodies = [
        request(span("a"), resource={"service.name": "shop"}),
        request(span("b"), resource={"service.name": "checkout"}),
    ]
    sent = send(kept(*bodies), projects=[{"match": {"service.name": "checkout"}, "dsn": CHECKOUT}])
    assert {parcel.destination for parcel in sent.encoded.parcels} == {
        "o1.ingest.example.com/42",
        "o1.ingest.example.com/7",
    }
    assert all(b"checkoutkey" not in parcel.destination.encode() for parcel in sent.encoded.parcels)


def test_rules_need_a_default() -> None:
    with pytest.raises(ValidationError, match="needs `dsn` too"):
        SentryConfig(projects=[{"match": {"a": "b"}, "dsn": CHECKOUT}])  # type: ignore[list-item]


def test_two_keys_of_one_project_are_refused() -> None:
    config = SentryConfig(dsn=DSN, projects=[{"match": {"a": "b"}, "dsn": "https://other@o1.ingest.example.com/42"}])  # type: ignore[arg-type, list-item]
    with pytest.raises(CannotStart, match="two DSNs of the project"):
        SentryExporter(config)


def test_without_a_dsn_it_cannot_start() -> None:
    with pytest.raises(CannotStart, match="no dsn"):
        SPEC.build(SentryConfig(), BuildContext("sentry"))


def test_secrets_are_not_shown() -> None:
    shown = repr(SentryConfig(dsn=DSN, proxy="http://user:pass@proxy:3128"))  # type: ignore[arg-type]
    assert "0123456789abcdef" not in shown
    assert "pass" not in shown

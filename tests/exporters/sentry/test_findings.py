from __future__ import annotations

from typing import Any

import pytest

from otelbridge.core.findings import Finding
from tests.exporters.conftest import NOW, kept, send


def event(**fields: Any) -> dict[str, Any]:
    known = {"kind": "n_plus_one", "level": "warning", "title": "N+1 on author", "key": ("shop", "author"), "time": NOW}
    return send(kept(findings=[Finding(**{**known, **fields})])).event


def test_a_finding_is_an_event_with_a_fingerprint_of_its_kind_and_key() -> None:
    made = event(
        service="shop", environment="production", release="1.2", trace_id=7, span_id=9, tags={"table": "author"}
    )
    assert made["logentry"]["formatted"] == "N+1 on author"
    assert made["fingerprint"] == ["otelbridge", "n_plus_one", "shop", "author"]
    assert (made["level"], made["environment"], made["release"]) == ("warning", "production", "1.2")
    assert made["tags"] == {"finding": "n_plus_one", "service.name": "shop", "table": "author"}
    assert made["contexts"]["trace"] == {"trace_id": f"{7:032x}", "span_id": f"{9:016x}"}


def test_how_much_stands_behind_the_title_and_makes_no_issue_of_its_own() -> None:
    first, second = event(summary="from 20 to 35 ms (+75%)"), event(summary="from 20 to 40 ms (+100%)")
    assert first["logentry"]["formatted"] == "N+1 on author: from 20 to 35 ms (+75%)"
    assert first["logentry"]["message"] == second["logentry"]["message"] == "N+1 on author"
    assert first["fingerprint"] == second["fingerprint"]


def test_details_survive_scrubbing_and_read_the_same() -> None:
    details = {"query": "SELECT * FROM author", "tokens": 12, "nested": {"password reset": ["auth", 1]}}
    made = event(contexts={"n_plus_one": details})
    shown = str(made["contexts"]["n_plus_one"]).replace("\\u2060", "").replace("\u2060", "")
    assert shown == str(details)


def test_huge_details_are_cut() -> None:
    made = event(contexts={"n_plus_one": {"example": "x" * 50_000, "count": 3}})
    assert made["contexts"]["n_plus_one"]["count"] == 3
    assert made["contexts"]["n_plus_one"]["example"].endswith("[cut by otelbridge]")


def test_a_context_cannot_take_the_place_of_one_of_sentrys() -> None:
    made = event(contexts={"trace": {"a": 1}, "os": {"b": 2}}, trace_id=7)
    assert made["contexts"]["otelbridge_trace"] == {"a": 1}
    assert made["contexts"]["trace"]["trace_id"] == f"{7:032x}"


def test_without_an_example_there_is_no_trace() -> None:
    assert "trace" not in event()["contexts"]


def test_an_example_trace_without_span_still_links() -> None:
    assert event(trace_id=7)["contexts"]["trace"]["trace_id"] == f"{7:032x}"


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x"), ("é", "x"), ("k" * 300, "v" * 300), ("empty", ""), ("n", "a\nb")]
)
def test_tags_are_what_sentry_takes(name: str, value: str) -> None:
    event(tags={name: value})


def test_the_same_finding_has_the_same_id_and_another_time_another() -> None:
    assert event()["event_id"] == event()["event_id"]
    assert event()["event_id"] != event(time=NOW - 60)["event_id"]


def test_a_finding_goes_to_the_project_of_its_service() -> None:
    finding = Finding("n_plus_one", "warning", "title", ("k",), NOW, service="checkout-api")
    rule = {"match": {"service.name": "checkout-*"}, "dsn": "https://abc@sentry.example.com/7"}
    sent = send(kept(findings=[finding]), projects=[rule])
    assert sent.encoded.parcels[0].destination == "sentry.example.com/7"

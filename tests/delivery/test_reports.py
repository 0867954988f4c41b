"""What destinations are told about drops."""

from __future__ import annotations

from otelbridge.delivery.outbox import Entry
from otelbridge.delivery.reports import REPORT_SECONDS, DropReports
from tests.delivery.conftest import ObedientExporter


def entry(destination: str = "sentry", spans: int = 3, exporter: str = "e") -> Entry:
    return Entry(1, (exporter, destination, "transaction"), 10, spans)


def test_drops_are_added_up_by_destination() -> None:
    exporter = ObedientExporter()
    reports = DropReports({"e": exporter})
    for item in (entry(), entry(spans=0), entry("other")):
        reports.add("expired", item)

    sent = list(reports.due(0.0, at_once=False))

    assert [parcel.destination for _, parcel in sent] == ["sentry", "other"]
    assert exporter.reports == [
        {("expired", "transaction"): 2, ("expired", "span"): 3},
        {("expired", "transaction"): 1, ("expired", "span"): 3},
    ]


def test_a_report_is_sent_once_a_minute_or_at_the_end() -> None:
    reports = DropReports({"e": ObedientExporter()})
    reports.add("expired", entry())
    assert len(list(reports.due(0.0, at_once=False))) == 1
    assert reports.next_due() == []

    reports.add("expired", entry())
    assert list(reports.due(REPORT_SECONDS - 1, at_once=False)) == []
    assert reports.next_due() == [REPORT_SECONDS]
    assert len(list(reports.due(REPORT_SECONDS - 1, at_once=True))) == 1


def test_an_exporter_that_is_not_configured_any_more_gets_no_report() -> None:
    reports = DropReports({})
    reports.add("expired", entry(exporter="gone"))

    assert list(reports.due(0.0, at_once=False)) == []

from __future__ import annotations

from uuid import uuid5

from sentry_sdk.envelope import Envelope, Item, PayloadRef

from otelbridge.exporters.sentry.client_report import client_report
from otelbridge.exporters.sentry.envelope import NAMESPACE, envelope, event_id


def test_an_envelope_is_what_the_sdk_would_write() -> None:
    payload = {"event_id": "a" * 32, "text": 'Grüße \n "quoted"', "n": 1.5, "spans": []}
    trace = {"trace_id": "b" * 32, "public_key": "k"}
    ours = Envelope.deserialize(envelope("transaction", payload, trace))
    theirs = Envelope(headers={"event_id": "a" * 32, "trace": trace})
    theirs.add_item(Item(payload=PayloadRef(json=payload), type="transaction"))
    theirs = Envelope.deserialize(theirs.serialize())
    assert ours.headers == theirs.headers
    assert ours.items[0].payload.json == theirs.items[0].payload.json == payload
    assert {**ours.items[0].headers, "length": 0} == {**theirs.items[0].headers, "length": 0}


def test_an_envelope_does_not_say_when_it_was_made() -> None:
    assert "sent_at" not in Envelope.deserialize(envelope("event", {"event_id": "a" * 32})).headers


def test_event_ids_are_uuids_of_their_names() -> None:
    assert event_id("transaction", "a", 1) == uuid5(NAMESPACE, "transaction/a/1").hex
    assert event_id("a") != event_id("b")


def test_a_client_report_sums_up_under_sentrys_reasons() -> None:
    dropped = {
        ("sampled_out", "span"): 90,
        ("late_sampled_out", "span"): 3,
        ("rejected", "transaction"): 1,
        ("x", "error"): 0,
    }
    parcel = client_report("host/1", dropped, 1_790_000_000.0)
    assert parcel is not None
    (item,) = Envelope.deserialize(parcel.body).items
    assert item.type == "client_report"
    assert item.data_category == parcel.category == "internal"
    report = PayloadRef(bytes=item.payload.get_bytes()).get_bytes().decode()
    assert '{"reason":"sample_rate","category":"span","quantity":93}' in report
    assert '{"reason":"send_error","category":"transaction","quantity":1}' in report
    assert "error" not in report.replace("send_error", "")


def test_nothing_dropped_is_nothing_reported() -> None:
    assert client_report("host/1", {("rejected", "span"): 0}, 0.0) is None

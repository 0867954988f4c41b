from __future__ import annotations

from pathlib import Path

import pytest

from otelbridge.core.component import BuildContext
from otelbridge.core.findings import Finding
from otelbridge.exporters import local_store
from otelbridge.exporters.local_store import SPEC, LocalStore, LocalStoreConfig, envelopes
from tests.exporters.conftest import NOW, kept
from tests.support import relay
from tests.support.otlp import request, span


def store(folder: Path, **config: int) -> LocalStore:
    return SPEC.build(LocalStoreConfig(**config), BuildContext("local_store", str(folder)))


def deliver(into: LocalStore, number: int, spans: int = 1, size: int = 10) -> int:
    trees = [span(f"s{i}", attributes={"key": "x" * size}) for i in range(spans - 1)]
    encoded = into.encode(kept(request(span(f"root {number}", *trees), trace=number + 1)))
    for parcel in encoded.parcels:
        into.deliver(parcel, NOW + number)
    return sum(parcel.spans for parcel in encoded.parcels)


def test_what_is_stored_is_listed_newest_first(tmp_path: Path) -> None:
    kept_here = store(tmp_path)
    for number in range(3):
        deliver(kept_here, number, spans=2)
    found = list(envelopes(str(tmp_path)))
    assert [stored.payload["transaction"] for stored in found] == ["root 2", "root 1", "root 0"]
    assert [(stored.category, stored.spans, stored.time) for stored in found[:1]] == [("transaction", 2, NOW + 2)]
    kept_here.close()


def test_what_is_stored_is_what_sentry_would_take(tmp_path: Path) -> None:
    kept_here = store(tmp_path)
    finding = Finding("n_plus_one", "warning", "title", ("k",), NOW)
    for parcel in kept_here.encode(kept(request(span("root")), findings=[finding])).parcels:
        relay.checked(parcel.body, NOW)
        kept_here.deliver(parcel, NOW)
    assert sorted(stored.category for stored in envelopes(str(tmp_path))) == ["error", "transaction"]


def test_the_bound_holds_and_what_is_evicted_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_store, "MIB", 2**14)
    kept_here = store(tmp_path, max_mib=16)
    delivered = sum(deliver(kept_here, number, spans=10, size=500) for number in range(100))
    stored = sum(one.spans for one in envelopes(str(tmp_path)))
    used = sum(path.stat().st_size for path in (tmp_path / "local_store").iterdir())
    assert used <= 16 * 2**14 * 1.1
    assert kept_here.evicted_spans > 0
    assert stored + kept_here.evicted_spans == delivered == 1000


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    first = store(tmp_path)
    deliver(first, 0)
    first.close()
    second = store(tmp_path)
    deliver(second, 1)
    assert [stored.payload["transaction"] for stored in envelopes(str(tmp_path))] == ["root 1", "root 0"]


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    kept_here = store(tmp_path)
    deliver(kept_here, 0)
    (path,) = (tmp_path / "local_store").iterdir()
    path.write_bytes(b'{"id": 1}\nnonsense}\n' + path.read_bytes() + b'{"id":"torn')
    assert [stored.payload["transaction"] for stored in envelopes(str(tmp_path))] == ["root 0"]


def test_an_empty_store_is_empty(tmp_path: Path) -> None:
    assert list(envelopes(str(tmp_path))) == []

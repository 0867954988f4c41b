"""An outbox on disk, and exporters that do as they are told."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from otelbridge.core.component import Encoded, Exporter, Kept, Parcel, RateLimit
from otelbridge.delivery.outbox import OUTBOX_SCHEMA, Outbox, insert


def parcel(number: int, *, destination: str = "sentry", category: str = "transaction", spans: int = 2) -> Parcel:
    return Parcel(f"id{number}", destination, category, b"body %d" % number, spans)


@dataclass
class Box:
    """The state file as the task writes it, and the outbox as the sender reads it."""

    path: Path
    outbox: Outbox

    def put(self, *parcels: Parcel, exporter: str = "e", now: float = 0.0) -> None:
        with sqlite3.connect(self.path) as connection:
            insert(connection, parcels, exporter, now)
        connection.close()
        self.outbox.refresh()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    path = tmp_path / "state.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(OUTBOX_SCHEMA)
    connection.close()
    made = Box(path, Outbox(path, capacity_bytes=1000, max_age_seconds=100.0))
    yield made
    made.outbox.close()


@dataclass
class ObedientExporter(Exporter):
    """Takes parcels, or does what `orders` say for the next attempts."""

    orders: deque[Exception | tuple[RateLimit, ...]] = field(default_factory=deque)
    taken: list[str] = field(default_factory=list)
    reports: list[Mapping[tuple[str, str], int]] = field(default_factory=list)
    always: Callable[[Parcel], Exception | None] = lambda _parcel: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def encode(self, kept: Kept) -> Encoded:
        return Encoded([])

    def deliver(self, parcel: Parcel, now: float) -> tuple[RateLimit, ...]:
        with self.lock:
            error = self.always(parcel)
            if error is not None:
                raise error
            order = self.orders.popleft() if self.orders else ()
            if isinstance(order, Exception):
                raise order
            self.taken.append(parcel.id)
            return order

    def client_report(self, destination: str, dropped: Mapping[tuple[str, str], int], now: float) -> Parcel | None:
        self.reports.append(dict(dropped))
        return Parcel("report", destination, "internal", b"report", 0)

"""What real applications did, and what must be said about it: the table in `tests/support/recorded/README.md`."""

from __future__ import annotations

from pathlib import Path

import pytest

from otelbridge.core.batch import Batch
from tests.processors.n_plus_one.loops import marks, processed_requests, summary
from tests.support import recordings

DRIZZLE_WITH_DUPLICATES = Path(__file__).parent / "drizzle-pg-dup.pb"


def told(name: str) -> dict[str, tuple[str, str, int]]:
    batch = processed_requests(recordings.load(name))
    return {finding.tags["route"]: found for finding, found in zip(batch.findings, summary(batch), strict=True)}


@pytest.fixture(scope="module")
def drizzle() -> Batch:
    return processed_requests(DRIZZLE_WITH_DUPLICATES.read_bytes())


def test_drizzle_loops_are_two_findings_with_their_routes(drizzle: Batch) -> None:
    assert [finding.title for finding in drizzle.findings] == [
        "Insert loop: INSERT Message_v2 in POST /api/chat",
        "N+1 query: SELECT Vote_v2 in GET /api/chat/n1",
    ]
    assert summary(drizzle) == [("insert_loop", "Message_v2", 25), ("n_plus_one", "Vote_v2", 25)]


def test_drizzle_pool_waits_are_no_loop(drizzle: Batch) -> None:
    marked = drizzle.spans.filter(drizzle.spans["n_plus_one"].is_not_null())
    assert marked["db.query.text"].null_count() == 0
    assert marks(drizzle) == {"source": 2, "repeat": 50}


def test_a_finding_shows_statements_without_their_values(drizzle: Batch) -> None:
    context = drizzle.findings[1].contexts["n_plus_one"]
    assert context["example"].endswith('where ("Vote_v2"."chatId" = ? and "Vote_v2"."messageId" = ?) limit ?')
    assert context["source"].startswith('select "id", "chatId", "role"')
    assert context["parent"] == "GET /api/chat/n1"
    assert 10 < context["total_ms"] < 20


def test_each_route_of_the_chat_application_is_judged_right() -> None:
    assert told("drizzle-pg") == {
        "GET /api/chat/:id/votes": ("n_plus_one", "Vote_v2", 25),
        "GET /api/chat/:id/votes-with-literals": ("n_plus_one", "Vote_v2", 25),
        "GET /api/chat/:id/interleaved": ("interleaved", "Vote_v2, Suggestion", 15),
        "GET /api/chat/:id/sibling-parents": ("n_plus_one", "Vote_v2", 15),
        "POST /api/chat": ("insert_loop", "Message_v2", 25),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("py-django-psycopg", {"GET books/": ("n_plus_one", "author", 15)}),
        (
            "py-sqlalchemy-sqlite",
            {"GET /authors": ("n_plus_one", "books", 15), "GET /named/authors": ("n_plus_one", "books", 15)},
        ),
        ("py-httpx-n1", {"GET /team/<int:team_id>": ("http", "{ip}/users/{id}", 12)}),
        ("py-redis", {}),
        ("ai-sdk-v6", {}),
        ("py-openinference", {}),
    ],
)
def test_each_recording_is_judged_right(name: str, expected: dict[str, tuple[str, str, int]]) -> None:
    assert told(name) == expected


def test_counting_takes_queries_of_a_trace_however_fast() -> None:
    batch = processed_requests(recordings.load("py-django-psycopg"), mode="count")
    assert summary(batch) == [("repeated_query", "author", 15), ("repeated_query", "book", 10)]

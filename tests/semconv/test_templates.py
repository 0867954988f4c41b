import polars as pl
import pytest

from otelbridge.semconv.templates import asks_for_a_page, parameterise, url_template


def template(url: str) -> str:
    return pl.DataFrame({"url": [url]}).select(url_template(pl.col("url"))).item()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/v1/items/17", "api.example.com/v1/items/{id}"),
        ("https://api.example.com:8443/v1/users/17?expand=team&x=2#top", "api.example.com/v1/users/{id}?expand&x"),
        ("http://h/a/3fa85f64-5717-4562-b3fc-2c963f66afa6/b", "h/a/{id}/b"),
        ("http://h/blob/9f86d081884c7d659a2feaa0c55ad015", "h/blob/{id}"),
        ("http://h/users/user_17/votes/4", "h/users/{id}/votes/{id}"),
        ("http://h/customers/cus_9s6XKzkNRiz8i3", "h/customers/{id}"),
        ("http://h/users/jo@example.com", "h/users/{id}"),
        ("http://h/users/jo%40example.com/x", "h/users/{id}/x"),
        ("http://h/2026/11/24", "h/{id}/{id}/{id}"),
        ("http://127.0.0.1:38463/v1/messages", "{ip}/v1/messages"),
        ("http://[::1]:80/v1/messages", "{ip}/v1/messages"),
        ("http://user:pw@h/x", "h/x"),
        ("http://h", "h"),
        ("http://h:80?id=7", "h?id"),
        ("http://s3.eu-west-1.amazonaws.com/bucket/", "s3.eu-west-1.amazonaws.com/bucket/"),
        ("/relative/17", "/relative/{id}"),
        ("", ""),
    ],
)
def test_a_url_keeps_what_does_not_change_from_thing_to_thing(url: str, expected: str) -> None:
    assert template(url) == expected


@pytest.mark.parametrize("name", ["/api/v1/chat", "Vote_v2", "s3", "oauth2/callback", "GET /items", "utf8mb4"])
def test_versions_and_words_with_digits_are_no_identities(name: str) -> None:
    assert pl.DataFrame({"n": [name]}).select(parameterise(pl.col("n"))).item() == name


def test_no_value_of_a_query_stays() -> None:
    assert "hunter2" not in template("http://h/a?x=hunter2&y=hunter2=hunter2#hunter2")


def test_a_missing_url_stays_missing() -> None:
    frame = pl.DataFrame({"url": [None, "http://h/1"]}, schema={"url": pl.String})
    assert frame.select(url_template(pl.col("url"))).to_series().to_list() == [None, "h/{id}"]


@pytest.mark.parametrize(
    ("url", "is_page"), [("http://h/a?page=2", True), ("http://h/a?x=1&Cursor=q", True), ("http://h/pages/2", False)]
)
def test_reading_on_in_a_listing_is_recognised(url: str, is_page: bool) -> None:
    assert pl.DataFrame({"url": [url]}).select(asks_for_a_page(pl.col("url"))).item() is is_page

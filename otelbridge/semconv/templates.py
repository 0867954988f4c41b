"""What stays the same in names and URLs when the thing they are about changes.

`GET /users/17` and `GET /users/18` are one operation. Instrumentations know the route template of a server span, but
rarely that of a client span, so it has to be read off the URL. Whatever looks like the identity of a thing (a number, a
UUID, a hash, an e-mail address) becomes `{id}`; query values go, the names of query parameters stay.
"""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

PARAMETER = "{id}"
ADDRESS = "{ip}"

_EDGE = r"(?-u:\b)"  # of a word, in ASCII: what is compiled for each call is a quarter of that for Unicode
_WORD = "[0-9A-Za-z_]"
IDENTITY = "|".join(
    (
        r"[^/\s@?&=]+(?:@|%40)[^/\s@?&=]+",  # e-mail addresses
        rf"{_EDGE}[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}}{_EDGE}",  # UUIDs
        rf"{_EDGE}[0-9A-Fa-f]{{8,}}{_EDGE}",  # hashes; words of eight letters up to f are rarer
        rf"{_EDGE}[A-Za-z]+_[0-9]+{_EDGE}",  # user_17
        rf"{_EDGE}[0-9]+{_EDGE}",  # 17, 2026-11-24; but neither v1 nor s3
        rf"{_EDGE}(?:{_WORD}{{8,}}[0-9]{_WORD}*|{_WORD}*[0-9]{_WORD}{{8,}}|{_WORD}{{4,}}[0-9]{_WORD}{{4,}}){_EDGE}",
    )  # the last: cus_9s6XKzkNRiz8i3, long and with a digit within
)
"""Linear in the length of the text whatever the text is: polars' regular expressions have no look-around."""

MAX_NAME_CHARS = 200  # what Sentry keeps of a transaction's name; bounds the work of Python's backtracking
_IDENTITY_IN_PYTHON = re.compile(IDENTITY.replace(_EDGE, r"\b"), re.ASCII)

_SCHEME_AND_USER = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#]*@)?"
_PORT = r"^([^/?#]*?):[0-9]+(/|\?|#|$)"
_ADDRESS = r"^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.%]*\])"
_FRAGMENT = r"#.*$"
_QUERY_VALUE = r"=[^&]*"
_PAGE = r"(?i)[?&](?:page|offset|cursor|after|before|skip|start|(?:next_?)?page_?token|starting_after)="


def parameterise(text: pl.Expr) -> pl.Expr:
    """The text (String) with `{id}` for everything that looks like the identity of a thing."""
    return text.str.replace_all(IDENTITY, PARAMETER)


@lru_cache(maxsize=8192)
def parameterise_name(name: str) -> str:
    """As `parameterise`, for the first MAX_NAME_CHARS of one text; names repeat, so they are remembered."""
    return _IDENTITY_IN_PYTHON.sub(PARAMETER, name[:MAX_NAME_CHARS])


def url_template(url: pl.Expr) -> pl.Expr:
    """Host, path template and names of the query's parameters of a URL (String).

    `https://api.example.com:8443/v1/users/17?expand=team#top` is `api.example.com/v1/users/{id}?expand`. The port and
    a numeric address go too: they name an instance, not an operation. No value of a query stays.
    """
    bare = url.str.replace(_SCHEME_AND_USER, "").str.replace(_FRAGMENT, "").str.replace(_PORT, "${1}${2}")
    parts = bare.str.splitn("?", 2)
    located = parts.struct.field("field_0").str.replace(_ADDRESS, ADDRESS)
    slash = located.str.find("/", literal=True)
    host = pl.when(slash.is_null()).then(located).otherwise(located.str.head(slash))
    path = pl.when(slash.is_null()).then(pl.lit("")).otherwise(located.str.slice(slash))
    names = parts.struct.field("field_1").str.replace_all(_QUERY_VALUE, "")
    query = pl.when(names.str.len_bytes() > 0).then(pl.lit("?") + parameterise(names)).otherwise(pl.lit(""))
    return pl.concat_str(host, parameterise(path), query)


def asks_for_a_page(url: pl.Expr) -> pl.Expr:
    """Whether a URL (String) names a position within one listing: reading on is no loop over things (Boolean)."""
    return url.str.contains(_PAGE)

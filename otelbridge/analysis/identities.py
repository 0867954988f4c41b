"""What a series is: the measurement, the columns that tell its series apart, and their values."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import polars as pl

from otelbridge.analysis.grouping import Hashes
from otelbridge.core.measurements import ENVIRONMENT, INSTANCE, SERVICE

Watched = tuple[str, tuple[str, ...]]
"""A measurement, and by which columns its series are told apart."""

Identity = tuple[str, tuple[str, ...], tuple[str | None, ...]]
"""The same, and the values of these columns: one series, whatever the settings are."""


def known_keys(identity: Identity) -> dict[str, str]:
    """The columns that have a value, and their values."""
    _, keys, values = identity
    return {key: value for key, value in zip(keys, values, strict=True) if value}


def finding_key(identity: Identity) -> tuple[str, ...]:
    """What makes two findings about a series the same problem: the columns, too, or two selections would be one.

    Which instance of a service it is makes no difference: instances come and go, their problem stays.
    """
    name, keys, values = identity
    return (name, *(f"{key}={value or ''}" for key, value in zip(keys, values, strict=True) if key != INSTANCE))


def subject(identity: Identity) -> str:
    """The series in a title, where the service and the environment stand beside it."""
    return " ".join(value for key, value in known_keys(identity).items() if key not in (ENVIRONMENT, SERVICE, INSTANCE))


def hash_series(watched: Watched, frame: pl.DataFrame) -> Hashes:
    """The hash of each row's series; a column that the frame does not have counts as null."""
    measurement, keys = watched
    if not keys:
        frame = frame.select(pl.repeat("", pl.len()).alias("all"))
    seed = int.from_bytes(blake2b("\0".join((measurement, *keys)).encode(), digest_size=8).digest(), "big")
    if all(key in frame.columns and frame[key].dtype == pl.String for key in keys or ("all",)):
        of_keys = frame[[*(keys or ("all",))]]  # plans no query
    else:
        of_keys = frame.select(_key(key, frame) for key in keys or ("all",))
    hashes: Hashes = of_keys.hash_rows(seed=seed).to_numpy()
    return hashes


def identity_of(watched: Watched, frame: pl.DataFrame, row: int) -> Identity:
    """What the series of a row is."""
    measurement, keys = watched
    values = frame.row(row, named=True)
    return measurement, keys, tuple(values.get(key) for key in keys)


def hash_identities(identities: Iterable[Identity]) -> dict[Identity, int]:
    """As `hash_series` would; one frame for all that are watched alike, because a row alone costs as much as many."""
    by_watched: dict[Watched, list[Identity]] = {}
    for identity in identities:
        by_watched.setdefault(identity[:2], []).append(identity)
    found: dict[Identity, int] = {}
    for (measurement, keys), alike in by_watched.items():
        columns = [pl.Series(key, [one[2][place] for one in alike], pl.String) for place, key in enumerate(keys)]
        frame = pl.DataFrame(columns or [pl.Series("all", [""] * len(alike))])
        found |= dict(zip(alike, hash_series((measurement, keys), frame).tolist(), strict=True))
    return found


def _key(name: str, frame: pl.DataFrame) -> pl.Expr:
    if name in frame.columns:
        return pl.col(name).cast(pl.String)
    return pl.repeat(None, pl.len(), dtype=pl.String).alias(name)  # a literal alone would be one row

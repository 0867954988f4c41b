from __future__ import annotations

import polars as pl
import pytest

from otelbridge.analysis.identities import hash_identities, hash_series, identity_of

FRAME = pl.DataFrame({"service": ["a", "b", None, "a"], "op": ["x", "x", "x", "y"]})


@pytest.mark.parametrize("keys", [(), ("service",), ("service", "op"), ("nowhere",), ("nowhere", "op")])
def test_rows_that_agree_in_the_keys_are_one_series_and_a_column_that_is_not_there_is_null(
    keys: tuple[str, ...],
) -> None:
    hashes = hash_series(("queue.depth", keys), FRAME).tolist()

    series = [tuple(row.get(key) for key in keys) for row in FRAME.iter_rows(named=True)]
    assert [hashes.index(one) for one in hashes] == [series.index(one) for one in series]


@pytest.mark.parametrize("keys", [(), ("service",), ("nowhere", "op")])
def test_the_hash_of_an_identity_is_that_of_its_rows(keys: tuple[str, ...]) -> None:
    watched = ("queue.depth", keys)
    identities = [identity_of(watched, FRAME, row) for row in range(FRAME.height)]

    assert [hash_identities(identities)[one] for one in identities] == hash_series(watched, FRAME).tolist()

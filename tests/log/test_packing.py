from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.log.packing import pack, unpack


@given(st.builds(lambda unit, times: unit * times, st.binary(max_size=50), st.integers(min_value=0, max_value=5000)))
def test_packing_loses_nothing(payload: bytes) -> None:
    is_packed, body = pack(payload)
    assert (unpack(body) if is_packed else body) == payload
    assert len(body) <= len(payload)


def test_repetitive_payloads_become_smaller() -> None:
    is_packed, body = pack(b"select 1 " * 1000)
    assert is_packed
    assert len(body) < 1000


def test_small_payloads_stay_as_they_are() -> None:
    assert pack(b"a" * 1000) == (False, b"a" * 1000)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\xff" * 20, b"\xff\xff\xff\xff\x0f" + b"a" * 10, pack(b"a" * 5000)[1][:-3], b"\x10" + pack(b"a" * 5000)[1]],
)
def test_damaged_bytes_are_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="damaged payload"):
        unpack(damaged)


@given(st.binary(max_size=200))
def test_any_bytes_are_unpacked_or_refused(damaged: bytes) -> None:
    with suppress(ValueError):
        assert pack(unpack(damaged))

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from otelbridge.core.errors import TooLarge, Undecodable
from otelbridge.receivers.otlp.http_bodies import CONTENT_ENCODINGS, decompress

MEBIBYTE = 1024 * 1024
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zlib": zlib.compress,
    "zstd": zstandard.compress,
}
BODY = bytes(range(256)) * 8


def test_every_encoding_is_tested() -> None:
    assert set(COMPRESS) == set(CONTENT_ENCODINGS)


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("body", [b"", b"x", BODY])
def test_a_body_comes_back(encoding: str, body: bytes) -> None:
    assert decompress(COMPRESS[encoding](body), encoding, len(BODY)) == body


@pytest.mark.parametrize("encoding", COMPRESS)
def test_no_body_at_all_is_empty(encoding: str) -> None:
    assert decompress(b"", encoding, 0) == b""


@pytest.mark.parametrize("encoding", COMPRESS)
def test_one_byte_above_the_limit_is_too_large(encoding: str) -> None:
    with pytest.raises(TooLarge):
        decompress(COMPRESS[encoding](BODY), encoding, len(BODY) - 1)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_every_cut_of_a_body_is_noticed(encoding: str) -> None:
    compressed = COMPRESS[encoding](BODY)
    for length in range(1, len(compressed)):
        with pytest.raises(Undecodable):
            decompress(compressed[:length], encoding, len(BODY))


@pytest.mark.parametrize("encoding", COMPRESS)
def test_something_behind_the_body_is_noticed(encoding: str) -> None:
    with pytest.raises(Undecodable):
        decompress(COMPRESS[encoding](BODY) + b"garbage", encoding, len(BODY))


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_parts_that_were_compressed_one_by_one_are_one_body(encoding: str) -> None:
    parts = [BODY, b"", b"x", BODY * 10]
    compressed = b"".join(COMPRESS[encoding](part) for part in parts)
    assert decompress(compressed, encoding, 100_000) == b"".join(parts)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_the_limit_holds_for_all_parts_together(encoding: str) -> None:
    with pytest.raises(TooLarge):
        decompress(COMPRESS[encoding](BODY) * 2, encoding, 2 * len(BODY) - 1)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_bomb_takes_no_more_memory_than_a_large_request(encoding: str) -> None:
    bomb = COMPRESS[encoding](bytes(100 * MEBIBYTE))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decompress(bomb, encoding, 16 * MEBIBYTE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MEBIBYTE


def test_a_zstd_window_beyond_what_http_allows_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(Undecodable, match="too much memory"):
        decompress(compressor.compress(bytes(20 * MEBIBYTE)) + compressor.flush(), "zstd", 32 * MEBIBYTE)

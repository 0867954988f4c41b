"""Bodies of HTTP requests as they were before their Content-Encoding, up to a bound.

A few kilobytes can decompress to gigabytes, so nothing is decompressed further than one request may be large.
"""

from __future__ import annotations

import zlib

import zstandard

from otelbridge.core.errors import TooLarge, Undecodable

CONTENT_ENCODINGS = ("gzip", "zstd", "deflate", "zlib")
"""Besides `identity`. The Collector's exporters say `zlib` for what HTTP calls `deflate`."""

_GZIP, _ZLIB = 31, 15  # zlib's window bits: 15 for the largest window, 16 more for gzip's header
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # the largest that HTTP allows (RFC 9659), and memory taken per request
_ZSTD_STEP_BYTES = 512
"""zstd's decompressor takes no bound on its output, and 4 bytes can stand for a block of 128 KiB: 512 for 16 MiB."""


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """`body` before `encoding`, which is one of CONTENT_ENCODINGS; raises TooLarge or Undecodable."""
    if encoding == "zstd":
        return _decompress_zstd(body, max_bytes)
    return _inflate(body, _GZIP if encoding == "gzip" else _ZLIB, max_bytes)


def too_large(max_bytes: int) -> TooLarge:
    """The error for a request of more than `max_bytes`."""
    return TooLarge(f"the request is larger than {max_bytes} bytes")


def _inflate(body: bytes, window_bits: int, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    room = max_bytes
    while body:  # gzip data may consist of several members
        stream = zlib.decompressobj(window_bits)
        try:
            part = stream.decompress(body, room + 1)
        except zlib.error as error:
            raise Undecodable(f"the body cannot be decompressed: {error}") from None
        room -= len(part)
        if room < 0:
            raise too_large(max_bytes)
        if not stream.eof:
            raise Undecodable("the compressed body is cut off")
        parts.append(part)
        body = stream.unused_data
    return b"".join(parts)


def _decompress_zstd(body: bytes, max_bytes: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    frame = decompressor.decompressobj()
    result = bytearray()
    try:
        for start in range(0, len(body), _ZSTD_STEP_BYTES):
            rest = body[start : start + _ZSTD_STEP_BYTES]
            while rest:  # a frame may end, and others begin, within one step
                if frame.eof:
                    frame = decompressor.decompressobj()
                result += frame.decompress(rest)
                if len(result) > max_bytes:
                    raise too_large(max_bytes)
                rest = frame.unused_data
    except zstandard.ZstdError as error:
        raise Undecodable(f"the body cannot be decompressed: {error}") from None
    if body and not frame.eof:
        raise Undecodable("the compressed body is cut off")
    return bytes(result)

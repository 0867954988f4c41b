"""Bodies of requests, compressed: once, before they wait.

An envelope of 6.2 kB becomes 1.6 kB. Compressing it before it lies in the outbox, not when it leaves, costs nothing
more and spares the disk three quarters of what is written, read and deleted. What a body is compressed with is seen by
its first bytes: an envelope begins with a brace. So a server that does not know zstd, another setting, and bodies that
an earlier version left in the outbox need no note beside the body.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable

import zstandard

NONE = "none"
# On level 3 bodies are 2 % smaller; it costs 18 us instead of 14, and much more of the processor's cache.
ZSTD_LEVEL = 1
GZIP_LEVEL = 6

_MAGIC = {zstandard.FRAME_HEADER[:2]: "zstd", b"\x1f\x8b": "gzip"}
_of_thread = threading.local()  # compressors must not be shared, and making one costs more than using it


def compressed(body: bytes, compression: str) -> bytes:
    """The body under this compression (zstd, gzip or none), whatever it is compressed with now."""
    now = compression_of(body)
    if now == compression:
        return body
    return _FROM_PLAIN[compression](_TO_PLAIN[now](body))


def compression_of(body: bytes) -> str:
    """What a body is compressed with: zstd, gzip or none."""
    return _MAGIC.get(body[:2], NONE)


def _zstd(body: bytes) -> bytes:
    compress: Callable[[bytes], bytes] | None = getattr(_of_thread, "compress", None)
    if compress is None:
        compress = _of_thread.compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress
    return compress(body)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def _unchanged(body: bytes) -> bytes:
    return body


_FROM_PLAIN: dict[str, Callable[[bytes], bytes]] = {"zstd": _zstd, "gzip": _gzip, NONE: _unchanged}
_TO_PLAIN: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.decompress,
    "gzip": gzip.decompress,
    NONE: _unchanged,
}

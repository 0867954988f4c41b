"""How glibc's allocator is told to behave.

Decoding allocates and frees buffers of some megabytes for each batch. By default glibc maps such a buffer anew each
time, and the kernel zeroes every page of it: splitting requests into spans then costs 0.37 us a span instead of 0.04
(bench/stages). So large buffers come from the heap, and the heap keeps some memory instead of returning it at once.
"""

from __future__ import annotations

import ctypes
import gc
import sys

import pyarrow as pa

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_LARGEST_FROM_HEAP = 64 * 2**20
_KEPT_BYTES = 128 * 2**20
_GROWTH_BYTES = 16 * 2**20
_ARENAS = 2  # each arena keeps memory of its own; there are four busy threads


def keep_memory() -> bool:
    """Apply to this process; false where the C library has no mallopt (musl, macOS), which then does as it likes."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_M_MMAP_THRESHOLD, _LARGEST_FROM_HEAP),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_TOP_PAD, _GROWTH_BYTES),
        (_M_ARENA_MAX, _ARENAS),
    )
    pa.set_memory_pool(pa.system_memory_pool())  # mimalloc beside it keeps 15 MiB more (bench/trace_buffer)
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)


def collect_garbage_rarely() -> None:
    """Keep Python's garbage collector from walking over what never changes, once everything is built.

    Price lists and models are over 100,000 objects; walking over them at each collection cost 1.9 us a span, with these
    settings 0.2 (bench). Batches hold few objects and no cycles, so that little waits for a collection.
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)

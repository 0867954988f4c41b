"""Say the same thing once in a while, and how often it was not said in between."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import msgspec


class Throttle:
    """Remembers when each of a bounded number of things was said last.

    State: 40 bytes a key; the key longest not seen is forgotten first, and what was not said about it with it.
    """

    def __init__(self, interval_seconds: float, max_keys: int) -> None:
        self._interval_seconds = interval_seconds
        self._max_keys = max_keys
        self._said: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def admit(self, key: tuple[str, ...], now: float) -> int | None:
        """How often the thing happened since it was said last, this time included; None when it is too early."""
        digest = blake2b("\0".join(key).encode(errors="replace"), digest_size=16).digest()
        said, withheld = self._said.get(digest, (None, 0))
        if said is not None and now - said < self._interval_seconds:
            self._said[digest] = (said, withheld + 1)
            self._said.move_to_end(digest)
            return None
        self._said[digest] = (now, 0)
        self._said.move_to_end(digest)
        if len(self._said) > self._max_keys:
            self._said.popitem(last=False)
        return withheld + 1

    def snapshot(self) -> bytes:
        """Everything remembered, in order of use."""
        return msgspec.msgpack.encode([(key, said, withheld) for key, (said, withheld) in self._said.items()])

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` wrote."""
        entries = msgspec.msgpack.decode(state, type=list[tuple[bytes, float, int]])
        self._said = OrderedDict((key, (said, withheld)) for key, said, withheld in entries)

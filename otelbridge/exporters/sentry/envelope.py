"""Envelopes: the frame in which Sentry takes things, and deterministic names for what is in them.

The bytes are those that `sentry_sdk.envelope.Envelope.serialize` makes (a test compares them by parsing); building them
here costs 3 us instead of 25, which counts because every kept trace is at least one envelope.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any
from uuid import UUID

import msgspec

NAMESPACE = UUID("6f2b7a34-5d0c-5e0e-9f0b-9f3f1c6d7a10")
"""Of all our event ids. Changing it makes every event that is sent again after an upgrade a new one."""

_OF_NAMESPACE = sha1(NAMESPACE.bytes, usedforsecurity=False)  # uuid.uuid5 takes eight times as long

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_encode = msgspec.json.Encoder().encode


def event_id(*names: object) -> str:
    """A UUID5 of these names without hyphens: the same for the same names, so that Sentry drops what it gets twice."""
    return event_id_of("/".join(map(str, names)))


def event_id_of(name: str) -> str:
    """The same, of names that are joined by slashes already."""
    hashed = _OF_NAMESPACE.copy()
    hashed.update(name.encode())
    digits = hashed.hexdigest()
    return f"{digits[:12]}5{digits[13:16]}{_VARIANT[digits[16]]}{digits[17:32]}"  # 5 is the version


def envelope(item_type: str, payload: dict[str, Any], trace: dict[str, str] | None = None) -> bytes:
    """An envelope with one item of JSON; `trace` is the dynamic sampling context, if there is one.

    There is no `sent_at`: it would be the time of encoding, and Sentry would shift everything by the time that the
    envelope waited in the outbox.
    """
    header: dict[str, Any] = {}
    if "event_id" in payload:
        header["event_id"] = payload["event_id"]
    if trace:
        header["trace"] = trace
    return framed(item_type, _encode(header), _encode(payload))


def framed(item_type: str, header: bytes, payload: bytes) -> bytes:
    """The same from a header and a payload that are JSON already."""
    return b'%b\n{"type":"%b","content_type":"application/json","length":%d}\n%b\n' % (
        header,
        item_type.encode(),
        len(payload),
        payload,
    )

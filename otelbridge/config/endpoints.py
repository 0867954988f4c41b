"""Which addresses a configuration listens on."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from otelbridge.config.report import Path

ANY_ADDRESS = {"", "0.0.0.0", "[::]", "*"}  # noqa: S104  # compared with, not bound
FIELD = "endpoint"


def listeners(config: BaseModel, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every setting called `endpoint` of a receiver, with its path; one that is empty listens nowhere."""
    for name, value in config:
        if name == FIELD and isinstance(value, str) and value:
            yield (*path, name), value
        elif isinstance(value, BaseModel):
            yield from listeners(value, (*path, name))


def same_port(one: str, other: str) -> bool:
    """Whether both cannot be listened on at once; port 0 is any free one."""
    (host, port), (other_host, other_port) = _split(one), _split(other)
    hosts = {host, other_host}
    return bool(port) and port == other_port and port != "0" and (len(hosts) == 1 or bool(hosts & ANY_ADDRESS))


def _split(endpoint: str) -> tuple[str, str]:
    host, _, port = endpoint.rpartition(":")
    return "127.0.0.1" if host == "localhost" else host, port

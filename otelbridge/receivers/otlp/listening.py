"""Opening a listening socket, or one clear line about why that is not possible."""

from __future__ import annotations

import errno
import socket

from otelbridge.core.errors import CannotStart
from otelbridge.receivers.otlp.settings import Address

_ADVICE = {
    errno.EADDRINUSE: ("is in use", "stop the other process or set"),
    errno.EADDRNOTAVAIL: ("is no address of this machine", "set"),
    errno.EACCES: ("may not be opened by this user", "choose a port from 1024 up in"),
}


def listen(address: Address, receiver: str, setting: str) -> socket.socket:
    """A bound socket; raises CannotStart.

    Without SO_REUSEPORT: two daemons on one port would each get half of the traces' spans, and nobody would notice.
    """
    try:
        family, kind, protocol, _, bound = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_start(address, receiver, setting, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart must not wait for old connections
        listener.bind(bound)
        listener.listen()  # for another socket may be bound to the port with SO_REUSEADDR and not listen yet
    except OSError as error:
        listener.close()
        raise _cannot_start(address, receiver, setting, error) from None
    listener.setblocking(False)
    return listener


def _cannot_start(address: Address, receiver: str, setting: str, error: OSError) -> CannotStart:
    what, advice = _ADVICE.get(error.errno or 0, (f"cannot be listened on, {error.strerror}", "set"))
    return CannotStart(f"{address} {what} (receiver {receiver}): {advice} {setting}")

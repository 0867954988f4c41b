"""The admin endpoint's server: uvicorn on the daemon's own loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from otelbridge.core.errors import CannotStart


class AdminServer:
    """Serves an application at host:port; "" serves nothing."""

    def __init__(self, endpoint: str, app: Starlette) -> None:
        self._endpoint = endpoint
        self._app = app
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.address = ""
        """host:port as bound."""

    async def start(self) -> None:
        """Bind and serve; raises CannotStart when the port is taken."""
        if not self._endpoint:
            return
        host, _, port = self._endpoint.rpartition(":")
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host.strip("[]"), int(port)))
        except OSError as error:
            listener.close()
            raise CannotStart(
                f"admin endpoint {self._endpoint}: {(error.strerror or str(error)).lower()}; "
                "set service.telemetry.metrics.endpoint"
            ) from None
        self.address = "{}:{}".format(*listener.getsockname()[:2])
        config = uvicorn.Config(self._app, lifespan="off", access_log=False, log_config=None, loop="none")
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        assert self._server is not None
        # `serve` would take the signals for itself; they are the daemon's.
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup(sockets=[listener])
        await self._server.main_loop()
        await self._server.shutdown(sockets=[listener])

    async def stop(self) -> None:
        """Stop serving."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            with suppress(asyncio.CancelledError):
                await self._task

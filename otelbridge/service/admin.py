"""The admin endpoint's server: uvicorn on the daemon's own loop."""

from __future__ import annotations

import asyncio

import uvicorn
from starlette.applications import Starlette

from otelbridge.telemetry.serving import Address, EmbeddedServer, listen

SETTING = "service.telemetry.metrics.endpoint"


class AdminServer:
    """Serves an application at host:port; "" serves nothing."""

    def __init__(self, endpoint: str, app: Starlette) -> None:
        self._endpoint = endpoint
        config = uvicorn.Config(app, ws="none", lifespan="off", access_log=False, log_config=None, workers=1)
        self._server = EmbeddedServer(config)
        self._serving: asyncio.Task[None] | None = None
        self.address = ""
        """host:port as bound."""

    async def start(self) -> None:
        """Bind and serve; raises CannotStart when the port is taken."""
        if not self._endpoint:
            return
        address = Address.parse(self._endpoint)
        listener = listen(address, "admin endpoint", SETTING)
        self.address = str(address._replace(port=listener.getsockname()[1]))
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="admin endpoint")
        await self._server.listening.wait()

    async def stop(self) -> None:
        """Stop serving."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving

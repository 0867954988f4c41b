"""The admin endpoint: /metrics, /healthz and /readyz, for a scraper and for Kubernetes.

/healthz answers 200 while the daemon lives. /readyz answers 200 while it takes new requests: not while it still reads
its log after a restart, not while it drains, not while the disk or the outbox is full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether new requests are welcome, and if not why."""

    ready: bool
    state: str
    details: Mapping[str, str]


def admin_app(exposition: Callable[[], bytes], readiness: Callable[[], Readiness], version: str) -> Starlette:
    """The application; whoever starts it chooses the address."""

    async def metrics(_request: Request) -> Response:
        return Response(exposition(), media_type=PROMETHEUS_TEXT)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": version, "state": readiness().state})

    async def readyz(_request: Request) -> Response:
        now = readiness()
        body = {"ready": now.ready, "state": now.state, **now.details}
        return JSONResponse(body, status_code=200 if now.ready else 503)

    return Starlette(
        routes=[Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)],
    )

"""The OTLP receiver alone, as a process: it takes every request and hands it to nobody. stdout: {"target": ...}."""

from __future__ import annotations

import asyncio
import json

import uvloop

from otelbridge.core.component import Accepted, BuildContext, Signal
from otelbridge.receivers.otlp import SPEC, Config
from otelbridge.service.memory import keep_memory

ACCEPTED = Accepted(512)


async def submit(_body: bytes) -> Accepted:
    """Durable nowhere."""
    return ACCEPTED


async def serve() -> None:
    """Listen on a free port until killed."""
    config = Config.model_validate({"protocols": {"grpc": {"endpoint": "127.0.0.1:0"}}})
    receiver = SPEC.build(config, BuildContext("otlp"))
    await receiver.start({Signal.TRACES: submit})
    print(json.dumps({"target": receiver.endpoints["grpc"]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    keep_memory()
    uvloop.run(serve())

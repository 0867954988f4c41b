"""The processes beside the measured daemons (load generator, sink, a receiver alone), which speak lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import Any, Self

from bench import measure
from bench.load import Sent

STOP_SECONDS = 10.0


class Peer:
    """A module of this folder as a process; its first line is what it says about itself."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.introduction = self.receive()

    def receive(self) -> dict[str, Any]:
        """The next line; raises RuntimeError when the process has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Write a line, and wait for one."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self.receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=STOP_SECONDS)


class ReceiverAlone(Peer):
    """`bench.receiver`."""

    def __init__(self) -> None:
        super().__init__("receiver")
        self.target: str = self.introduction["target"]

    def cpu_seconds(self) -> float:
        """So far."""
        return measure.cpu_seconds(self._process.pid)


class LoadGenerator(Peer):
    """`bench.load`."""

    def __init__(self, spans_per_request: int, prompt_bytes: int = 0) -> None:
        super().__init__("load", f"--spans-per-request={spans_per_request}", f"--prompt-bytes={prompt_bytes}")

    def send(self, target: str, spans: int, spans_per_second: float = 0) -> Sent:
        """Send that many spans, as fast as they are taken or at a rate; returns when all are acknowledged."""
        return Sent(**self.ask({"target": target, "spans": spans, "spans_per_second": spans_per_second}))


class Sink(Peer):
    """`bench.sink`."""

    def __init__(self) -> None:
        super().__init__("sink")
        self.address = f"127.0.0.1:{self.introduction['port']}"

    def stats(self) -> dict[str, int]:
        """What came since the last call: see `bench.sink.Received.stats`."""
        with urllib.request.urlopen(f"http://{self.address}/stats") as response:
            stats: dict[str, int] = json.load(response)
        return stats

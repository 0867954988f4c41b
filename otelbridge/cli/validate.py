"""`otelbridge validate`: everything that `run` does short of opening files and sockets."""

from __future__ import annotations

import argparse

from otelbridge.cli import configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which configuration."""
    configuration.add_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """Load, check, and build every component."""
    from otelbridge.core.component import BuildContext
    from otelbridge.engine.tasks import build_task
    from otelbridge.service.fallback import without_destination

    checked = configuration.load_configuration(arguments)
    for plan in map(without_destination, checked.pipelines):
        build_task(plan, checked.service.storage.data_directory, lambda _component, _error: None)
        for receiver in plan.receivers:
            receiver.spec.build(receiver.config, BuildContext(receiver.id))
    names = ", ".join(plan.id for plan in checked.pipelines)
    print(f"valid: {names}")
    return 0

"""`otelbridge components`: what there is, and everything that is needed to configure it."""

from __future__ import annotations

import argparse

from otelbridge.core.errors import OtelbridgeError


class UnknownComponent(OtelbridgeError):
    """No component has this name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which component, or the columns."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="document this component, or `service`")
    parser.add_argument("--columns", action="store_true", help="list the columns and functions that conditions may use")
    parser.add_argument("--measurements", action="store_true", help="list the measurements that trackers can watch")


def main(arguments: argparse.Namespace) -> int:
    """Print it."""
    from otelbridge.catalogue import catalogue
    from otelbridge.cli import pages
    from otelbridge.cli.described import names
    from otelbridge.config.problems import did_you_mean

    known = catalogue()
    if arguments.columns:
        print(pages.columns(known))
    elif arguments.measurements:
        print(pages.measurements(known))
    elif arguments.name is None:
        print(pages.overview(known))
    else:
        text = pages.component(known, arguments.name)
        if text is None:
            hint = did_you_mean(arguments.name, names(known))
            raise UnknownComponent(f"no component is called `{arguments.name}`{hint}")
        print(text)
    return 0

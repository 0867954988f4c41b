"""`--config` and `--set`, for every subcommand that reads a configuration."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otelbridge.config.model import Configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two options."""
    from otelbridge.config.files import ready_made

    names = ", ".join(ready_made())
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE_OR_NAME",
        help=f"a file, or a ready-made configuration ({names}); given several times, later ones are laid over earlier "
        "ones; default: default",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B.C=VALUE",
        help="one value, written as YAML, over all files; a key with dots in double quotes",
    )


def load_configuration(arguments: argparse.Namespace) -> Configuration:
    """The configuration that the arguments name; prints its warnings. Raises InvalidConfiguration, CannotStart."""
    from otelbridge.catalogue import catalogue
    from otelbridge.config.load import load

    configuration = load(arguments.config, arguments.set, os.environ, catalogue())
    for warning in configuration.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return configuration

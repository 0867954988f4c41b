"""`otelbridge print-config`: all sources merged, all defaults filled in."""

from __future__ import annotations

import argparse
import json

from otelbridge.cli import configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which configuration, and how to print it."""
    configuration.add_arguments(parser)
    parser.add_argument(
        "--mode",
        choices=("redacted", "unredacted"),
        default="redacted",
        help="secrets as [REDACTED] (the default), or as they are",
    )
    parser.add_argument("--format", choices=("yaml", "json"), default="yaml", help="default: yaml")


def main(arguments: argparse.Namespace) -> int:
    """Print it."""
    import yaml

    from otelbridge.config.effective import effective

    data = effective(configuration.load_configuration(arguments), reveal=arguments.mode == "unredacted")
    if arguments.format == "json":
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        print(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120), end="")
    return 0

"""`otelbridge`: one command, several subcommands.

Each subcommand is a module with `add_arguments(parser)` and `main(arguments) -> int`; only the one that was asked for
is imported, because polars and gRPC take their time and `--version` should not wait for them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from otelbridge import __version__

COMMANDS = {
    "run": "start the daemon",
    "validate": "check a configuration and start nothing",
    "print-config": "print the configuration in force, defaults included",
    "components": "list the components, or document one",
    "demo": "start the daemon and show what it makes of a small application",
}
"""Name and summary of each subcommand; `print-config` is the module `print_config`."""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand. Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser, commands = _parser(given)
    arguments = parser.parse_args(given)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    return _guarded(commands[arguments.command], arguments)


def _parser(given: list[str]) -> tuple[argparse.ArgumentParser, dict[str, ModuleType]]:
    """The parser, with the arguments of the subcommand that is asked for and the names of the others."""
    parser = argparse.ArgumentParser(
        prog="otelbridge",
        description="Receives OpenTelemetry traces and metrics, understands them, sends to Sentry what matters.",
    )
    parser.add_argument("--version", action="version", version=f"otelbridge {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    wanted = next((word for word in given if not word.startswith("-")), None)
    commands = {}
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[:1].upper() + summary[1:] + ".")
        if name == wanted:
            module = importlib.import_module(f"otelbridge.cli.{name.replace('-', '_')}")
            module.add_arguments(subparser)
            commands[name] = module
    return parser, commands


def _guarded(command: ModuleType, arguments: argparse.Namespace) -> int:
    """Run it; what a user can repair is told without a traceback."""
    from otelbridge.config.problems import EXIT_CODE, InvalidConfiguration
    from otelbridge.core.errors import OtelbridgeError

    try:
        code: int = command.main(arguments)
        sys.stdout.flush()
    except InvalidConfiguration as error:
        print(error, file=sys.stderr)
        return EXIT_CODE
    except OtelbridgeError as error:
        print(f"otelbridge: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `otelbridge components | head`: nobody reads on, and that is all right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


if __name__ == "__main__":
    sys.exit(main())

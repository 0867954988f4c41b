"""Makes ../recorded/stacktraces: runs programs in Java and Go that fail, and stores the stack traces they record.

    python tests/support/record/record_stacktraces.py --work /tmp/record

They are texts of exception.stacktrace as each language's OpenTelemetry sends them. The one of .NET is not made
here: no .NET is installed where the recordings are made, so it was written after Microsoft's documentation.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
STACKTRACES = HERE.parent / "recorded" / "stacktraces"


def record_java(work: Path) -> None:
    """Compile and run the Java program; what it prints is the stack trace."""
    source = HERE / "stacktraces/java/com/example/shop/Checkout.java"
    subprocess.run(["javac", "-d", str(work / "java"), str(source)], check=True)
    run = ["java", "-cp", str(work / "java"), "com.example.shop.Checkout"]
    (STACKTRACES / "java.txt").write_bytes(subprocess.run(run, check=True, capture_output=True).stdout)


def record_go(work: Path) -> None:
    """Run the Go program from a copy outside the repository; it writes one file for each stack trace."""
    folder = work / "go"
    shutil.copytree(HERE / "stacktraces/go", folder, dirs_exist_ok=True)
    subprocess.run(["go", "run", ".", str(STACKTRACES)], check=True, cwd=folder)


def main() -> None:
    """Parse the command line and record both."""
    parser = argparse.ArgumentParser(description="Make the stack traces in tests/support/recorded.")
    parser.add_argument("--work", type=Path, required=True, help="folder for builds, not in the repository")
    work = parser.parse_args().work.resolve()
    STACKTRACES.mkdir(parents=True, exist_ok=True)
    record_java(work)
    record_go(work)


if __name__ == "__main__":
    main()

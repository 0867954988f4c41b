from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from otelbridge.core.errors import CannotStart
from otelbridge.log.folder import PrivateFolder

ROOT = Path(__file__).parents[2]
NOBODY = 65534
HOLD = """
import sys, pathlib
from otelbridge.log.folder import PrivateFolder
folder = PrivateFolder(pathlib.Path(sys.argv[1]))
print(1, flush=True)
sys.stdin.read()
"""
TRY = f"""
import os, sys, pathlib
from otelbridge.log.folder import PrivateFolder
if os.getuid() == 0:  # who may write everywhere
    os.setuid({NOBODY})
PrivateFolder(pathlib.Path(sys.argv[1]))
"""


def test_the_lock_is_free_again_after_close(tmp_path: Path) -> None:
    PrivateFolder(tmp_path).close()
    PrivateFolder(tmp_path).close()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        with pytest.raises(CannotStart, match=rf"is in use by another otelbridge \(pid {process.pid}\)"):
            PrivateFolder(tmp_path)
        process.send_signal(signal.SIGKILL)
    PrivateFolder(tmp_path).close()


def test_missing_parents_are_made(tmp_path: Path) -> None:
    PrivateFolder(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("name", ["", "new"])
def test_a_folder_without_the_right_to_write_is_refused(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", TRY, str(Path(folder, name))]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stderr.rstrip().endswith(f"CannotStart: cannot write to {Path(folder, name)}: permission denied")

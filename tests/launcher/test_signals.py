"""What becomes of signals to a launcher that is on its way out."""

import signal
import subprocess
import sys

import pytest

LEAVES = """
import os, signal, sys
from framebus_launcher.signals import Signals
reader, writer = os.pipe()
os.set_blocking(writer, False)
with Signals(writer):
    os.kill(os.getpid(), int(sys.argv[1]))
os.kill(os.getpid(), signal.SIGTERM)
sys.exit(3)
"""


@pytest.mark.parametrize(
    ("first", "exit_code"), [(signal.SIGTERM, 3), (signal.SIGINT, 3), (signal.SIGHUP, -signal.SIGTERM)]
)
def test_who_was_told_to_stop_ends_with_its_own_exit_code_whatever_comes_last(
    first: signal.Signals, exit_code: int
) -> None:
    done = subprocess.run([sys.executable, "-c", LEAVES, str(int(first))], timeout=20.0, capture_output=True)

    assert done.returncode == exit_code

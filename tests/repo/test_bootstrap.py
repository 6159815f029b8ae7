"""tools/bootstrap.py: what goes wrong while the environment is made is one line, never a traceback."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "bootstrap.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as one would clone it, without an environment."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'nothing'\nversion = '0'\n")
    return tmp_path


def start(project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(project / "tools" / "bootstrap.py"), "all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_while_the_environment_is_made_is_a_calm_line(project: Path) -> None:
    making = start(project)
    assert making.stdout is not None
    assert "making the environment" in making.stdout.readline()

    os.killpg(making.pid, signal.SIGINT)
    _, said = making.communicate(timeout=30.0)

    assert making.returncode == 130
    assert said.strip() == "stopped; the next make goes on where this one was"


def test_an_environment_that_cannot_be_made_is_one_line_with_the_reason(project: Path) -> None:
    (project / ".venv").write_text("a file is in the way")

    making = start(project)
    _, said = making.communicate(timeout=60.0)

    assert making.returncode == 1
    assert said.startswith("error: could not make .venv: ")
    assert len(said.splitlines()) == 1

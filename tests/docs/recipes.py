"""The blocks of code on a page of docs/, to be run as they stand: each has a name, and those of Python are files."""

import re
import subprocess
import sys
from pathlib import Path

from examples.processes import Folder

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: str) -> dict[str, str]:
    """The code of each block by its name."""
    return {name: code for _, name, code in BLOCK.findall((DOCS / page).read_text())}


def unnamed_blocks(page: str) -> int:
    """How many blocks have no name, and so are run by nobody."""
    fences = [line for line in (DOCS / page).read_text().splitlines() if line.startswith("```") and line != "```"]
    return len(fences) - len(blocks_of(page))


def pip_install(folder: Folder) -> None:
    """`pip install .`, into a folder `site` of its own, which its programs find."""
    site = folder.path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    how = ["--no-deps", "--no-build-isolation", "--target", str(site), "."]
    done = subprocess.run([*pip, *how], cwd=folder.path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    before = folder.environment.get("PYTHONPATH")
    folder.environment["PYTHONPATH"] = f"{before}:{site}" if before else str(site)

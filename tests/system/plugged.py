"""Makes processors of the tests known as an installed package would, for the processes of a group."""

from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def plug_in(monkeypatch: pytest.MonkeyPatch, folder: Path, processors: Mapping[str, str]) -> None:
    """Processes that are started from here on find these: name to `module:class` of a file beside this one."""
    info = folder / "plugged-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in processors.items()]
    (info / "entry_points.txt").write_text("\n".join(["[framebus.processors]", *lines, ""]))
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{HERE}")

"""The process of the upload folder is killed at every statement and every word to the dispatcher: nothing is lost."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent


def test_sigkill_at_any_step_between_claim_and_commit_leaves_each_file_once() -> None:
    paths = os.pathsep.join([str(FOLDER), str(FOLDER.parents[1])])
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="fb") as folder:
        done = subprocess.run(
            [sys.executable, str(FOLDER / "dying.py"), folder],
            capture_output=True,
            env={**os.environ, "PYTHONPATH": paths},
            timeout=120.0,
            check=False,
        )

    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    lives = [json.loads(line) for line in done.stdout.splitlines()]
    assert [life["was_killed"] for life in lives] == [True] * (len(lives) - 1) + [False]
    assert len(lives) > 20
    for life in lives:
        states = life["states"]
        assert sorted([states["yard/a.jpg"], states["yard/b.jpg"]]) == ["done", "duplicate"], life
        assert states["yard/c.jpg"] == "done", life
        assert len(life["jobs"]) == len(set(life["jobs"])) == 2, life
        assert life["quarantined"] == ["broken/yard__d.jpg"], life

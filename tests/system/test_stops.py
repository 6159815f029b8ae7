"""A group that is told to stop at any moment, with jobs at work: it ends in time, and no job is lost or blamed."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import media
from framebus.messages import JobState
from framebus.recordings import closed_name, hour_folder
from groups import FRAMEBUS, SYNTHETIC, assert_nothing_left, running_group, wait_until
from system.rig import size

ROUNDS = size(5, 100)
JOBS = 4
SEGMENTS = 400
START_S = 1_790_000_000.0
STOP_LIMIT_S = 8.0
MAX_DELAY_S = 2.0


def record_much(data: Path, video: Path) -> None:
    """A long recording in many small segments of one content: work for a while."""
    media.make_video(video, seconds=2)
    for number in range(SEGMENTS):
        start_s = START_S + 2.0 * number
        folder = hour_folder(data, "old", start_s)
        folder.mkdir(parents=True, exist_ok=True)
        os.link(video, folder / closed_name(round(start_s * 1_000), 2_000))


def rows_of(data: Path) -> dict[str, tuple[str, int, int, int]]:
    """State, attempts, failures and crashes of each job, as the ledger on disk has them."""
    ledger = sqlite3.connect(f"file:{data / 'ledger.db'}?mode=ro", uri=True)
    try:
        rows = ledger.execute("SELECT id, state, attempt, failures, crashes FROM job").fetchall()
    finally:
        ledger.close()
    return {row[0]: row[1:] for row in rows}


def test_a_group_told_to_stop_at_a_random_moment_ends_in_time_and_hands_its_jobs_back(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    accepted: list[str] = []
    was_handed_back = 0

    with running_group({"cameras": {"front": SYNTHETIC}}) as group:
        record_much(group.place.data, tmp_path / "video.mp4")
        for number in range(ROUNDS):
            if number:
                group.start_again()
            door = group.place.run / "req.launcher"
            wait_until(door.exists, "the launcher runs")  # before, there is nothing to stop, and Python dies of SIGTERM
            if number % 3 < 2:  # each third is stopped while it starts
                group.await_ready("dispatcher")
                accepted += [group.submit(START_S, START_S + 2.0 * SEGMENTS, "old").id for _ in range(JOBS)]
            time.sleep(rng.uniform(0.05, MAX_DELAY_S))  # the random moment; nothing is waited for

            began_s = time.monotonic()
            code = group.stop(limit_s=STOP_LIMIT_S + 4.0)
            took_s = time.monotonic() - began_s

            told = f"seed {seed}, round {number}: {group.log.read_text()[-4_000:]}"
            assert code == 0, told
            assert took_s <= STOP_LIMIT_S, told
            assert_nothing_left(group.place)
            rows = rows_of(group.place.data) if accepted else {}
            assert set(accepted) <= set(rows), told
            for state, attempts, failures, crashes in rows.values():
                assert state in ("queued", "publishing", "succeeded"), told
                assert (attempts, failures, crashes) == (0 if state == "queued" else 1, 0, 0), told
            was_handed_back += sum(state == "queued" for state, *_ in rows.values())

        group.start_again()
        group.await_ready("dispatcher", "export")
        jobs = group.await_ends(accepted, limit_s=90.0)
        assert [(job.state, job.attempt) for job in jobs] == [(JobState.SUCCEEDED, 1)] * len(accepted)
        assert len(group.clips()) == len(accepted)
        assert was_handed_back > 0, "no job was at work at any of the moments"


def test_down_reaches_a_launcher_that_was_stopped() -> None:
    with running_group({"services": {"export": False, "enrich": False}}) as group:
        group.await_ready()

        group.process.send_signal(signal.SIGSTOP)
        done = subprocess.run(
            [FRAMEBUS, "down", "--run", str(group.place.run)], capture_output=True, text=True, timeout=30.0
        )

        assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
        assert group.process.wait(5.0) == 0

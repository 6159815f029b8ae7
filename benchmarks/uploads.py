"""How long ingest takes for many files at once, and what memory: `python -m benchmarks.uploads [--files 10000]`.

A dispatcher, ingest, and analysis with an analyser that does nothing, each a process of its own. Pictures of 4 kB are
written one after the other into eight folders, as by FTP. The time is from the first byte of the first file until the
dispatcher has accepted the job of the last. Prints a line of JSON; ends with 1 where jobs and files are not as many.
"""

import argparse
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks.private_group import PrivateGroup
from framebus.analyser import AnalysedFile, Analyser, Analysis

FOLDERS = 8
FILES_A_FOLDER = 250
"""in each folder of a day"""
LIMIT_S = 240.0
LOOK_S = 0.2
ENTRY_POINTS = """[framebus.analysers]
nothing = benchmarks.uploads:Nothing
"""


class Nothing(Analyser):
    """Looks at nothing, and has nothing to say."""

    def analyse(self, file: AnalysedFile, report: Callable[[str, float], None]) -> Analysis:
        return Analysis()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    files = parser.parse_args().files
    policy = {"analysis": {"max_queued": 2 * files, "pause_s": 0.0}}
    with PrivateGroup(settings={"jobs": policy}, entry_points=ENTRY_POINTS) as group:
        ingest = group.start("framebus_services.ingest", settings={})
        group.start("framebus.run_jobs", "analysis", settings={"analyser": "nothing"}, name="analysis")
        group.wait_for("ingest")
        group.wait_for("analysis")
        memory = Memory(ingest, group.dispatcher)
        started_s = time.monotonic()
        put(group.place.data / "uploads", files)
        written_s = time.monotonic() - started_s
        accepted = wait_for_all(group.place.data / "uploads.db", files, started_s + LIMIT_S)
        taken_s = time.monotonic() - started_s
        peak_mb = memory.stop()
        jobs = count(group.place.data / "ledger.db", "SELECT count(*) FROM job")
    line = {
        "files": files,
        "written_s": round(written_s, 2),
        "accepted": accepted,
        "accepted_s": round(taken_s, 2),
        "jobs": jobs,
        "ingest_peak_mb": round(peak_mb[0], 1),
        "dispatcher_peak_mb": round(peak_mb[1], 1),
        "load": round(os.getloadavg()[0], 2),
    }
    print(json.dumps(line))
    return 0 if accepted == jobs == files else 1


def put(root: Path, files: int) -> None:
    """Pictures that differ in the bytes behind their end, as cameras write them there, too."""
    noise = np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    picture = cv2.imencode(".jpg", noise)[1].tobytes()
    for number in range(files):
        folder = root / f"camera {number % FOLDERS}" / f"{number // FOLDERS // FILES_A_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(picture + number.to_bytes(4, "big"))


def wait_for_all(journal: Path, files: int, until_s: float) -> int:
    """How many files have a job that the dispatcher has accepted, when all have or the time is over."""
    while True:
        accepted = count(journal, "SELECT count(*) FROM upload WHERE state = 'done'")
        if accepted >= files or time.monotonic() > until_s:
            return accepted
        time.sleep(LOOK_S)


def count(database: Path, query: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute(query).fetchone()[0])


class Memory:
    """The highest resident memory of processes with their children, in 10^6 bytes, looked at five times a second."""

    def __init__(self, *processes: psutil.Process) -> None:
        self._processes = processes
        self._peaks_mb = [0.0] * len(processes)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> list[float]:
        """Of each process."""
        self._is_over.set()
        self._thread.join()
        return self._peaks_mb

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_S):
            for index, process in enumerate(self._processes):
                with suppress(psutil.NoSuchProcess):
                    family = [process, *process.children(recursive=True)]
                    resident_mb = sum(one.memory_info().rss for one in family) / 1e6
                    self._peaks_mb[index] = max(self._peaks_mb[index], resident_mb)


if __name__ == "__main__":
    raise SystemExit(main())

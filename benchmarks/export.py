"""Clips of ten minutes beside ffmpeg's, and how soon a cancelled one is gone: goal 11.

    python -m benchmarks.export [--quick] [--video FILE]

Ours is the whole job as its user has it, in a running group: from the submit to the news that it succeeded, with its
checks before, the look at the finished file, the thumbnail and its place in the ledger; its processor time is that of
launcher, dispatcher and export together. ffmpeg's is the command alone, with its start. Export gives way to the cameras
by nice 10, so ffmpeg gets the same here. "the copy alone" is our reading and writing of packets without all that.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Raw

from benchmarks.goals import CANCEL, COPY, FFMPEG_COPY, FRIGATE_TIMELAPSE, TIMELAPSE
from benchmarks.group import Group
from benchmarks.seen import OURS, Figures, LeftOut, Seen, in_turns, over_runs, say, tell
from benchmarks.videos import CAMERA, START_S, Shape, add_video_option, encode_video, record_video
from framebus import codec
from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.requests import CancelJob, SubmitJob
from framebus_services.export.gentle import NICE

GOAL = 11
SPEED = 25
SMALL_PACKETS = f"{COPY}, small packets with sound"
ALONE = "framebus, the copy alone"
SHAPES = {
    COPY: Shape(width=1280, height=720, fps=15, bits_per_s=2_000_000),
    SMALL_PACKETS: Shape(width=640, height=360, fps=25, bits_per_s=250_000, b_frames=2, has_sound=True),
}


class Exports:
    """The export jobs of a group, and what became of them."""

    def __init__(self, group: Group, seconds: int) -> None:
        self.group = group
        self._range = {"camera": CAMERA, "start": START_S, "end": START_S + seconds}
        self._views: dict[str, list[JobView]] = {}
        group.bus.on(JobView, lambda view: self._views.setdefault(view.id, []).append(view), type="export")

    def submit(self, **more: Any) -> str:
        params = {**self._range, **more}
        return self.group.bus.ask("dispatcher", SubmitJob(type="export", params=Raw(codec.encode(params)))).id

    def cancel(self, job_id: str) -> None:
        self.group.bus.ask("dispatcher", CancelJob(id=job_id))

    def await_news(self, job_id: str, holds: Callable[[JobView], bool]) -> JobView:
        """The first news of the job for which it holds."""
        found: list[JobView] = []

        def is_there() -> bool:
            found.extend(filter(holds, self._views.get(job_id, [])))
            return bool(found)

        self.group.turn_until(is_there)
        return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute once, instead of ten several times")
    add_video_option(parser)
    given = parser.parse_args()
    for line in measure(given.video, *((60, 1) if given.quick else (600, 5))):
        tell(line)


def measure(video: Path | None, seconds: int, runs: int) -> Iterator[Seen]:
    """All of goal 11 on so long a recording, `runs` times each."""
    for case, shape in SHAPES.items():
        with recorded(shape, video, seconds) as folder, Group(folder, "export") as group:
            exports = Exports(group, seconds)
            export(exports)  # what is loaded with the first clip is not part of the others
            yield from _copies(exports, case, folder, runs)
            if case == COPY:
                yield from over_runs(GOAL, CANCEL, OURS, [cancel(exports) for _ in range(2 * runs + 1)])
                yield from _timelapses(exports, folder, min(runs, 2))


def _copies(exports: Exports, case: str, folder: Path, runs: int) -> Iterator[Seen]:
    systems = {
        OURS: lambda: export(exports),
        ALONE: lambda: copy_alone(folder),
        FFMPEG_COPY: lambda: ffmpeg(["-c", "copy"], folder),
    }
    yield from in_turns(GOAL, case, systems, runs)


def _timelapses(exports: Exports, folder: Path, runs: int) -> Iterator[Seen]:
    options = ["-vf", f"setpts={1 / SPEED}*PTS", "-r", "30", "-c:v", "libx264", "-preset:v", "ultrafast"]
    options = ["-an", *options, "-tune:v", "zerolatency"]
    systems = {
        OURS: lambda: export(exports, mode="timelapse", instant=True, speed=SPEED),
        FRIGATE_TIMELAPSE: lambda: ffmpeg(options, folder),
        "ffmpeg, key frames, setpts and encode": lambda: ffmpeg(options, folder, ["-skip_frame", "nokey"]),
    }
    yield from in_turns(GOAL, TIMELAPSE, systems, runs)


@contextmanager
def recorded(shape: Shape, video: Path | None, seconds: int) -> Iterator[Path]:
    """A folder with recordings, and their list for ffmpeg."""
    folder = Path(tempfile.mkdtemp(prefix="fb-"))
    try:
        (folder / "data").mkdir()
        one = encode_video(folder / "one.mp4", shape, 10, video)
        segments = record_video(folder / "data", one, seconds)
        (folder / "list").write_text("".join(f"file '{path}'\n" for path in segments))
        say(f"{len(segments)} segments, {sum(path.stat().st_size for path in segments) / 1e6:.0f} MB")
        yield folder
    finally:
        shutil.rmtree(folder)


def export(exports: Exports, **more: Any) -> Figures:
    """A whole job; raises RuntimeError when it does not succeed."""
    cpu_s, start_s = exports.group.cpu_s(), time.perf_counter()
    view = exports.await_news(exports.submit(**more), lambda view: view.state in FINAL)
    wall_s = time.perf_counter() - start_s
    if view.state is not JobState.SUCCEEDED:
        raise RuntimeError(f"export {view.state}: {view.error}")
    return {"wall s": wall_s, "CPU s": exports.group.cpu_s() - cpu_s}


def cancel(exports: Exports) -> Figures:
    """From the request to the news that a copy that was under way is gone."""
    job_id = exports.submit()
    exports.await_news(job_id, lambda view: view.state is JobState.RUNNING)
    start_s = time.perf_counter()
    exports.cancel(job_id)
    view = exports.await_news(job_id, lambda view: view.state in FINAL)
    if view.state is not JobState.CANCELLED:
        raise RuntimeError(f"a copy was to be cancelled and is {view.state}")
    return {"ms to the end": (time.perf_counter() - start_s) * 1e3}


def copy_alone(folder: Path) -> Figures:
    """Our packets from file to file in a process that has everything imported, as the service has."""
    command = [sys.executable, "-m", "benchmarks.export_copy", str(folder / "data"), str(folder / "alone.mp4")]
    done = subprocess.run(command, check=True, capture_output=True, preexec_fn=_give_way)
    wall_s, cpu_s = map(float, done.stdout.split())
    return {"wall s": wall_s, "CPU s": cpu_s}


def ffmpeg(options: list[str], folder: Path, before: list[str] | None = None) -> Figures:
    """ffmpeg over the list of segments, from its start to its end."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise LeftOut("apt-get install ffmpeg")
    command = [program, "-v", "error", "-y", *(before or []), "-f", "concat", "-safe", "0", "-i", str(folder / "list")]
    before_s, start_s = _children_s(), time.perf_counter()
    subprocess.run([*command, *options, str(folder / "ffmpeg.mp4")], check=True, preexec_fn=_give_way)
    return {"wall s": time.perf_counter() - start_s, "CPU s": _children_s() - before_s}


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, NICE)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

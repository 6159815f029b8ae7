"""What cameras cost, and how soon what they see is told: goals 4, 5 and 14, and memory after an hour of video.

    python -m benchmarks.cameras [--quick] [--video FILE]

Ours is the whole group: launcher, dispatcher, enrich and a capture process for each camera. The peer is
`benchmarks.frigate_camera`. Both record, both look for motion, neither has a detector with a model; both play the same
file at its own pace. The latency is from the moment that a packet was read from its file until the news that an object
has appeared was heard in another process, by the time that the news itself tells of its frame.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.goals import CAMERAS_4, CPU_PERCENT, FRIGATE_PIPE, ONE_CAMERA, PER_CAMERA, TWO_STREAMS
from benchmarks.group import Group
from benchmarks.load import cpu_s, pss_mb
from benchmarks.seen import OURS, Figures, LeftOut, Seen, in_turns, over_runs, percentile, say, tell
from benchmarks.videos import Shape, add_video_option, encode_video
from framebus.messages import MotionBoxes, ObjectEvent, Phase

SMALL, LARGE, BESIDE = (
    Shape(width=1280, height=720, fps=15, bits_per_s=2_000_000),
    Shape(width=1920, height=1080, fps=25, bits_per_s=4_000_000),
    Shape(width=640, height=360, fps=10, bits_per_s=400_000),
)
CLIP_S = 4
DETECT_FPS = 5
QUICK_S = 1.0
WARM_UP_S = 3.0
START_LIMIT_S = 60.0
SEGMENT_S = 10.0
"""one of ours and one of the peer's ends within such a time"""
COUNTS = (1, 4, 16)
HOUR = "an hour of one camera, as fast as it goes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter, and fewer runs")
    add_video_option(parser)
    given = parser.parse_args()
    for line in measure(given.video, is_quick=given.quick):
        tell(line)


def measure(video: Path | None, *, is_quick: bool) -> Iterator[Seen]:
    """All of it."""
    with folder_of_its_own() as folder:
        small = encode_video(folder / "small.mp4", SMALL, CLIP_S, video)
        yield from over_runs(4, CAMERAS_4, OURS, [latency(small, QUICK_S if is_quick else 60.0)])
        large = encode_video(folder / "large.mp4", LARGE, CLIP_S, video)
        seconds, runs = (QUICK_S, 1) if is_quick else (SEGMENT_S, 3)
        systems: Mapping[str, Callable[[], Figures]] = {
            OURS: partial(one_camera, large, seconds),
            FRIGATE_PIPE: partial(frigate, large, seconds),
        }
        yield from in_turns(5, ONE_CAMERA, systems, runs)
        beside = encode_video(folder / "beside.mp4", BESIDE, CLIP_S, video)
        systems = {
            OURS: partial(one_camera, large, seconds, beside),
            FRIGATE_PIPE: partial(frigate, large, seconds, beside),
        }
        yield from in_turns(5, TWO_STREAMS, systems, 1 if is_quick else 2)
    counts = {count: partial(synthetic, count, QUICK_S if is_quick else 8.0) for count in COUNTS}
    for count, run in counts.items():
        yield from over_runs(14, PER_CAMERA.format(count=count), OURS, [run() for _ in range(1 if is_quick else 2)])
    yield from over_runs(14, HOUR, OURS, [compressed(600 if is_quick else 3_600)])


@contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """A folder that is gone afterwards; its path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="fb-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def latency(video: Path, seconds: float) -> Figures:
    """How soon is told what four cameras see."""
    detect = {"fps": DETECT_FPS}
    cameras = {f"cam{number}": {"source": str(video), "detect": detect} for number in range(4)}
    starts_ms: list[float] = []
    motions_ms: list[float] = []

    def note(delays_ms: list[float], message: ObjectEvent | MotionBoxes) -> None:
        if isinstance(message, MotionBoxes) or message.phase is Phase.START:
            delays_ms.append((time.time() - message.captured_at_s) * 1e3)

    with folder_of_its_own() as folder, Group(folder, "enrich", cameras=cameras) as group:
        group.bus.on(ObjectEvent, partial(note, starts_ms))
        group.bus.on(MotionBoxes, partial(note, motions_ms))
        group.turn_for(min(WARM_UP_S, 2.0 * seconds))
        starts_ms.clear()
        motions_ms.clear()
        group.turn_for(seconds)
        group.turn_until(lambda: bool(starts_ms))
    say(f"{len(starts_ms)} objects appeared, motion was told {len(motions_ms)} times")
    return {
        "packet to object p50 ms": percentile(starts_ms, 50),
        "packet to object p99 ms": percentile(starts_ms, 99),
        "packet to motion p50 ms": percentile(motions_ms, 50),
        "packet to motion p99 ms": percentile(motions_ms, 99),
    }


def one_camera(video: Path, seconds: float, small: Path | None = None) -> Figures:
    """One camera of ours, recorded and looked at; where it has a small stream, in that one."""
    detect: dict[str, Any] = {"width": 640, "height": 360, "fps": DETECT_FPS}
    if small is not None:
        detect["source"] = str(small)
    cameras = {"front": {"source": str(video), "detect": detect}}
    with folder_of_its_own() as folder, Group(folder, "enrich", cameras=cameras) as group:
        return _cost(group, 1, seconds)


def frigate(video: Path, seconds: float, small: Path | None = None) -> Figures:
    """The same camera, the other way."""
    if shutil.which("ffmpeg") is None:
        raise LeftOut("apt-get install ffmpeg")
    with folder_of_its_own() as folder:
        command = [sys.executable, "-m", "benchmarks.frigate_camera", str(video), str(folder), "640", "360"]
        command += [str(DETECT_FPS)] if small is None else [str(DETECT_FPS), str(small)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            try:
                _wait_for_video(folder)
                time.sleep(min(WARM_UP_S, 2.0 * seconds))
                children = psutil.Process(process.pid).children(recursive=True)
                pids = [process.pid, *(child.pid for child in children)]
                before_s, start_s = cpu_s(*pids), time.monotonic()
                time.sleep(seconds)
                used_s, passed_s = cpu_s(*pids) - before_s, time.monotonic() - start_s
                memory_mb = pss_mb(*pids)
            finally:
                process.terminate()
        return {CPU_PERCENT: 100 * used_s / passed_s, "PSS MB": memory_mb}


def _wait_for_video(folder: Path) -> None:
    """Until the peer records, so that what its start takes is not counted, as that of ours is not."""
    end_s = time.monotonic() + START_LIMIT_S
    while not any(path.stat().st_size for path in folder.glob("*.mp4")):
        if time.monotonic() > end_s:
            raise RuntimeError("the peer records nothing")
        time.sleep(0.05)


def synthetic(count: int, seconds: float) -> Figures:
    """Drawn, encoded, recorded and looked at: `count` of them."""
    cameras = {f"cam{number}": {"source": "synthetic://"} for number in range(count)}
    with folder_of_its_own() as folder, Group(folder, "enrich", cameras=cameras) as group:
        return _cost(group, count, seconds)


def compressed(seconds: int) -> Figures:
    """Memory of a capture process before and after so much video."""
    with folder_of_its_own() as folder:
        video = encode_video(folder / "one.mp4", Shape(width=320, height=180, fps=5, bits_per_s=100_000), CLIP_S)
        command = [sys.executable, "-m", "benchmarks.camera_day", str(video), str(folder), str(seconds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    begin_mb, end_mb, segments = map(float, done.stdout.split())
    return {"RSS MB after 10 minutes": begin_mb, "RSS MB at the end": end_mb, "segments": segments}


def _cost(group: Group, count: int, seconds: float) -> dict[str, Any]:
    """Of each camera: what the whole group used, shared among them."""
    group.turn_for(min(WARM_UP_S, 2.0 * seconds))
    before_s, start_s = group.cpu_s(), time.monotonic()
    time.sleep(seconds)
    used_s, passed_s = group.cpu_s() - before_s, time.monotonic() - start_s
    processes = group.processes()
    captures = [pss_mb(pid) for name, pid in processes.items() if name.startswith("capture")]
    return {
        CPU_PERCENT: 100 * used_s / passed_s / count,
        "PSS MB": pss_mb(*processes.values()) / count,
        "PSS MB of capture": sum(captures) / len(captures),
    }


if __name__ == "__main__":
    main()

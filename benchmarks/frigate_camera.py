"""A camera as Frigate captures it: one ffmpeg that records and scales, its pictures through a pipe into shared memory.

    python -m benchmarks.frigate_camera VIDEO FOLDER WIDTH HEIGHT FPS [SMALL]

With SMALL, the camera's small stream, that one is looked at by an ffmpeg of its own, and VIDEO is only recorded.
Two Python processes, as there: one reads pictures from the pipe and writes each into a segment of shared memory that it
opens by name, the other is told by a queue, opens it in its turn and looks for motion (Frigate's "improved" detector:
100 lines high, contrast, blur, running average, contours). A segment that is complete goes from the cache to its place
through a second ffmpeg, which puts the index in front (`move_segment` in its `record/maintainer.py`). Not here: its
look into each segment, its tracker, its database, its message bus. Runs until it is told to end.
"""

import multiprocessing as mp
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

SLOTS = 20
LOOK_S = 1.0
MOTION_HEIGHT = 100
THRESHOLD, LEAST_AREA, FOLLOW = 30, 10, 0.01
Luma = npt.NDArray[np.uint8]


def main() -> None:
    video, folder = Path(sys.argv[1]), Path(sys.argv[2])
    width, height, fps = map(int, sys.argv[3:6])
    small = Path(sys.argv[6]) if len(sys.argv) > 6 else None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    notices: mp.Queue[str] = mp.Queue(2)
    names = [f"{folder.name}-{number}" for number in range(SLOTS)]
    slots = [SharedMemory(name, create=True, size=width * height * 3 // 2) for name in names]
    eye = mp.Process(target=_look, args=(notices, width, height), daemon=True)
    eye.start()
    record, detect = _record(folder), _detect(width, height, fps)
    commands = (
        [_command(video, *record, *detect)] if small is None else [_command(small, *detect), _command(video, *record)]
    )
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) for command in commands]
    try:
        assert programs[0].stdout is not None
        threading.Thread(target=_keep, args=(folder,), daemon=True).start()
        _capture(programs[0].stdout.read, names, notices, width * height * 3 // 2)
    finally:
        for program in programs:
            program.kill()
            program.wait()
        eye.terminate()
        for slot in slots:
            slot.close()
            slot.unlink()


def _record(folder: Path) -> list[str]:
    """Its preset for recording."""
    record = "-f segment -segment_time 10 -segment_format mp4 -reset_timestamps 1 -strftime 1 -c:v copy -an"
    return [*record.split(), f"{folder}/%Y%m%d%H%M%S.mp4"]


def _detect(width: int, height: int, fps: int) -> list[str]:
    """Its preset for detection."""
    return f"-threads 2 -r {fps} -vf fps={fps},scale={width}:{height} -f rawvideo -pix_fmt yuv420p pipe:".split()


def _command(video: Path, *outputs: str) -> list[str]:
    """On a file that is played over and over."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise SystemExit("ffmpeg is not installed")
    before = "-hide_banner -loglevel warning -threads 2 -re -stream_loop -1 -i"
    return [program, *before.split(), str(video), *outputs]


def _keep(folder: Path) -> None:
    """Move what is complete. Frigate looks each 5 s; here sooner, so that what is measured holds one move for 10 s."""
    (folder / "kept").mkdir()
    while True:
        for path in sorted(folder.glob("*.mp4"))[:-1]:  # the last one is being written
            command = ["ffmpeg", "-hide_banner", "-y", "-i", str(path), "-c", "copy", "-movflags", "+faststart"]
            subprocess.run([*command, str(folder / "kept" / path.name)], stdin=subprocess.DEVNULL, capture_output=True)
            path.unlink()
        time.sleep(LOOK_S)


def _capture(read: Callable[[int], bytes], names: list[str], notices: "mp.Queue[str]", size: int) -> None:
    number = 0
    while len(data := read(size)) == size:
        name = names[number % SLOTS]
        slot = SharedMemory(name)
        buffer: Any = slot.buf
        buffer[:size] = data
        del buffer
        slot.close()
        with suppress(Exception):  # full: the picture is left out
            notices.put_nowait(name)
        number += 1


def _look(notices: "mp.Queue[str]", width: int, height: int) -> None:
    cv2.setNumThreads(1)
    small_width = round(MOTION_HEIGHT * width / height)
    average: Any = np.zeros((MOTION_HEIGHT, small_width), np.float32)
    while True:
        slot = SharedMemory(notices.get())
        picture = np.ndarray((height * 3 // 2, width), np.uint8, buffer=slot.buf)
        _find_motion(picture[:height], (small_width, MOTION_HEIGHT), average)
        del picture
        slot.close()


def _find_motion(luma: Luma, size: tuple[int, int], average: Any) -> list[Any]:
    small: Any = cv2.resize(luma, size, interpolation=cv2.INTER_NEAREST)
    low, high = np.percentile(small, (4, 96))
    if high > low:
        small = np.clip((small - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
    small = cv2.GaussianBlur(small, (3, 3), 0)
    changed: Any = cv2.threshold(cv2.absdiff(small, cv2.convertScaleAbs(average)), THRESHOLD, 255, cv2.THRESH_BINARY)[1]
    contours, _ = cv2.findContours(cv2.dilate(changed, None, iterations=1), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)  # type: ignore[call-overload]
    boxes = [cv2.boundingRect(contour) for contour in contours if cv2.contourArea(contour) > LEAST_AREA]
    cv2.accumulateWeighted(small, average, FOLLOW)
    return boxes


if __name__ == "__main__":
    main()

"""A camera's packets through recorder and pictures, as fast as they go, on a clock that goes with them.

    python -m benchmarks.camera_day VIDEO FOLDER SECONDS

Prints the memory of the process after ten minutes of video and at the end, in MB, and how many segments it recorded.
"""

import sys
from pathlib import Path

import psutil

from framebus.addresses import parse_address
from framebus.clock import FakeClock
from framebus.keep import Keep
from framebus.messages import SegmentClosed
from framebus.retention import Retention
from framebus.settings import Detect
from framebus_services.capture.disk import Disk
from framebus_services.capture.pictures import Pictures
from framebus_services.capture.recorder import Recorder
from framebus_services.capture.source import FileSource
from framebus_services.capture.timestamps import Arrival

WARM_UP_S = 600.0
KEEP_S = 300.0
RETENTION_S = 30.0


def main() -> None:
    video, folder, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    clock = FakeClock()
    closed: list[SegmentClosed] = []
    source = FileSource(parse_address(str(video)), clock, lambda wait_s: _pass(clock, wait_s))
    recorder = Recorder(folder / "data", "front", 10.0, clock, Disk(folder), lambda segment: closed.append(segment))
    pictures = Pictures("front", Detect(fps=5), folder, 1, clock, lambda *_: None)
    retention = Retention(folder / "data", "front", Keep.whatever(KEEP_S), clock, lambda: False)
    for sink in (pictures, recorder):
        sink.begin(source)
    start_s, warm_mb, segments, due_s = clock.boot_s(), 0.0, 0, 0.0
    for packet in source.items():
        now_s = clock.boot_s()
        arrival = Arrival(clock.wall_s(), now_s)
        pictures.take(packet, arrival)
        recorder.take(packet, arrival)
        if now_s >= due_s:
            due_s = now_s + RETENTION_S
            segments += len(closed)
            closed.clear()
            while retention.step():
                pass
        if not warm_mb and now_s - start_s >= min(WARM_UP_S, seconds / 2):
            warm_mb = _rss_mb()
        if now_s - start_s >= seconds:
            break
    end_mb = _rss_mb()
    recorder.close()
    pictures.close()
    print(warm_mb, end_mb, segments + len(closed))


def _pass(clock: FakeClock, seconds: float) -> bool:
    clock.advance(seconds)
    return False


def _rss_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    main()

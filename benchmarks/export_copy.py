"""The copy of a clip alone, in a process of its own: prints the seconds that passed, and those of the processor."""

import sys
import time
from pathlib import Path

import av

from benchmarks.videos import CAMERA, START_S
from framebus.recordings import LONGEST_SEGMENT_S, list_segments
from framebus_services.export.copy import Copier
from framebus_services.export.made import Range
from framebus_services.export.pace import Pace
from framebus_services.export.source import inspect


class Silent:
    """A job that nobody asks for."""

    stop_reason = None

    def __call__(self, *_: object) -> None: ...


def main() -> None:
    data, out = map(Path, sys.argv[1:])
    with av.open(str(out), "w", format="mp4"):
        pass  # what is loaded late is loaded now
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    sources = [inspect(segment) for segment in list_segments(data, CAMERA, START_S, START_S + LONGEST_SEGMENT_S)]
    wanted = Range(
        camera=CAMERA,
        sources=sources,
        start_s=START_S,
        until_s=sources[-1].end_s,
        with_audio=sources[0].audio is not None,
        skips_broken=False,
    )
    Copier(wanted).write(out, None, Pace(Silent(), "copying", 0.0, 100.0))  # type: ignore[arg-type]
    print(time.perf_counter() - start_s, time.process_time() - start_cpu_s)


if __name__ == "__main__":
    main()

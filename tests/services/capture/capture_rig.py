"""What the tests of capture share: a source that is fed by hand, and a capture process with its own group."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import av

from framebus import messages
from framebus.codec import News
from framebus.keep import KEEP_NAME
from framebus.place import Place
from framebus.testing import FakeClock
from framebus.transport import SocketBus
from framebus_services.capture.disk import Disk
from framebus_services.capture.recorder import Recorder
from framebus_services.capture.source import make_decoder
from framebus_services.capture.timestamps import Arrival
from framebus_services.dispatcher.proxy import Proxy

LIMIT_S = 15.0
CAMERA = "front"


class Played:
    """A video file as a source that a test plays by hand, with a clock that follows it."""

    def __init__(self, path: Path, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self._container = av.open(str(path))
        self.video = self._container.streams.video[0]
        self.audio = next(iter(self._container.streams.audio), None)
        self.decoder = make_decoder(self.video.codec_context.name, self.video.codec_context.extradata)
        self._began_s = self.clock.boot_s()

    def packets(self) -> Iterator[Any]:
        streams = [self.video] if self.audio is None else [self.video, self.audio]
        for packet in self._container.demux(streams):
            if packet.size:
                behind_s = self._began_s + float(packet.dts * packet.time_base) - self.clock.boot_s()
                self.clock.advance(max(0.0, behind_s))
                yield packet

    def arrival(self) -> Arrival:
        return Arrival(self.clock.wall_s(), self.clock.boot_s())

    def close(self) -> None:
        self._container.close()


def make_recorder(data: Path, clock: FakeClock, closed: list[Any], *, segment_s: float = 2.0, **disk: Any) -> Recorder:
    disk = {"floor_share": 0.0, **disk}
    return Recorder(data, CAMERA, segment_s, clock, Disk(data / "recordings", **disk), closed.append)


Change = Callable[[int, Any], Any]


def record(recorder: Recorder, played: Played, change: Change = lambda number, packet: packet) -> None:
    """Play a file into a recorder; `change` may alter packets of video, or drop them by returning None."""
    recorder.begin(played)
    number = 0
    for packet in played.packets():
        if packet.stream_index == played.video.index:
            changed = change(number, packet)
            number += 1
            if changed is None:
                continue
        recorder.take(packet, played.arrival())
    recorder.end()
    played.close()


class CaptureProcess:
    """A real capture process in a group of its own: the proxy and a listener live in the test."""

    def __init__(self, source: str, **settings: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fb"))
        shm = settings.pop("shm", self.folder / "shm")
        data = settings.pop("data", self.folder / "data")
        self.place = Place.at(self.folder / "run", data=data, shm=shm)
        self.place.run.mkdir()
        self._settings = {"camera": CAMERA, "source": source, "record": {"segment_s": 1.0}, **settings}
        self._proxy = Proxy(self.place)
        self.bus = SocketBus("watcher", place=self.place)
        self.statuses: list[messages.CameraStatus] = []
        self.notices: list[messages.FrameNotice] = []
        self.segments: list[messages.SegmentClosed] = []
        self.stats: list[messages.ServiceStats] = []
        self.news: list[News] = []
        self.bus.on(messages.CameraStatus, self.statuses.append)
        self.bus.on(messages.FrameNotice, self.notices.append)
        self.bus.on(messages.SegmentClosed, self.segments.append)
        self.bus.on(messages.ServiceStats, self.stats.append)
        self.bus.on_news("", self.news.append)
        self._log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        file = self.folder / "settings.json"
        file.write_text(json.dumps(self._settings))
        environment = {
            **os.environ,
            **self.place.to_environment(),
            "FRAMEBUS_NAME": f"capture@{CAMERA}",
            "FRAMEBUS_SETTINGS": str(file),
        }
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "framebus_services.capture"]
            self.process = subprocess.Popen(command, env=environment, stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def history(self) -> list[tuple[str, str]]:
        """The states of the camera and their causes, each once in a row."""
        states = [(status.state.value, status.cause.value) for status in self.statuses]
        return [state for index, state in enumerate(states) if index == 0 or states[index - 1] != state]

    def until(self, holds: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Turn the loop until it holds; fails after `limit_s`."""
        end_s = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < end_s, f"did not come within {limit_s} s: {self.history}\n{self.log}"
            self.bus.turn(0.02)

    def until_state(self, state: str, cause: str = "none", limit_s: float = LIMIT_S) -> None:
        self.until(lambda: bool(self.history) and self.history[-1] == (state, cause), limit_s)

    def wait(self, limit_s: float = LIMIT_S) -> int:
        assert self.process is not None
        return self.process.wait(limit_s)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait()

    def recorded(self, count: int) -> list[int]:
        """The numbers of the first `count` frames that were recorded, of a video by `make_video`."""
        from media import frames_of  # not in the process that is killed

        numbers: list[int] = []
        for segment in self.segments:
            numbers += frames_of(self.place.data / segment.path)
        return numbers[:count]

    def files(self) -> list[str]:
        """Names of all recordings, open ones too."""
        folder = self.place.data / "recordings"
        return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != KEEP_NAME)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.bus.close()
        self._proxy.close()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def record_until_killed(data: Path, movie: Path, packets: int) -> None:
    """Play a file into one long segment, and die in the middle of it."""
    played = Played(movie)
    recorder = make_recorder(data, played.clock, [], segment_s=60.0)
    recorder.begin(played)
    for number, packet in enumerate(played.packets(), start=1):
        recorder.take(packet, played.arrival())
        if number == packets:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    record_until_killed(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

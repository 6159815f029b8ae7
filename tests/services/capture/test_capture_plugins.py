"""Sources of the user's own, through the real process of a camera: their pictures, their recording, their mistakes."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from capture_rig import CAMERA, CaptureProcess

from framebus.addresses import parse_address
from framebus.clock import SystemClock
from framebus.frame import Frame, PixelFormat
from framebus.requests import TakeSnapshot
from framebus.ring import RingReader, newest_ring
from framebus_services.capture.plugin import PluginCamera
from framebus_services.capture.trouble import PluginError

DOOR = f"capture@{CAMERA}"
HEAD = """
import time
import numpy as np
from framebus import CameraSource, Picture, PixelFormat
"""
# Each picture is filled with what tells its number, so that a torn or changed one shows.
NUMBERED = (
    HEAD
    + """
class Numbered(CameraSource):
    pixel_format = PixelFormat[{format!r}]

    def open(self):
        number = 0
        while True:
            chance = np.random.default_rng(number)
            yield Picture(chance.integers(0, {most}, {shape}, np.{kind}), pts_us=number * 1_000_000 + 7,
                          captured_at_s=time.time() - 0.5, meta={{"temperature": 20.5}})
            number += 1
            time.sleep(0.05)
"""
)
WIDTH, HEIGHT = 64, 48
SHAPES = {
    "I420": (HEIGHT * 3 // 2, WIDTH),
    "BGR24": (HEIGHT, WIDTH, 3),
    "GRAY8": (HEIGHT, WIDTH),
    "GRAY16": (HEIGHT, WIDTH),
    "BAYER_RGGB8": (HEIGHT, WIDTH),
}


def numbered(name: str) -> str:
    kind, most = ("uint16", 4_096) if name == "GRAY16" else ("uint8", 256)
    return NUMBERED.format(format=name, shape=SHAPES[name], kind=kind, most=most)


def expected(name: str, number: int) -> np.ndarray:
    kind, most = (np.uint16, 4_096) if name == "GRAY16" else (np.uint8, 256)
    return np.random.default_rng(number).integers(0, most, SHAPES[name], kind)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Writes a source; returns the address of it."""

    def write(code: str) -> str:
        path = tmp_path / "my_camera.py"
        path.write_text(code)
        return str(path)

    return write


def frame_of(capture: CaptureProcess) -> Frame:
    """A copy of the newest frame."""
    found: list[Frame] = []

    def read() -> bool:
        path = newest_ring(capture.place.shm, CAMERA)
        if path is not None:
            with RingReader.open(path) as ring:
                frame = ring.latest(camera=CAMERA)
                found.extend(own for own in [frame and frame.copy()] if own is not None)
        return bool(found)

    capture.until(read)
    return found[0]


def decoded(path: Path, layout: str) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        if layout == "gray":  # a decoder adds the colours that are not there
            return [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]
        return [frame.to_ndarray(format=layout) for frame in container.decode(video=0)]


LAYOUTS = {"I420": "yuv420p", "BGR24": "bgr24", "GRAY8": "gray", "GRAY16": "gray16le", "BAYER_RGGB8": "gray"}


@pytest.mark.parametrize("name", SHAPES)
def test_pictures_of_each_format_are_in_the_ring_and_in_a_lossless_recording_as_they_came(
    write: Callable[[str], str], name: str
) -> None:
    with CaptureProcess(write(numbered(name)), record={"segment_s": 1.0, "encoder": "lossless"}) as capture:
        capture.until(lambda: len(capture.segments) >= 1)
        frame = frame_of(capture)
        _, jpeg = capture.bus.ask_blob(DOOR, TakeSnapshot())
        capture.until(lambda: bool(capture.stats) and "source.temperature" in capture.stats[-1].gauges)

        number = frame.pts_us // 1_000_000
        assert frame.pixel_format is PixelFormat[name]
        assert frame.pts_us % 1_000_000 == 7
        assert np.array_equal(frame.pixels, expected(name, number))
        assert 0.4 < time.time() - frame.captured_at_s < 3.0
        assert capture.statuses[-1].codec == name.lower()
        assert jpeg is not None
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert 90 < picture.mean() < 165  # 12 bits in 16 are no black picture
        recorded = decoded(capture.place.data / capture.segments[0].path, LAYOUTS[name])
        assert len(recorded) >= 10
        assert all(np.array_equal(each, expected(name, index)) for index, each in enumerate(recorded))


def test_by_default_every_picture_is_shown_and_the_recording_is_plain_h264(write: Callable[[str], str]) -> None:
    with CaptureProcess(write(numbered("BGR24"))) as capture:
        capture.until(lambda: len(capture.segments) >= 1 and len(capture.notices) >= 20)

        numbers = [notice.number for notice in capture.notices]
        pts = [notice.pts_us // 1_000_000 for notice in capture.notices]
        assert [number - pts_number for number, pts_number in zip(numbers, pts, strict=True)] == [1] * len(pts)
        with av.open(str(capture.place.data / capture.segments[0].path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt, context.width) == ("h264", "yuv420p", WIDTH)
        assert capture.kill(signal.SIGTERM) == 0
        capture.until_state("offline")
        shown = capture.notices[-1].number
        recorded = sum(len(decoded(path, "yuv420p")) for path in capture.place.data.rglob("*.mp4"))
        # Where the encoder gets too little of a busy machine it leaves pictures out, and counts them.
        assert shown <= recorded + capture.statuses[-1].drops.get("not_encoded", 0)
        assert capture.files()
        assert all(file.endswith(".mp4") for file in capture.files())


def test_pictures_are_scaled_and_thinned_where_that_is_asked_for(write: Callable[[str], str]) -> None:
    detect = {"width": 32, "height": 24, "fps": 5.0}
    with CaptureProcess(write(numbered("GRAY16")), detect=detect, record={"encoder": "none"}) as capture:
        capture.until(lambda: len(capture.notices) >= 5)
        frame = frame_of(capture)

        assert (frame.width, frame.height, frame.pixel_format) == (32, 24, PixelFormat.GRAY16)
        steps = [
            after.captured_up_s - before.captured_up_s
            for before, after in zip(capture.notices, capture.notices[1:], strict=False)
        ]
        assert min(steps) > 0.14
        assert capture.files() == []
        assert not capture.statuses[-1].is_recording


def test_a_mosaic_is_never_scaled(write: Callable[[str], str]) -> None:
    with CaptureProcess(write(numbered("BAYER_RGGB8")), detect={"width": 32}) as capture:
        capture.until_state("offline", "unknown")

        assert "BAYER_RGGB8 can't be scaled" in capture.statuses[-1].detail


def wrong_with(source: str, **settings: Any) -> str:
    """Why nothing comes from a source."""
    camera = PluginCamera(parse_address(source), settings, SystemClock())
    with pytest.raises(PluginError) as caught:
        next(camera.connect(lambda seconds: False).items())
    return str(caught.value)


FAILING = (
    HEAD
    + """
class Failing(CameraSource):
    pixel_format = PixelFormat.GRAY8

    def open(self):
        yield Picture(np.zeros((48, 64), np.uint8))
        raise ValueError("sensor lost")  # line 11

    def close(self):
        print("closed", flush=True)
"""
)


def test_an_error_is_shown_once_with_file_and_line_of_the_users_code_within_a_second(
    write: Callable[[str], str],
) -> None:
    with CaptureProcess(write(FAILING)) as capture:
        capture.until_state("offline", "unknown")
        offline = next(status for status in capture.statuses if status.state.value == "offline")
        tries = capture.log.count("online")
        capture.until(lambda: capture.log.count("online") > tries)  # it was tried again

        assert offline.last_frame_at_s is not None
        assert offline.since_at_s - offline.last_frame_at_s < 1.0
        assert offline.detail == "my_camera.py:11: ValueError: sensor lost"
        assert offline.retry_at_s is not None
        assert capture.log.count("my_camera.py:11: sensor lost") == 1
        assert capture.log.count("Traceback") == 1
        assert 'my_camera.py", line 11, in open' in capture.log
        assert "framebus_services" not in capture.log  # of our own code there is nothing to see


def test_a_source_that_is_mended_is_taken_at_the_next_try(write: Callable[[str], str]) -> None:
    with CaptureProcess(write("import nonsense_sdk\n")) as capture:
        capture.until_state("offline", "unknown")
        assert "my_camera.py:1: ModuleNotFoundError" in capture.statuses[-1].detail

        write(numbered("GRAY8"))

        capture.until_state("online")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert f"there is no file {tmp_path}/none.py" in wrong_with(f"{tmp_path}/none.py")


BLOCKED = (
    HEAD
    + """
import threading

class Blocked(CameraSource):
    pixel_format = PixelFormat.GRAY8

    def open(self):
        yield Picture(np.zeros((48, 64), np.uint8))
        self.woken = threading.Event()
        {wait}
        return

    def close(self):
        {close}
"""
)


@pytest.mark.parametrize(
    ("wait", "close"),
    [
        ("self.woken.wait()", "self.woken.set(); print('woken', flush=True)"),
        ("time.sleep(1000)", "time.sleep(1000)"),
    ],
)
def test_a_source_that_waits_for_its_camera_does_not_delay_the_end(
    write: Callable[[str], str], wait: str, close: str
) -> None:
    source = write(BLOCKED.format(wait=wait, close=close))
    with CaptureProcess(source, record={"segment_s": 60.0}) as capture:
        capture.until_state("online")
        begun_s = time.monotonic()

        assert capture.kill(signal.SIGTERM) == 0

        assert time.monotonic() - begun_s < 5.0
        assert not list(capture.place.shm.iterdir())
        assert not any(name.endswith(".part") for name in capture.files())


QUIET = (
    HEAD
    + """
class Quiet(CameraSource):
    pixel_format = PixelFormat.GRAY8

    def open(self):
        for number in range(1_000_000):
            yield Picture(np.zeros((48, 64), np.uint8)) if number % 500 == 0 else None
"""
)


def test_a_source_that_says_it_has_nothing_yet_takes_no_whole_core(write: Callable[[str], str]) -> None:
    with CaptureProcess(write(QUIET)) as capture:
        capture.until(lambda: len(capture.notices) >= 3)

        steps = [
            after.captured_up_s - before.captured_up_s
            for before, after in zip(capture.notices, capture.notices[1:], strict=False)
        ]
        assert min(steps) > 0.4


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "yield np.zeros((48, 64), np.uint8)",
            "my_camera.py:10: gave ndarray; yield framebus.Picture(pixels), or None",
        ),
        ("yield Picture(np.zeros((48, 64)))", "my_camera.py:10: gave float64 (48, 64); GRAY8 is uint8 (height, width)"),
        ("yield Picture('x')", "my_camera.py:10: gave str; GRAY8 is uint8 (height, width)"),
        ("yield Picture(np.zeros((0, 64), np.uint8))", "gave uint8 (0, 64)"),
        (
            "yield Picture(np.zeros((48, 64), np.uint8), pts_us='x')",
            "my_camera.py:10: its pts_us is 'x'; it must be a whole number",
        ),
        (
            "yield Picture(np.zeros((48, 64), np.uint8), pts_us=2**70)",
            "its pts_us is 1180591620717411303424; it must be a whole number",
        ),
        (
            "yield Picture(np.zeros((48, 64), np.uint8), pts_us=float('nan'))",
            "its pts_us is nan; it must be a whole number",
        ),
        (
            "yield Picture(np.zeros((48, 64), np.uint8), captured_at_s='now')",
            "its captured_at_s is 'now'; it must be seconds since 1970",
        ),
        (
            "yield Picture(np.zeros((48, 64), np.uint8), meta=None)",
            "its meta is None; it must be a mapping of names to numbers",
        ),
        ("return 3", "TypeError"),
        ("raise SystemExit(3)", "my_camera.py:10: SystemExit: 3"),
        ("pass", "TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_nonsense_is_refused_with_what_would_be_right(write: Callable[[str], str], code: str, said: str) -> None:
    source = (
        HEAD
        + f"""
class Wrong(CameraSource):
    pixel_format = PixelFormat.GRAY8

    def open(self):
        {code}
"""
    )
    assert said in wrong_with(write(source))


def test_settings_that_do_not_fit_are_told_with_their_path(write: Callable[[str], str]) -> None:
    code = numbered("GRAY8") + "\n    def __init__(self, exposure_us: int = 5) -> None: ...\n"
    assert wrong_with(write(code), exposure=5) == "settings.exposure: unknown setting; did you mean exposure_us?"
    assert wrong_with(write(code), exposure_us="long") == "settings.exposure_us: Expected `int`, got `str`"


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("x = 1", "", "holds no source; derive a class from framebus.CameraSource"),
        ("class A(CameraSource): ...\nclass B(CameraSource): ...", "", "holds the sources A, B; name one of them"),
        ("class A(CameraSource): ...", ":B", "holds the sources A; name one of them, as in my_camera.py:A"),
        ("class A(CameraSource): ...", "", "NotImplementedError: A must define open()"),
        ("class A(CameraSource: ...", "", "my_camera.py:5: SyntaxError"),
    ],
)
def test_a_file_without_the_one_source_is_refused_with_what_would_be_right(
    write: Callable[[str], str], code: str, name: str, said: str
) -> None:
    assert said in wrong_with(write(HEAD + code) + name)


def test_an_installed_package_brings_a_source_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_source.py").write_text(numbered("GRAY8"))
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[framebus.sources]\nacme = acme_source:Numbered\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")

    with CaptureProcess("plugin:acme") as capture:
        capture.until_state("online")
        assert capture.statuses[-1].source == "plugin:acme"
    with CaptureProcess("plugin:acmee") as capture:
        capture.until_state("offline", "unknown")
        assert "no installed package brings a source of this name; did you mean acme?" in capture.statuses[-1].detail


FAST = (
    HEAD
    + """
class Fast(CameraSource):
    pixel_format = PixelFormat.BGR24

    def open(self):
        pictures = [np.random.default_rng(n).integers(0, 256, (1080, 1920, 3), np.uint8) for n in range(3)]
        number = 0
        while True:
            yield Picture(pictures[number % 3])
            number += 1
            time.sleep(0.01)
"""
)


def test_an_encoder_that_cannot_keep_up_leaves_out_pictures_of_the_recording_and_none_of_the_ring(
    write: Callable[[str], str],
) -> None:
    with CaptureProcess(write(FAST), record={"segment_s": 1.0, "encoder": "lossless"}) as capture:
        capture.until_state("degraded", "unknown")
        capture.until(lambda: len(capture.segments) >= 1)

        status = capture.statuses[-1]
        assert "encoding can't keep up" in status.detail
        assert status.drops["not_encoded"] > 0
        assert "no_ring" not in status.drops
        assert status.fps_out == pytest.approx(status.fps_in, rel=0.3)
        begun_s = time.monotonic()
        assert capture.kill(signal.SIGTERM) == 0
        assert time.monotonic() - begun_s < 5.0
        assert not any(name.endswith(".part") for name in capture.files())


def test_too_little_shared_memory_is_told_with_both_numbers_and_kills_nobody(
    write: Callable[[str], str], tmp_path: Path
) -> None:
    from test_capture_process import mounted

    with mounted(tmp_path / "shm", "64k") as folder, CaptureProcess(write(FAST), shm=folder) as capture:
        capture.until_state("degraded", "no_space")

        assert "needs 49778688 bytes of shared memory, 65536 are free" in capture.statuses[-1].detail
        assert capture.kill(signal.SIGTERM) == 0


def test_a_raw_video_is_encoded_as_pictures_are(tmp_path: Path) -> None:
    path = tmp_path / "raw.y4m"
    with av.open(str(path), "w", format="yuv4mpegpipe") as container:
        stream: Any = container.add_stream("wrapped_avframe", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(expected("I420", number), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    with CaptureProcess(f"{path}?once", record={"segment_s": 60.0, "encoder": "lossless"}) as capture:
        capture.until_state("offline", "ended")
        capture.until(lambda: len(capture.segments) >= 1)

        recorded = decoded(capture.place.data / capture.segments[0].path, "yuv420p")
        assert len(recorded) == 20
        assert all(np.array_equal(each, expected("I420", index)) for index, each in enumerate(recorded))

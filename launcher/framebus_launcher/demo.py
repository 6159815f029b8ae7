"""`framebus demo`: the whole group on a synthetic camera or a given one, a clip, and two kills; all figures measured.

It is also a test: when a job is lost or done twice, the exit code is 70; 69 when the camera gives no pictures.
"""

import logging
import os
import re
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil

from framebus.errors import ConfigError, ExitCode, FramebusError
from framebus.messages import ServiceStats
from framebus.place import Place
from framebus.processor_file import name_of_reference, resolve_reference
from framebus.redact import redact
from framebus.settings import Camera, Detect, EnrichSettings, Record, Settings
from framebus_launcher.checks import find_processor_problems
from framebus_launcher.command import command_name
from framebus_launcher.config import check_sources, place_of
from framebus_launcher.config_file import FIRST_CHECK_S
from framebus_launcher.demo_findings import FindingTeller
from framebus_launcher.doctor_parts import NO_CAMERA_LIBRARIES
from framebus_launcher.group import Group
from framebus_launcher.mistakes import explain
from framebus_launcher.observer import Observer
from framebus_launcher.output import is_terminal, make_console
from framebus_launcher.page_link import GATEWAY
from framebus_launcher.renewal import Renewal
from framebus_launcher.story import Story
from framebus_launcher.table import ENRICH, has_camera_libraries, make_table
from framebus_launcher.teller import Teller
from framebus_launcher.words import counted

SYNTHETIC = "synthetic://?width=640&height=360&fps=10"
DEMO_FPS = 10.0
DEMO_SEGMENT_S = 4.0
LOOK_S = 0.5
LAST_WORDS = 5
"""of the services' errors, that are shown when the story can't go on"""
UPLOADER = "Front Door"
NEXT = {
    "init": "a group of your own",
    "new processor hello": "your own code on each frame",
    "doctor": "what this machine lacks",
}
BEST_SHOT = "best_shot"
"""what goes by appears with its picture on the page and in `framebus tap finding/`"""


def run_demo(source: str, *, clips: Path, stay_s: float, processors: Sequence[str] = ()) -> int:
    """Tell the story; returns the exit code: 0, or 70 when anything was lost.

    `processors` are files or names of the user's own: what they find is told, and a file that is saved is taken anew.
    """
    if not has_camera_libraries():
        raise ConfigError([NO_CAMERA_LIBRARIES])
    folder = Path(tempfile.mkdtemp(prefix="framebus-demo-"))
    try:
        settings = _settings(source, folder, [resolve_reference(one, Path.cwd()) for one in processors])
        place = place_of(settings)
        teller = Teller(make_console())
        teller.title(
            f"framebus {version('framebus')}   python {sys.version_info.major}.{sys.version_info.minor}   "
            f"{os.cpu_count()} cores"
        )
        shown = redact(source) if source else "synthetic camera"
        teller.tell("start", f"{shown}; data in {folder}; your files are not touched")
        names = [name_of_reference(one) for one in processors]
        return Demo(settings, place, teller, clips, stay_s, names).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """The group on the main thread (only there may it start processes), the story on another."""

    def __init__(
        self, settings: Settings, place: Place, teller: Teller, clips: Path, stay_s: float, processors: Sequence[str]
    ) -> None:
        logging.basicConfig(level=logging.CRITICAL)
        self._place = place
        self._teller = teller
        self._clips = clips
        self._stay_s = stay_s
        self._camera = next(iter(settings.cameras))
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._exit_code: int = ExitCode.INTERNAL
        self._is_told = threading.Event()
        rows = make_table(settings, place)
        self._story = Story(place, self._camera, clips, teller, has_page=any(row.name == GATEWAY for row in rows))
        self._findings = FindingTeller(place, processors, self._tell_finding) if processors else None
        self._group = Group(
            settings, place, rows=rows, on_line=self._note_line, renew=partial(Renewal, tell=self._tell_renewal)
        )

    def run(self) -> int:
        """Up, the story, down; returns the exit code."""
        narrator = threading.Thread(target=self._tell, name="story", daemon=True)
        self._group.bus.after(0.0, narrator.start)
        with self._findings or nullcontext():
            code = self._group.run()
        if not self._is_told.is_set():  # Ctrl-C in mid-story
            self._teller.tell("stop", "you asked for it; the story ends here")
            self._exit_code = code
        self._tell_what_is_left()
        return self._exit_code

    def _tell(self) -> None:
        try:
            lost = self._story.tell()
            self._exit_code = ExitCode.OK if lost == 0 else ExitCode.INTERNAL
            name = command_name()
            self._teller.say("Next:")
            for words, why in NEXT.items():
                self._teller.command(f"{name} {words:<20}", why)
            self._is_told.set()
            self._stay()
        except (FramebusError, OSError) as error:
            if self._group.is_stopping:  # by Ctrl-C: that nothing answers any more is no trouble
                return
            self._is_told.set()
            self._exit_code = explain(error).code if isinstance(error, OSError) else ExitCode.UNAVAILABLE
            text = explain(error).lines[0] if isinstance(error, OSError) else str(error)
            self._teller.tell("sorry", text, "", "red")
            for line in self._last_words:
                self._teller.say(line)
        self._group.bus.call_soon(self._group.stop)

    def _stay(self) -> None:
        if self._stay_s > 0 and is_terminal():
            stays = f"It stays up for {self._stay_s:.0f} s, and while a browser looks; Ctrl-C stops it."
            self._teller.say(f"{stays} In another terminal:")
            for word in ("status", "jobs"):
                self._teller.command(f"{command_name()} {word} --run {self._place.run}")
            self._say_uploads()
            if self._findings is not None:
                self._findings.is_chatty = True
            end_s = time.monotonic() + self._stay_s
            with Observer(self._place) as news:
                while time.monotonic() < end_s or _clients(news):
                    time.sleep(LOOK_S)

    def _say_uploads(self) -> None:
        """Where a file becomes an analysis; only to those who have the time to try."""
        folder = self._place.data / "uploads" / UPLOADER
        folder.mkdir(parents=True, exist_ok=True)
        self._teller.command(f"cp PICTURE_OR_VIDEO {shlex.quote(f'{folder}/')}")
        self._teller.say("A file that comes there makes a camera, and a job that looks at it.")

    def _note_line(self, name: str, line: str) -> None:
        if line.startswith(("ERROR", "CRITICAL")):
            self._last_words.append(f"{name}: {line}")
            if name == ENRICH and self._findings is not None:  # whose author is looking
                self._teller.tell("error", line.removeprefix("ERROR "), name, "red")

    def _tell_finding(self, text: str, processor: str) -> None:
        self._teller.tell("finding", text, processor)

    def _tell_renewal(self, line: str, is_well: bool) -> None:
        self._teller.tell("saved", line, "", "green" if is_well else "red")

    def _tell_what_is_left(self) -> None:
        processes = len(psutil.Process().children(recursive=True))
        sockets = sum(path.is_socket() for path in self._place.run.glob("*"))
        rings = len(list(self._place.shm.glob("*.ring"))) if self._place.shm.is_dir() else 0
        text = f"left behind: {processes} processes, {sockets} sockets, {rings} rings"
        saved = self._story.saved
        clips = f"; {counted(len(saved), 'clip')} in {self._clips}" if saved else ""
        self._teller.tell("stop", f"in order; {text}{clips}")


def _clients(news: Observer) -> float:
    """How many browsers are connected."""
    stats = news.newest(f"stats/{GATEWAY}/", ServiceStats)
    return stats.gauges.get("clients", 0.0) if stats is not None else 0.0


def _settings(source: str, folder: Path, processors: Sequence[str]) -> Settings:
    """One camera, and everything in a folder of its own; raises ConfigError for a wrong source or processor."""
    camera = Camera(
        source=_absolute(source) if source else SYNTHETIC,
        detect=Detect(fps=DEMO_FPS),
        record=Record(segment_s=DEMO_SEGMENT_S),
    )
    name = _camera_name(source) if source else "garden"
    settings = Settings(data=str(folder / "data"), run=str(folder / "run"), cameras={name: camera})
    ours = [one for one in (*EnrichSettings().processors, BEST_SHOT) if one not in processors]
    settings = msgspec.structs.replace(settings, services={ENRICH: {"processors": [*ours, *processors]}})
    problems = check_sources(settings)
    problems += [problem.partition(": ")[2] for problem in find_processor_problems(settings, FIRST_CHECK_S)]
    if problems:
        raise ConfigError(problems)
    return settings


def _absolute(source: str) -> str:
    return source if "://" in source or source.startswith("plugin:") else str(Path(source).expanduser().absolute())


def _camera_name(source: str) -> str:
    """A name for the camera out of its file or host.

    >>> _camera_name("/videos/Car Detection.mp4")
    'car-detection'
    """
    word = urlsplit(source).hostname or "" if "://" in source else Path(source).stem
    slug = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:32].strip("-")
    return slug or "camera"

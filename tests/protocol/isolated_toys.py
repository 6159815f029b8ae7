"""Runners of the tests that work in a process of their own: what a job does is its text."""

import ctypes
import logging
import os
import signal
import time
from pathlib import Path

from msgspec import Struct

from framebus.errors import ConfigError
from framebus.jobs import JobType
from framebus.requests import FailKind
from framebus.runner import JobRunner, Output, Report, RunnerContext, WorkError
from framebus.settings import RunnerSettings

log = logging.getLogger(__name__)
STALL_S = 1.0


class ToyParams(Struct):
    text: str = ""


class ToyResult(Struct):
    text: str = ""
    pid: int = 0


class ToySettings(RunnerSettings, frozen=True, kw_only=True):
    tune: str = ""


MINE = JobType(name="mine", params=ToyParams, check=lambda params, context: None)
STUCK = JobType(name="stuck", params=ToyParams, check=lambda params, context: None, stall_s=STALL_S)


class IsolatedToy(JobRunner[ToyParams, ToyResult]):
    contract = MINE
    settings_type = ToySettings
    is_isolated = True

    def __init__(self, context: RunnerContext) -> None:
        super().__init__(context)
        self.tune = context.settings(ToySettings).tune
        if self.tune == "wrong":
            raise ConfigError(["tune: 'wrong' is none"])

    def run(self, params: ToyParams, report: Report) -> Output[ToyResult]:
        folder = self.context.place.run.parent
        report.temp("front/clip.mp4").write_text(f"all of {params.text}")
        report("working", 40.0)
        (folder / f"begun.{report.job.id}").write_text(str(os.getpid()))
        match params.text:
            case "segfault":
                log.warning("rtsp://me:s3cret@host/ looks bad")
                ctypes.string_at(0)
            case "exit":
                os._exit(4)
            case "killed" if report.job.fence < 3:
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(600.0)
            case "report":
                while True:
                    report("turning", 50.0)
                    time.sleep(0.01)
            case "raise":
                raise RuntimeError("why")
            case "quit":
                raise SystemExit(1)
            case "limited":
                raise WorkError(FailKind.RATE_LIMITED, "come back later", retry_after_s=77.0)
            case "bad":
                return Output(ToyResult(text="bad"), files=["front/clip.mp4"])
            case "plain":
                return Output(ToyResult(text=self.tune, pid=os.getpid()))
        return Output(ToyResult(text=params.text, pid=os.getpid()), files=["front/clip.mp4"])

    def verify(self, path: Path, result: ToyResult) -> None:
        if result.text == "bad":
            raise WorkError(FailKind.PERMANENT, f"verified by {os.getpid()}")
        if "all of" not in path.read_text():
            raise WorkError(FailKind.PERMANENT, "not whole")


class BriskToy(IsolatedToy):
    """Is tried again soon."""

    contract = JobType(name="brisk", params=ToyParams, check=lambda params, context: None)


class StuckToy(IsolatedToy):
    contract = STUCK


class LimitedInThread(IsolatedToy):
    is_isolated = False

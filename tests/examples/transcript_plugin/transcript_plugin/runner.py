"""Does transcript jobs, in a process of its own: the (imagined) speech library is native code, and may crash."""

import ctypes
import time
from pathlib import Path

from framebus import JobRunner, Output, Report, RunnerContext, WorkError
from framebus.requests import FailKind
from framebus.settings import RunnerSettings
from transcript_plugin.contract import TRANSCRIPT, TranscriptParams, TranscriptResult


class TranscriptSettings(RunnerSettings, frozen=True, kw_only=True):
    """The section `services: {transcript: ...}` of the configuration."""

    language: str = "en"


class Transcriber(JobRunner[TranscriptParams, TranscriptResult]):
    contract = TRANSCRIPT
    settings_type = TranscriptSettings
    is_isolated = True

    def __init__(self, context: RunnerContext) -> None:
        super().__init__(context)
        self._language = context.settings(TranscriptSettings).language

    def run(self, params: TranscriptParams, report: Report) -> Output[TranscriptResult]:
        final = f"transcripts/{report.job.id[:8]}.txt"
        with report.temp(final).open("w") as file:
            for number, word in enumerate(params.words):
                report("listening", 100.0 * number / len(params.words))
                if word == "crash":
                    ctypes.string_at(0)
                file.write(f"{word}\n")
                time.sleep(params.seconds_per_word)
        return Output(TranscriptResult(words=len(params.words), language=self._language), files=[final])

    def verify(self, path: Path, result: TranscriptResult) -> None:
        found = len(path.read_text().splitlines())
        if found != result.words:
            raise WorkError(FailKind.TRANSIENT, f"{found} of {result.words} words were written")

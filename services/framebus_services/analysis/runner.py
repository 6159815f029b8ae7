"""Runs the analyser that a job asks for over its file."""

import hashlib
import os
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import msgspec

from framebus.analyser import AnalysedFile, Analyser
from framebus.errors import ConfigError, ErrorCode, RefusedError
from framebus.job_requests import FailKind
from framebus.plugin_classes import load_analyser
from framebus.report import Report
from framebus.runner import JobRunner, Output, RunnerContext, WorkError
from framebus.settings import AnalysisSettings
from framebus_services.analysis.contract import ANALYSIS, AnalysisParams, AnalysisResult, is_video, open_source

MAX_VALUES_BYTES = 3_072
OPENED_PERCENT, LOOKED_PERCENT = 1.0, 94.0
"""of a job: when its file is open, and when its analyser is done"""


class Analyse(JobRunner[AnalysisParams, AnalysisResult]):
    """A model may crash, hang or leak: each slot works in a process of its own."""

    contract = ANALYSIS
    settings_type = AnalysisSettings
    is_isolated = True

    def __init__(self, context: RunnerContext) -> None:
        super().__init__(context)
        self._settings = context.settings(AnalysisSettings)
        self._analysers: dict[str, Analyser] = {}
        self._analyser(self._settings.analyser)  # a mistake in the settings is told at the start

    def run(self, params: AnalysisParams, report: Report) -> Output[AnalysisResult]:
        report("opening", 0.0)
        name = params.analyser or self._settings.analyser
        try:
            analyser = self._analyser(name)
        except ConfigError as error:
            raise WorkError(FailKind.PERMANENT, str(error)) from None
        with self._open(params) as content:
            analysis = analyser.analyse(_file_of(content, params), partial(_report_within, report))
        _check_size(name, analysis.values)
        report("finalizing", LOOKED_PERCENT)
        if analysis.jpeg is None:
            return Output(result=AnalysisResult(analyser=name, values=analysis.values))
        picture = f"{params.camera or 'analysis'}/analysis_{report.job.id}.jpg"
        report.temp(picture).write_bytes(analysis.jpeg)
        return Output(result=AnalysisResult(analyser=name, values=analysis.values, picture=picture), files=[picture])

    def _analyser(self, name: str) -> Analyser:
        if name not in self._analysers:
            self._analysers[name] = load_analyser(name, self._settings.analysers.get(name, {}))
        return self._analysers[name]

    def _open(self, params: AnalysisParams) -> BinaryIO:
        try:
            content = os.fdopen(open_source(self.context.place.data, params), "rb")
        except RefusedError as error:
            kind = FailKind.NO_SOURCE if error.code is ErrorCode.NO_SOURCE else FailKind.PERMANENT
            raise WorkError(kind, error.message, error.code) from None
        if params.sha256 is not None and hashlib.file_digest(content, "sha256").hexdigest() != params.sha256:
            content.close()
            text = f"{params.path!r} was replaced by another file since"
            raise WorkError(FailKind.NO_SOURCE, text, ErrorCode.NO_SOURCE)
        return content


def _file_of(content: BinaryIO, params: AnalysisParams) -> AnalysedFile:
    """The open file, for programs that the analyser starts, too: what lies at its name may be another by now."""
    return AnalysedFile(
        path=Path(f"/proc/{os.getpid()}/fd/{content.fileno()}"),
        name=PurePosixPath(params.path).name,
        is_video=is_video(params),
        camera=params.camera,
    )


def _report_within(report: Report, step: str, percent: float) -> None:
    """Progress of the analyser, between that of opening the file and that of keeping what came of it."""
    report(step, OPENED_PERCENT + (LOOKED_PERCENT - OPENED_PERCENT) * min(max(percent, 0.0), 100.0) / 100.0)


def _check_size(name: str, values: dict[str, Any]) -> None:
    try:
        size = len(msgspec.msgpack.encode(values))
    except (TypeError, ValueError, OverflowError) as error:
        raise WorkError(
            FailKind.PERMANENT, f"the analyser {name} said what MessagePack cannot carry: {error}"
        ) from None
    if size > MAX_VALUES_BYTES:
        text = f"the analyser {name} said {size} bytes; at most {MAX_VALUES_BYTES} are kept"
        raise WorkError(FailKind.PERMANENT, text)

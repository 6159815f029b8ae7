"""A job that does nothing but note when it began: the same for us and for the queues beside us."""

import os
import time

from msgspec import Struct

from framebus import JobRunner, JobType, Output, QueuePolicy, Report, RunnerContext
from framebus.jobs import CheckContext

LINE_BYTES = 15
REPORT_HZ = 625.0
"""of one reporting job: sixteen make ten thousand reports a second"""


class NoOpParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str = ""
    submitted_at_s: float = 0.0
    report_s: float = 0.0
    """tell progress for so long"""


class NoOpResult(Struct, frozen=True, kw_only=True):
    pass


def record(path: str, submitted_at_s: float) -> None:
    """What each of the systems runs: a line with the seconds since it was submitted."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(file, b"%014.9f\n" % (time.time() - submitted_at_s))
    os.close(file)


def check(params: NoOpParams, context: CheckContext) -> None:
    """All are fine."""


NO_OP = JobType(
    name="no_op",
    params=NoOpParams,
    check=check,
    policy=QueuePolicy(max_queued=1_000_000, max_running=1_000),
)


class NoOp(JobRunner[NoOpParams, NoOpResult]):
    contract = NO_OP

    def __init__(self, context: RunnerContext) -> None:
        super().__init__(context)

    def run(self, params: NoOpParams, report: Report) -> Output[NoOpResult]:
        if params.path:
            record(params.path, params.submitted_at_s)
        end_s = time.monotonic() + params.report_s
        while (left_s := end_s - time.monotonic()) > 0:
            report("reporting", 100.0 - 100.0 * left_s / params.report_s)
            time.sleep(1.0 / REPORT_HZ)
        return Output(NoOpResult())


ENTRY_POINTS = """[framebus.job_types]
no_op = benchmarks.no_op:NO_OP
[framebus.jobs]
no_op = benchmarks.no_op:NoOp
"""

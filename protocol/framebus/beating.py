"""Beats for the jobs of one slot: their leases are renewed while the work goes on, and it learns when it must stop."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import cast

from framebus.bus import Bus
from framebus.codec import News
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.messages import JobView
from framebus.report import Report, StopReason
from framebus.requests import BeatJob
from framebus.topics import topic_of

log = logging.getLogger(__name__)

BEAT_S = 1.0
BEAT_SOON_S = 0.25
"""with new progress a worker beats up to four times a second"""
SHORT_S = 0.05
"""a job that is over sooner is not followed: of hundreds a second, nobody would learn anything"""


class Beater:
    """A thread that beats for one job after the other."""

    def __init__(
        self, bus: Bus, name: str, stall_s: Callable[[str], float], on_stalled: Callable[[Report], None] | None
    ) -> None:
        """`stall_s(type)` is how long work may be silent; it is not beaten for any longer then.

        None for `on_stalled`: somebody else looks after that.
        """
        self._bus = bus
        self._stall_s = stall_s
        self._on_stalled = on_stalled
        self._report: Report | None = None
        self._begun = threading.Event()
        self._beating = threading.Lock()
        self._is_closed = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def begin(self, report: Report) -> None:
        """Beat for this job from now on."""
        with self._beating:
            self._report = report
        if not self._begun.is_set():
            self._begun.set()

    def end(self, report: Report) -> None:
        """Beat for it no more; when this returns, no beat of it is under way."""
        with self._beating:
            self._report = None
        report.hurry.set()
        report.news.set()

    def close(self) -> None:
        self._is_closed = True
        self._begun.set()

    def _run(self) -> None:
        while not self._is_closed:
            self._begun.wait()
            self._begun.clear()
            while (report := self._report) is not None:
                time.sleep(SHORT_S)
                if self._report is report:
                    self._follow(report)

    def _follow(self, report: Report) -> None:
        topic, heed = topic_of(JobView).name(report.job), partial(_heed, report)
        self._bus.call_soon(partial(self._bus.on_news, topic, heed))
        try:
            self._beat_on(report)
        except Exception:  # its lease runs out; those of the jobs that come after must not
            log.exception("job %s: no more beats of it", report.job.id)
            self._bus.call_soon(lambda: self._bus.stats.count("errors.beat"))
            with self._beating:
                if self._report is report:
                    self._report = None
        finally:
            self._bus.call_soon(partial(self._bus.off_news, topic, heed))

    def _beat_on(self, report: Report) -> None:
        clock, stall_s = self._bus.clock, self._stall_s(report.job.type)
        beaten_s = clock.boot_s() - BEAT_SOON_S
        report.news.set()  # at once: it may have been asked to stop before we listened
        while self._report is report:
            report.news.wait(timeout=BEAT_S)
            report.hurry.wait(timeout=max(0.0, beaten_s + BEAT_SOON_S - clock.boot_s()))
            report.hurry.clear()
            report.news.clear()
            if report.is_working and clock.boot_s() - report.reported_s > stall_s:
                if self._on_stalled is None:
                    continue
                self._on_stalled(report)
            beaten_s = clock.boot_s()
            with self._beating:
                if self._report is report:
                    self._beat(report)

    def _beat(self, report: Report) -> None:
        """Renew the lease, and learn when the work must stop."""
        job = report.job
        step, percent, eta_s = report.told
        try:
            beat = BeatJob(id=job.id, fence=job.fence, step=step, percent=percent, eta_s=eta_s)
            if self._bus.ask("dispatcher", beat, BEAT_S).cancel:
                report.stop(StopReason.CANCELLED)
        except RefusedError as error:
            if error.code is ErrorCode.LOST:
                if report.is_working and report.stop_reason is None:  # else it has just ended, and this beat is late
                    log.warning("job %s is lost: %s", job.id, error)
                report.stop(StopReason.LOST)
            elif error.code is not ErrorCode.DEADLINE:  # who is away for a moment is asked again
                log.warning("job %s: its beat was refused: %s", job.id, error)
        except MalformedError as error:
            log.warning("job %s: %s", job.id, error)


def _heed(report: Report, news: News) -> None:
    """Its cancel was asked for: beat at once, and the answer tells it to stop."""
    if cast(JobView, news.decode()).cancelling:
        report.hurry.set()
        report.news.set()

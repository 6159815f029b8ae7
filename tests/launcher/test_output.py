"""Tables and lines of the command line: what has no value yet, what is too long, whose failure it was."""

from typing import Any

from rich.console import Console

from framebus.errors import ErrorCode
from framebus.messages import JobError, JobState, JobView, ServiceState, ServiceStatus
from framebus_launcher.output import job_line, services_table


def service(**fields: Any) -> ServiceStatus:
    return ServiceStatus(
        **{
            "name": "capture@front_door",
            "state": ServiceState.READY,
            "pid": 48121,
            "since_at_s": 1.0,
            "rss_bytes": 2**27,
            **fields,
        }
    )


def shown(*services: ServiceStatus) -> list[str]:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(services_table(iter(services)))
    return captured.get().splitlines()


def test_what_was_not_measured_yet_is_a_dash() -> None:
    _, row = shown(service(rss_bytes=0, cpu_percent=0.0))

    assert row.split() == ["capture@front_door", "ready", "48121", "0", "-", "-"]


def test_after_a_mend_each_service_still_has_one_line_in_80_columns() -> None:
    mended = service(back_after_s=0.31, signal=9, cpu_percent=12.0)

    lines = shown(mended, mended)

    assert len(lines) == 3
    assert "back after 0.3" in lines[1]


def test_in_80_columns_the_note_is_cut_and_never_a_number() -> None:
    mended = service(pid=1_048_121, back_after_s=0.31, signal=9, cpu_percent=112.0, rss_bytes=1_600_000_000)

    _, line = shown(mended)

    assert line.startswith("capture@front_door  ready  1048121  0         112 %  1.5 GB  back after")
    assert len(line) <= 80


def test_who_was_killed_since_it_hung_is_told_as_that_and_not_as_a_signal() -> None:
    line = " ".join(" ".join(shown(service(back_after_s=7.5, signal=9, hung_s=6.0))).split())

    assert "hung: no beat" in line
    assert "signal" not in line


def test_the_reason_of_a_broken_service_is_shown_whole() -> None:
    reason = "died five times within a minute, the last time of signal 11"

    lines = shown(service(state=ServiceState.BROKEN, reason=reason))

    told = " ".join(" ".join(lines).split())
    assert all(word in told for word in reason.split())


def test_the_failure_of_an_earlier_try_is_not_told_as_that_of_this_one() -> None:
    error = JobError(code=ErrorCode.CRASHED, message="its worker died")
    job = JobView(id="7f3a" + 28 * "0", type="export", created_at_s=1.0, state=JobState.RUNNING, error=error)

    assert job_line(job).plain.endswith("before this try: its worker died (crashed)")


def test_the_failure_of_a_job_that_failed_is_its_own() -> None:
    error = JobError(code=ErrorCode.CRASHED, message="its worker died")
    job = JobView(id="7f3a" + 28 * "0", type="export", created_at_s=1.0, state=JobState.FAILED, error=error)

    assert job_line(job).plain.endswith("export  its worker died (crashed)")

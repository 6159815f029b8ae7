"""The state of a camera, from what its parts say."""

import socket

import av
import pytest

from framebus.messages import CameraState, Cause
from framebus_services.capture.reader import Link, Phase
from framebus_services.capture.status import LinkReport, Rate, judge
from framebus_services.capture.trouble import EndedError, NoVideoError, Trouble, trouble_of

UP = Link(phase=Phase.UP)
REFUSED = Link(phase=Phase.DOWN, trouble=Trouble(Cause.REFUSED, "refused"), retry_at_s=9.0)
FULL = Trouble(Cause.NO_SPACE, "the disk is full")


def report(link: Link, *, frame: float | None = 0.1, packets: int = 0) -> LinkReport:
    return LinkReport(purpose="detect stream", link=link, frame_age_s=frame, idle_packets=packets)


@pytest.mark.parametrize(
    ("reports", "troubles", "broken", "state", "cause"),
    [
        ([report(Link(), frame=None)], [], 0.0, "connecting", "none"),
        ([report(UP)], [], 0.0, "online", "none"),
        ([report(UP, frame=5.1, packets=1)], [], 0.0, "offline", "stalled"),
        ([report(UP, frame=5.1, packets=50)], [], 0.0, "offline", "codec"),
        ([report(REFUSED)], [], 0.0, "offline", "refused"),
        ([report(UP)], [FULL], 0.0, "degraded", "no_space"),
        ([report(REFUSED)], [FULL], 0.0, "offline", "refused"),
        ([report(UP)], [], 0.3, "degraded", "codec"),
        ([report(UP), report(REFUSED)], [], 0.0, "degraded", "refused"),
        ([report(REFUSED), report(REFUSED)], [], 0.0, "offline", "refused"),
        ([report(UP), report(Link(), frame=None)], [], 0.0, "connecting", "none"),
    ],
)
def test_the_state_follows_from_connections_recorder_and_ring(
    reports: list[LinkReport], troubles: list[Trouble], broken: float, state: str, cause: str
) -> None:
    verdict = judge(reports, troubles, broken)

    assert (verdict.state, verdict.trouble.cause) == (CameraState(state), Cause(cause))


def test_a_verdict_says_when_the_next_connection_is_tried_and_which_of_two_is_meant() -> None:
    verdict = judge([report(UP), report(REFUSED)], [])

    assert verdict.retry_at_s == 9.0
    assert verdict.trouble.detail == "detect stream: refused"


def av_error(code: int) -> Exception:
    try:
        av.error.err_check(code, "rtsp://admin:canary@10.0.0.5/1")
    except av.FFmpegError as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (av_error(-111), "refused"),
        (av_error(-110), "timeout"),
        (av_error(-113), "timeout"),
        (av_error(-104), "ended"),
        (av_error(-5), "ended"),
        (av_error(-2), "not_found"),
        (av_error(-13), "auth"),
        (av_error(-0x3130_34F8), "auth"),  # FFERRTAG(0xF8, '4', '0', '1')
        (av_error(-0x3430_34F8), "not_found"),
        (av_error(-0x41444E49), "codec"),  # INDA
        (socket.gaierror(-2, "Name or service not known"), "dns"),
        (NoVideoError("none"), "codec"),
        (EndedError("end"), "ended"),
        (OSError(99, "?"), "unknown"),
    ],
)
def test_each_error_has_its_cause_and_its_text_no_password(error: Exception, cause: str) -> None:
    trouble = trouble_of(error, was_connected=False)

    assert trouble.cause == Cause(cause)
    assert "canary" not in trouble.detail


@pytest.mark.parametrize(("was_connected", "cause"), [(False, "timeout"), (True, "stalled")])
def test_silence_is_a_timeout_before_the_first_packet_and_a_stall_after(was_connected: bool, cause: str) -> None:
    error = av_error(-0x54495845)  # EXIT

    assert trouble_of(error, was_connected=was_connected).cause == Cause(cause)


def test_a_rate_is_that_of_the_last_seconds_only() -> None:
    rate = Rate(window_s=5.0)
    assert rate.per_s == 0.0

    for second in range(20):
        rate.note(float(second), 10 * min(second, 10))

    assert rate.per_s == 0.0
    rate.note(20.0, 150)
    assert rate.per_s == 10.0

"""Verification: a file that is not what was copied is never published."""

from pathlib import Path

import pytest

from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus_services.export.pace import Pace
from framebus_services.export.verify import verify
from services.export.clipping import Made, WatchedReport, make_clip
from services.export.recorded import START_S, record


@pytest.fixture
def made(data: Path, rich_video: Path) -> Made:
    """A clip of 12 s."""
    record(data, rich_video)
    return make_clip(data, START_S, START_S + 12.0)


def check(made: Made, *, frames: int = 120, duration_s: float = 12.0) -> None:
    pace = Pace(WatchedReport(made.path.parent), "verifying", 90.0, 99.0)
    verify(made.path, frames=frames, duration_s=duration_s, pace=pace)


def test_a_whole_clip_is_let_pass(made: Made) -> None:
    check(made)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_clip_is_refused(made: Made, share: float) -> None:
    whole = made.path.read_bytes()
    made.path.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(WorkError, match="the clip is not whole") as caught:
        check(made)

    assert caught.value.kind is FailKind.TRANSIENT


def test_a_picture_too_few_is_refused(made: Made) -> None:
    with pytest.raises(WorkError, match="it has 120 pictures; 121 were written"):
        check(made, frames=121)


def test_another_length_is_refused(made: Made) -> None:
    with pytest.raises(WorkError, match=r"it is 12\.00 s long; 12\.60 s were written"):
        check(made, duration_s=12.6)


def test_a_clip_whose_last_picture_is_destroyed_is_refused(made: Made) -> None:
    whole = bytearray(made.path.read_bytes())
    index = whole.rindex(b"moov") - 4
    whole[index // 2 : index] = bytes(index - index // 2)
    made.path.write_bytes(whole)

    with pytest.raises(WorkError, match="the clip is not whole"):
        check(made)

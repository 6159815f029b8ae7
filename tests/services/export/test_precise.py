"""Copied clips that begin exactly at their start: an edit list hides what stands before it."""

from pathlib import Path

import pytest

from framebus.runner import WorkError
from media import packets_of
from services.export.clipping import make_clip
from services.export.looking import edit_lists, look
from services.export.recorded import START_S, record


@pytest.mark.parametrize(
    ("start_s", "first"), [(3.0, 30), (3.04, 31), (3.35, 34), (2.75, 28), (5.5, 55), (2.95, 30), (1.96, 20), (0.0, 0)]
)
@pytest.mark.parametrize("kind", ["video", "rich_video"])
def test_a_precise_clip_shows_its_first_picture_at_the_start_not_before_and_less_than_a_frame_after(
    data: Path, start_s: float, first: int, kind: str, request: pytest.FixtureRequest
) -> None:
    record(data, request.getfixturevalue(kind))

    made = make_clip(data, START_S + start_s, START_S + 8.0, precise=True)

    shown = look(made.path)
    assert shown.numbers[:3] == [first, first + 1, first + 2]
    assert shown.times_s[:2] == pytest.approx([0.0, 0.1], abs=0.001)
    assert made.result.start_at_s == pytest.approx(START_S + first / 10)
    assert 0.0 <= made.result.start_at_s - (START_S + start_s) < 0.1
    assert made.result.starts_earlier_s == 0.0
    assert made.result.frames == len(shown.numbers)
    assert made.result.duration_s == pytest.approx(shown.duration_s, abs=0.001)


def test_a_precise_clip_tells_how_much_is_hidden_in_its_file(data: Path, rich_video: Path) -> None:
    segments = record(data, rich_video)

    made = make_clip(data, START_S + 3.35, START_S + 7.0, precise=True)

    assert (made.result.hidden_frames, made.result.hidden_s) == (4, pytest.approx(0.4))
    shown = look(made.path)
    assert shown.packets == len(shown.numbers) + 4
    assert packets_of(made.path)[0] == segments[1].payloads[10]  # the key frame at 3 s


def test_the_edit_list_begins_playing_at_the_start(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, START_S + 3.35, START_S + 7.0, precise=True)

    length, media_time = edit_lists(made.path)[-1]
    assert length == pytest.approx(3_600, abs=1)  # in milliseconds
    assert media_time / 10_240 == pytest.approx(0.4)  # in ticks of the track


def test_a_precise_clip_that_begins_with_a_key_frame_hides_nothing(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, START_S + 2.95, START_S + 7.0, precise=True)

    assert (made.result.hidden_frames, made.result.hidden_s) == (0, 0.0)
    assert look(made.path).packets == 40


def test_the_sound_of_a_precise_clip_begins_with_its_pictures(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + 3.35, START_S + 9.0, precise=True)

    sound_s = look(made.path).sound_s
    assert sound_s is not None
    assert sound_s[0] == pytest.approx(0.0, abs=0.03)
    assert sound_s[1] == pytest.approx(5.6, abs=0.1)


def test_the_thumbnail_of_a_precise_clip_shows_nothing_hidden(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + 3.35, START_S + 3.9, precise=True, thumbnail=True)

    shown = look(made.path)
    picture = look(made.report.temps[made.files[0]]).numbers
    assert set(picture) <= set(shown.numbers)
    assert len(picture) == 1


def test_a_precise_clip_between_two_pictures_is_refused_as_empty(data: Path, video: Path) -> None:
    record(data, video)

    with pytest.raises(WorkError, match="no picture in the range"):
        make_clip(data, START_S + 3.12, START_S + 3.2, precise=True)

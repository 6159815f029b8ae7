"""What a camera showed, on disk: what nobody wrote is unknown, and stays it."""

from pathlib import Path

import pytest

from framebus.shown import SLOT_S, Shown, ShownFiles, note_shown, shown_file, slot_of

MIDNIGHT_S = 1_790_035_200.0
NOON_S = MIDNIGHT_S + 43_200.0


def note(data: Path, at_s: float, *shown: Shown) -> None:
    """Slots in a row, from that of `at_s` on."""
    for number, one in enumerate(shown):
        note_shown(data, "front", slot_of(at_s) + number, one)


def test_a_recording_shows_the_most_that_was_seen_from_a_little_before_it_to_a_little_after(tmp_path: Path) -> None:
    note(tmp_path, NOON_S, *[Shown.NOTHING] * 4, Shown.MOTION, *[Shown.NOTHING] * 8, Shown.OBJECT, Shown.NOTHING)

    shown = ShownFiles(tmp_path, "front")

    assert shown.between(NOON_S + 5.0, NOON_S + 15.0) is Shown.NOTHING
    assert shown.between(NOON_S + 5.0, NOON_S + 15.5) is Shown.MOTION
    assert shown.between(NOON_S + 29.0, NOON_S + 39.0) is Shown.MOTION
    assert shown.between(NOON_S + 30.0, NOON_S + 40.0) is Shown.NOTHING
    assert shown.between(NOON_S + 20.0, NOON_S + 65.0) is Shown.OBJECT


def test_what_is_not_known_of_all_of_a_recording_is_unknown_unless_there_was_an_object(tmp_path: Path) -> None:
    note(tmp_path, NOON_S, Shown.OBJECT, *[Shown.MOTION] * 3)
    note(tmp_path, NOON_S + 5 * SLOT_S, *[Shown.NOTHING] * 4)

    shown = ShownFiles(tmp_path, "front")

    assert shown.between(NOON_S + 10.0, NOON_S + 15.0) is Shown.MOTION
    assert shown.between(NOON_S + 10.0, NOON_S + 25.0) is Shown.UNKNOWN
    assert shown.between(NOON_S - 10.0, NOON_S - 5.0) is Shown.UNKNOWN
    assert shown.between(NOON_S - 10.0, NOON_S) is Shown.OBJECT
    assert shown.between(NOON_S + 35.0, NOON_S + 45.0) is Shown.UNKNOWN
    assert ShownFiles(tmp_path, "back").between(NOON_S, NOON_S + 10.0) is Shown.UNKNOWN


def test_a_recording_over_midnight_is_known_from_two_files(tmp_path: Path) -> None:
    note(tmp_path, MIDNIGHT_S - 20.0, *[Shown.NOTHING] * 6, Shown.MOTION)

    shown = ShownFiles(tmp_path, "front")

    assert shown.between(MIDNIGHT_S - 5.0, MIDNIGHT_S + 5.0) is Shown.NOTHING
    assert shown.between(MIDNIGHT_S - 5.0, MIDNIGHT_S + 6.0) is Shown.MOTION
    assert len(list((tmp_path / "events" / "front").iterdir())) == 2


def test_what_is_known_only_becomes_more_and_what_was_passed_over_stays_unknown(tmp_path: Path) -> None:
    note(tmp_path, NOON_S, Shown.NOTHING, Shown.OBJECT)
    note(tmp_path, NOON_S + 3 * SLOT_S, Shown.NOTHING)

    note(tmp_path, NOON_S, Shown.MOTION, Shown.NOTHING, Shown.NOTHING)  # the clock was set back

    written = shown_file(tmp_path, "front", NOON_S).read_bytes()
    assert written[-4:] == b"mo\0-"
    assert set(written[:-4]) == {0}


@pytest.mark.parametrize("damage", [b"\0", b"x", b"\xff"])
def test_what_is_damaged_is_unknown(tmp_path: Path, damage: bytes) -> None:
    note(tmp_path, NOON_S, *[Shown.NOTHING] * 6)
    path = shown_file(tmp_path, "front", NOON_S)
    written = path.read_bytes()
    path.write_bytes(written[:-3] + damage + written[-2:])

    assert ShownFiles(tmp_path, "front").between(NOON_S + 10.0, NOON_S + 15.0) is Shown.UNKNOWN

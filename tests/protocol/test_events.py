"""Reading ended objects from disk: by time, each once, whatever else is in the folder."""

from pathlib import Path

import msgspec
import pytest

from framebus.events import EndedObject, day_file, day_of, events_folder, list_events, make_id, read_events, start_of
from framebus.messages import Box

DAY_S = 86_400.0
NOON_S = 1_790_000_000.0 // DAY_S * DAY_S + DAY_S / 2


def write(data: Path, start_at_s: float, duration_s: float = 10.0, number: int = 0, **more: object) -> str:
    """Append an object to the file of the day of its end; returns its id."""
    event = EndedObject(
        camera="front",
        id=make_id(start_at_s, number),
        label="motion",
        score=0.5,
        start_at_s=start_at_s,
        end_at_s=start_at_s + duration_s,
        ending="gone",
        box=Box(x=0, y=0, width=1, height=1),
        width=640,
        height=360,
        number=1,
    )
    path = day_file(data, "front", event.end_at_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode({**msgspec.to_builtins(event), **more}) + b"\n")
    return event.id


def ids(data: Path, start_s: float, end_s: float) -> list[str]:
    return [event.id for event in list_events(data, "front", start_s, end_s)]


def test_objects_of_a_time_are_those_that_were_there_then_by_their_start(tmp_path: Path) -> None:
    late, early = write(tmp_path, NOON_S + 50), write(tmp_path, NOON_S)
    write(tmp_path, NOON_S - 100)
    write(tmp_path, NOON_S + 100)

    assert ids(tmp_path, NOON_S + 5, NOON_S + 60) == [early, late]


def test_an_object_over_midnight_is_found_from_both_days(tmp_path: Path) -> None:
    midnight_s = NOON_S + DAY_S / 2
    over = write(tmp_path, midnight_s - 60, 120.0)

    assert ids(tmp_path, midnight_s - 50, midnight_s - 40) == [over]
    assert ids(tmp_path, midnight_s + 40, midnight_s + 50) == [over]
    assert ids(tmp_path, midnight_s + 70, midnight_s + 80) == []


def test_many_days_are_read_and_others_are_not(tmp_path: Path) -> None:
    written = [write(tmp_path, NOON_S + day * DAY_S) for day in range(5)]

    assert ids(tmp_path, NOON_S + DAY_S, NOON_S + 3.5 * DAY_S) == written[1:4]


def test_an_object_that_was_written_twice_is_told_once(tmp_path: Path) -> None:
    first = write(tmp_path, NOON_S)
    write(tmp_path, NOON_S, ending="lost")

    found = list_events(tmp_path, "front", NOON_S, NOON_S + 1)

    assert [(event.id, event.ending) for event in found] == [(first, "gone")]


@pytest.mark.parametrize("torn", [1, 40, -2])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: int) -> None:
    whole = write(tmp_path, NOON_S)
    write(tmp_path, NOON_S + 1)
    path = day_file(tmp_path, "front", NOON_S)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:torn])

    assert ids(tmp_path, NOON_S - 1, NOON_S + 5) == [whole]


def test_lines_of_another_kind_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, NOON_S)
    path = day_file(tmp_path, "front", NOON_S)
    path.write_bytes(b'\n{}\n[1]\n\xff\n{"id": 3}\nnull\n' + path.read_bytes())

    assert len(list(read_events(path))) == 1


def test_a_field_of_a_newer_version_is_ignored(tmp_path: Path) -> None:
    newer = write(tmp_path, NOON_S, colour="red")

    assert ids(tmp_path, NOON_S, NOON_S + 1) == [newer]


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, NOON_S)
    folder = events_folder(tmp_path, "front")
    for name in ("2026-99-99.jsonl", "notes.jsonl", "open.json", f"{make_id(NOON_S, 0)}.jpg"):
        (folder / name).write_bytes(b"{}\n")

    assert len(ids(tmp_path, NOON_S, NOON_S + 1)) == 1


def test_a_camera_without_events_has_none(tmp_path: Path) -> None:
    assert ids(tmp_path, 0.0, NOON_S) == []


def test_an_id_tells_when_its_object_was_first_seen() -> None:
    assert start_of(make_id(NOON_S + 0.25, 77)) == NOON_S + 0.25
    assert start_of("front.jpg") is None
    assert make_id(NOON_S, 1) < make_id(NOON_S + 0.001, 0)


def test_a_file_name_tells_the_day() -> None:
    day = day_of(day_file(Path(), "front", NOON_S))

    assert day is not None
    assert day.timestamp() == NOON_S - DAY_S / 2

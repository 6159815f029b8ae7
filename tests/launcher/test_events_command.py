"""`framebus events` as a user types it: no group runs, the files tell."""

import json
import os
import subprocess
import time
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from framebus.events import EndedObject, day_file, make_id, picture_name
from framebus.messages import Box
from groups import FRAMEBUS

CONFIG = """
data: ./kept
cameras:
  front:
    source: rtsp://viewer:${NOT_SET_HERE}@10.0.0.5/1
    zones: {drive: {points: [[0, 0], [1, 0], [1, 1]]}}
  back: {source: "synthetic://"}
"""


def framebus(folder: Path, *arguments: str, expect: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "FRAMEBUS_DATA"}
    done = subprocess.run(
        [FRAMEBUS, "events", *arguments], capture_output=True, text=True, timeout=30, cwd=folder, env=environment
    )
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout if expect == 0 else done.stdout + done.stderr


def keep(data: Path, age_s: float, ending: str = "gone", zones: list[str] | None = None) -> EndedObject:
    """An object that ended `age_s` ago after 4.25 s, with a picture."""
    end_at_s = time.time() - age_s
    id = make_id(end_at_s - 4.25, round(age_s))
    event = EndedObject(
        camera="front",
        id=id,
        label="motion",
        score=0.875,
        start_at_s=end_at_s - 4.25,
        end_at_s=end_at_s,
        ending=ending,
        zones=zones or [],
        box=Box(x=1, y=2, width=3, height=4),
        width=640,
        height=360,
        number=7,
        picture=picture_name("front", id),
    )
    path = day_file(data, "front", end_at_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    (data / str(event.picture)).write_bytes(b"\xff\xd8\xff")
    with path.open("ab") as file:
        file.write(msgspec.json.encode(event) + b"\n")
    return event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "framebus.yml").write_text(CONFIG)
    return tmp_path


def test_objects_are_listed_with_their_local_time_duration_zones_and_picture(folder: Path) -> None:
    event = keep(folder / "kept", 60.0, zones=["drive", "lawn"])

    text = framebus(folder, "front")

    for word in (
        f"{datetime.fromtimestamp(event.start_at_s):%Y-%m-%d %H:%M:%S}",
        "4.2 s",
        "motion",
        "0.88",
        "drive lawn",
        str(folder / "kept" / str(event.picture)),
    ):
        assert word in text


def test_only_the_time_that_was_asked_for_is_listed(folder: Path) -> None:
    young, old = keep(folder / "kept", 60.0), keep(folder / "kept", 5_000.0)

    assert [line["id"] for line in map(json.loads, framebus(folder, "front", "--json").splitlines())] == [young.id]
    assert old.id in framebus(folder, "front", "--json", "--last", "2h")


def test_json_has_all_that_is_known(folder: Path) -> None:
    event = keep(folder / "kept", 60.0, zones=["drive"])

    found = json.loads(framebus(folder, "front", "--json"))

    assert found == {
        **msgspec.to_builtins(event),
        "duration_s": 4.25,
        "picture": str(folder / "kept" / str(event.picture)),
    }


def test_a_picture_that_is_gone_is_not_named(folder: Path) -> None:
    event = keep(folder / "kept", 60.0)
    (folder / "kept" / str(event.picture)).unlink()

    assert json.loads(framebus(folder, "front", "--json"))["picture"] is None


def test_only_objects_of_a_zone_are_listed(folder: Path) -> None:
    keep(folder / "kept", 60.0)
    inside = keep(folder / "kept", 70.0, zones=["drive"])

    lines = framebus(folder, "front", "--zone", "drive", "--json").splitlines()

    assert [json.loads(line)["id"] for line in lines] == [inside.id]


def test_what_a_crash_cut_short_is_said(folder: Path) -> None:
    keep(folder / "kept", 60.0, ending="lost")

    assert "enrich died while it was there" in framebus(folder, "front")


def test_an_ending_of_a_newer_version_is_no_error(folder: Path) -> None:
    keep(folder / "kept", 60.0, ending="merged")

    assert "motion" in framebus(folder, "front")


def test_the_data_folder_may_be_named_instead_of_a_configuration(folder: Path) -> None:
    keep(folder / "elsewhere", 60.0)
    (folder / "framebus.yml").unlink()

    assert "motion" in framebus(folder, "front", "--data", "elsewhere")


def test_nothing_is_told_in_words(folder: Path) -> None:
    assert "no object has ended in the last 90s" in framebus(folder, "back", "--last", "90s")


def test_nothing_in_a_zone_is_not_said_of_the_whole_camera(folder: Path) -> None:
    keep(folder / "kept", 60.0)

    assert "front: no object of zone drive has ended in the last 1h" in framebus(folder, "front", "--zone", "drive")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["frnt"], 1, "there is no camera frnt; the configuration has front, back"),
        (["front", "--last", "soon"], 64, "is no duration; write a number and s, m, h or d"),
        (["front", "--zone", "lawn"], 64, "front has no zone lawn; it has drive"),
        (["back", "--zone", "lawn"], 64, "back has no zone lawn; it has none"),
        (["front", "--data", "kept"], 1, "kept holds no events of a camera front"),
        (["front", "-c", "nowhere.yml"], 78, "nowhere.yml: there is no such file"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(
    folder: Path, arguments: list[str], code: int, told: str
) -> None:
    said = framebus(folder, *arguments, expect=code)

    assert told in " ".join(said.replace("│", "").split())


@pytest.mark.parametrize("last", ["99999999d", "nans", "infd"])
def test_a_time_without_measure_is_all_the_time(folder: Path, last: str) -> None:
    keep(folder / "kept", 60.0)

    assert "motion" in framebus(folder, "front", "--last", last)

"""`framebus why` of a real group: cameras that are well, thinned, offline, unknown, stopped."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from commands import command, framebus
from groups import RunningGroup, running_group, wait_until

CONFIG: dict[str, Any] = {
    "cameras": {
        "front": {"source": "synthetic://?width=320&height=240&fps=20", "detect": {"fps": 5, "width": 160}},
        "away": {"source": "rtsp://viewer:s3cret-canary@127.0.0.1:9/x"},
    },
    "services": {"export": False, "enrich": {"processors": ["brightness"]}},
}


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    with running_group(CONFIG) as group:
        group.await_ready()
        yield group


def test_a_camera_that_is_well_has_a_row_for_each_stage_and_exit_code_0(group: RunningGroup) -> None:
    def look() -> list[str] | None:
        lines = command(group, "why", "front").stdout.splitlines()
        return lines if "well: detect" in lines[0] else None

    def explained() -> dict[str, Any] | None:
        """Until all rates of its first seconds are told."""
        found = json.loads(framebus(group, "why", "front", "--json"))
        return found if "thinned from 20" in str(found) else None

    lines = wait_until(look, "well")
    why = wait_until(explained, "thinned")
    stages = {stage["name"]: stage for stage in why["stages"]}

    assert lines[0].startswith("front: well: detect ")
    assert list(stages) == [
        "source",
        "decode",
        "ring",
        "enrich",
        "motion",
        "processor brightness",
        "recording",
        "disk",
    ]
    assert 16.0 < stages["decode"]["rate_hz"] < 24.0
    assert 3.5 < stages["ring"]["rate_hz"] < 6.5
    assert stages["ring"]["wanted_hz"] == 5.0
    assert stages["enrich"]["p99_ms"] > 0.0
    assert any(note.startswith("thinned from 20") for note in stages["ring"]["notes"])
    assert "scaled from 320x240 to 160x120, as detect.width and detect.height say" in stages["ring"]["notes"]


def test_a_camera_that_is_offline_is_told_with_its_cause_without_its_password_and_exit_code_1(
    group: RunningGroup,
) -> None:
    done = command(group, "why", "away")

    assert done.returncode == 1
    assert done.stdout.startswith("away: offline for ")
    assert " s: the host refuses the connection: " in done.stdout.splitlines()[0]
    assert "s3cret-canary" not in done.stdout + done.stderr


def test_a_camera_that_there_is_not_is_refused_with_those_that_there_are(group: RunningGroup) -> None:
    text = framebus(group, "why", "nowhere", "--seconds", "1.2", expect=1)

    assert "there is no camera nowhere; there are: away, front" in text


def test_a_dead_capture_is_named_with_what_the_launcher_knows(group: RunningGroup) -> None:
    framebus(group, "stop", "capture@front")

    done = command(group, "why", "front", "--seconds", "1.2")

    framebus(group, "start", "capture@front")
    assert done.returncode == 1
    assert done.stdout.startswith("front: capture@front is stopped; framebus start capture@front")

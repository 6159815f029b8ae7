"""From one table to another: what starts, stops, restarts, and what goes on."""

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from framebus.keep_settings import Recordings
from framebus.place import Place
from framebus.settings import Area, Camera, Detect, JobSettings, Settings
from framebus_launcher.plan import Plan, make_plan
from framebus_launcher.table import Row, make_table

PLACE = Place.at(Path("/run/fb"), data=Path("/data"))
BEFORE = Settings(cameras={"front": Camera(source="a.mp4"), "back": Camera(source="b.mp4")})


def planned(after: Settings, before: Settings = BEFORE) -> dict[str, list[str]]:
    """Names, as the answer to a reload has them."""
    plan = make_plan(make_table(before, PLACE), make_table(after, PLACE))
    rows = {"live": plan.live, "restart": plan.restart, "start": plan.start}
    return {name: [row.name for row in some] for name, some in rows.items()} | {"stop": list(plan.stop)}


def test_the_same_settings_change_nothing() -> None:
    assert make_plan(make_table(BEFORE, PLACE), make_table(BEFORE, PLACE)) == Plan()


def test_a_camera_that_comes_starts_and_those_that_know_cameras_are_told() -> None:
    after = msgspec.structs.replace(BEFORE, cameras={**BEFORE.cameras, "side": Camera(source="c.mp4")})

    assert planned(after) == {
        "live": ["dispatcher", "ingest", "enrich", "gateway"],
        "restart": [],
        "start": ["capture@side"],
        "stop": [],
    }


def test_a_camera_that_goes_stops_and_those_that_know_cameras_are_told() -> None:
    after = msgspec.structs.replace(BEFORE, cameras={"back": BEFORE.cameras["back"]})

    assert planned(after) == {
        "live": ["dispatcher", "ingest", "enrich", "gateway"],
        "restart": [],
        "start": [],
        "stop": ["capture@front"],
    }


def test_a_camera_that_changes_restarts_alone() -> None:
    front = Camera(source="a.mp4", detect=Detect(fps=1.0))
    after = msgspec.structs.replace(BEFORE, cameras={**BEFORE.cameras, "front": front})

    assert planned(after) == {"live": [], "restart": ["capture@front"], "start": [], "stop": []}


def test_another_bound_of_all_recordings_restarts_nobody() -> None:
    after = msgspec.structs.replace(BEFORE, recordings=Recordings(max="800GB"))

    assert make_plan(make_table(BEFORE, PLACE), make_table(after, PLACE)) == Plan()


def test_zones_and_masks_are_told_to_enrich_and_restart_nobody() -> None:
    masked = msgspec.structs.replace(BEFORE.cameras["front"], masks=[Area(points=[(0.0, 0.0), (1.0, 0.0), (1.0, 0.1)])])
    after = msgspec.structs.replace(BEFORE, cameras={**BEFORE.cameras, "front": masked})

    assert planned(after) == {"live": ["enrich"], "restart": [], "start": [], "stop": []}


def test_policies_of_jobs_are_taken_live_and_settings_of_services_restart_them() -> None:
    after = msgspec.structs.replace(
        BEFORE, jobs={"transcribe": JobSettings(max_running=2)}, services={"export": {"slots": 1}, "enrich": False}
    )

    assert planned(after) == {"live": ["dispatcher"], "restart": ["export"], "start": [], "stop": ["enrich"]}


@pytest.mark.parametrize(
    ("enrich", "how"),
    [({"processors": [{"linger": {"after_s": 5}}]}, "live"), ({"processors": [], "gone_s": 5.0}, "restart")],
)
def test_processors_are_taken_live_and_other_settings_of_enrich_restart_it(enrich: dict[str, Any], how: str) -> None:
    after = msgspec.structs.replace(BEFORE, services={"enrich": enrich})

    assert planned(after) == {"live": [], "restart": [], "start": [], "stop": [], how: ["enrich"]}


def test_another_command_restarts_also_a_row_that_takes_its_settings_live() -> None:
    old = Row(name="a", tier=3, argv=("x",), section=b'{"jobs":{}}', live=("jobs",))
    new = Row(name="a", tier=3, argv=("y",), section=b'{"jobs":{"b":{}}}', live=("jobs",))

    assert make_plan([old], [new]) == Plan(restart=(new,))


tables = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 2), st.integers(0, 2))).map(
    lambda some: [
        Row(name=name, tier=1, argv=("x",), section=b'{"live":%d,"other":%d}' % (live, other), live=("live",))
        for name, (live, other) in some.items()
    ]
)


@given(old=tables, new=tables)
def test_whoever_follows_a_plan_has_the_new_table(old: list[Row], new: list[Row]) -> None:
    plan = make_plan(old, new)

    rows = {row.name: row for row in old if row.name not in plan.stop}
    rows |= {row.name: row for row in (*plan.live, *plan.restart, *plan.start)}
    touched = [row.name for row in (*plan.live, *plan.restart, *plan.start)] + list(plan.stop)
    assert rows == {row.name: row for row in new}
    assert len(touched) == len(set(touched))
    assert all(row in old for row in new if row.name not in touched)

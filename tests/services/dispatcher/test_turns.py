"""Cameras take turns within a priority: one with many jobs does not keep another waiting."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.messages import JobState
from framebus.settings import QueuePolicy
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.store import Store
from services.dispatcher.ledgers import World

NUMBERS = itertools.count()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, QueuePolicy(max_queued=1_000, max_running=1_000))
    yield made
    made.close()


def submit(world: World, *cameras: str | None, **more: object) -> list[str]:
    return [world.submit(params={"camera": camera}, **more).id for camera in cameras]


def cameras_served(world: World, count: int) -> list[str | None]:
    leased = [world.lease(f"worker{next(NUMBERS)}") for _ in range(count)]
    return [world.row(job.id).camera for job in leased if job is not None]


def test_a_camera_with_100_jobs_does_not_keep_anothers_only_job_waiting(world: World) -> None:
    submit(world, *["front"] * 100)
    cameras_served(world, 3)
    position = world.submit(params={"camera": "back"}).position

    assert position == 2
    assert cameras_served(world, 3) == ["front", "back", "front"]


def test_cameras_that_always_have_jobs_are_served_in_turn_also_one_that_has_one_at_a_time(world: World) -> None:
    submit(world, *["front", "back"] * 20)
    served = []
    submit(world, "door")
    for _ in range(12):
        served += cameras_served(world, 1)
        if served[-1] == "door":
            submit(world, "door")

    assert {camera: served.count(camera) for camera in ("front", "back", "door")} == {"front": 4, "back": 4, "door": 4}


def test_jobs_of_one_camera_and_jobs_without_any_are_first_come_first_served(world: World) -> None:
    ids = submit(world, None, "front", None, "front")

    leased = [job.id for slot in range(4) if (job := world.lease(slot=slot)) is not None]

    assert leased == ids


def test_priority_goes_before_turns(world: World) -> None:
    submit(world, "front", "back")
    submit(world, "front", "front", priority=1)

    assert cameras_served(world, 4) == ["front", "front", "front", "back"]


def test_a_cancelled_job_costs_its_camera_no_turn(world: World) -> None:
    first, *_ = submit(world, "front", "front", "back")
    world.cancel(first)

    assert cameras_served(world, 2) == ["front", "back"]


def test_the_places_that_are_told_are_the_order_in_which_jobs_are_leased(world: World) -> None:
    for camera in ("front", "front", "front", "back", "door", "back"):
        submit(world, camera)
    cameras_served(world, 1)
    rows = world.ledger.store.in_states(JobState.QUEUED)
    places = {job.id: world.ledger.store.ahead_of(job) for job in rows}

    leased = [job.id for slot in range(5) if (job := world.lease(slot=slot)) is not None]

    assert [places[job_id] for job_id in leased] == list(range(5))


def test_a_job_that_comes_back_is_the_first_of_its_camera_again(world: World) -> None:
    first, second = submit(world, "front", "front")
    job = world.lease()
    assert job is not None
    world.release(job)

    again = world.lease()

    assert again is not None
    assert again.id == first != second


def test_among_100_000_jobs_the_next_and_ones_place_are_found_by_index(tmp_path: Path) -> None:
    store = Store(tmp_path / "ledger.db")
    with store.transaction():
        for number in range(100_000):
            camera = f"camera-{number % 50}"
            fields = {"type": "mine", "params": b"", "params_sha": b"", "expires_at": 1.0, "created_at": 1.0}
            store.insert(Job(id=f"{number:032x}", camera=camera, **fields))  # type: ignore[arg-type]

    began_s = time.perf_counter()
    for _ in range(100):
        job = store.next_queued("mine")
        assert job is not None
        assert store.ahead_of(job, is_newest=True) >= 0
    took_s = (time.perf_counter() - began_s) / 100
    where = "state = 'queued' AND type = ? AND priority = ? AND ifnull(camera, '') = ? ORDER BY number LIMIT 1"
    plans = [
        store._database.execute(f"EXPLAIN QUERY PLAN SELECT id FROM job WHERE {where}", ("mine", 0, "a")).fetchall(),
        store._database.execute(
            "EXPLAIN QUERY PLAN SELECT camera FROM line WHERE type = ? ORDER BY priority DESC, turn LIMIT 1", ("mine",)
        ).fetchall(),
    ]
    store.close()

    print(f"{1_000 * took_s:.3f} ms for the next of 100,000 and its place")
    assert ["job_in_line" in plans[0][0][3], "line_by_turn" in plans[1][0][3]] == [True, True]
    assert not any("TEMP B-TREE" in row[3] for plan in plans for row in plan)

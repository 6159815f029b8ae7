"""Uploads in a real group: each file exactly once, whoever is killed, and at the pace that the queue allows.

`FRAMEBUS_NIGHT=1` lets a file grow for a minute.
"""

import os
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import psutil
import pytest

from framebus.errors import RefusedError
from framebus.messages import JobState, JobView
from framebus.requests import ListUploads, StartService, StopService, UploadRow
from framebus_launcher.client import GroupClient
from groups import RunningGroup, running_group, wait_until
from media import make_video

IS_NIGHT = os.environ.get("FRAMEBUS_NIGHT") == "1"
CONFIG = {
    "services": {"enrich": False, "export": False, "ingest": {"rescan_s": 2.0}, "analysis": True},
    "jobs": {"analysis": {"pause_s": 0.0, "max_queued": 1_000}},
}


def jpeg(number: int) -> bytes:
    picture = np.random.default_rng(number).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def put(group: RunningGroup, path: str, content: bytes) -> Path:
    file = group.folder / "data" / "uploads" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def ended(group: RunningGroup) -> list[JobView]:
    return [job for job in group.jobs().values() if job.state is JobState.SUCCEEDED]


def listed(group: RunningGroup, camera: str) -> list[UploadRow]:
    with GroupClient(group.place.run) as client:
        try:
            return client.ask("ingest", ListUploads(camera=camera, limit=500)).rows
        except RefusedError:  # it is not back yet
            return []


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    with running_group(CONFIG) as group:
        group.await_ready()
        yield group


def test_a_picture_and_a_video_become_analyses_with_results(group: RunningGroup) -> None:
    movie = group.folder / "movie.mp4"
    make_video(movie, seconds=4.0, width=160, height=120)
    put(group, "Front Door/a.jpg", jpeg(1))
    shutil.copy(movie, put(group, "Front Door/b.mp4", b"").parent / "b.mp4")

    jobs = wait_until(lambda: found if len(found := ended(group)) == 2 else None, "two analyses", 30.0)

    results = {job.name: msgspec.msgpack.decode(job.result) for job in jobs}
    assert results["Front Door/a.jpg"]["values"]["pictures"] == 1
    assert results["Front Door/b.mp4"]["values"]["motion"]["highest"] >= 0.0
    assert {job.camera for job in jobs} == {"front_door"}
    for result in results.values():
        assert (group.folder / "data" / "exports" / result["picture"]).stat().st_size > 1_000


def test_whoever_is_killed_each_file_is_one_job(group: RunningGroup) -> None:
    before = len(group.jobs())
    statuses = group.services()
    for number in range(60):
        put(group, f"yard/{number // 10}/{number}.jpg", jpeg(100 + number))
        if number in (10, 30, 50):
            name = "ingest" if number != 30 else "dispatcher"
            group.kill(name)
            group.await_back(name, statuses[name])
            statuses = group.services()

    def are_done() -> bool:
        rows = listed(group, "yard")
        return Counter(row.state for row in rows) == {"done": 60}

    wait_until(are_done, "60 uploads", 40.0)
    assert len(group.jobs()) - before == 60


def test_files_that_came_while_the_service_was_away_are_found(group: RunningGroup) -> None:
    old = group.services()["ingest"]
    with GroupClient(group.place.run) as client:
        client.ask("launcher", StopService(name="ingest"), 10.0)
        put(group, "gate/a.jpg", jpeg(900))
        client.ask("launcher", StartService(name="ingest"), 10.0)
    group.await_back("ingest", old)

    def is_done() -> bool:
        rows = listed(group, "gate")
        return [row.state for row in rows] == ["done"]

    wait_until(is_done, "the upload of meanwhile")


def test_a_file_that_grows_slowly_is_one_job_after_it_is_whole(group: RunningGroup) -> None:
    movie = group.folder / "slow.ts"  # each part of it opens as a video of its own
    make_video(movie, seconds=4.0, width=160, height=120)
    content, parts = movie.read_bytes(), 20 if IS_NIGHT else 2
    first = put(group, "slow/first.jpg", jpeg(700))
    wait_until(
        lambda: listed(group, "slow"), "its folder is watched"
    )  # in a new one a file is found, and no write heard
    with first.with_name("a.ts").open("wb") as writer:
        for part in range(parts):
            if part:
                time.sleep(3.0)  # longer than a file that nobody writes has to stand still
                assert [row.path for row in listed(group, "slow")] == ["slow/first.jpg"]
            writer.write(content[len(content) * part // parts : len(content) * (part + 1) // parts])
            writer.flush()

    row = wait_until(
        lambda: next((row for row in listed(group, "slow") if row.path == "slow/a.ts"), None), "the upload"
    )

    assert (row.size_bytes, row.reason) == (len(content), "")
    wait_until(lambda: [job for job in ended(group) if job.name == "slow/a.ts"], "its analysis", 30.0)
    assert sum(job.name == "slow/a.ts" for job in group.jobs().values()) == 1


def test_500_files_at_once_become_500_jobs(group: RunningGroup) -> None:
    for number in range(500):
        put(group, f"many/{number % 7}/{number % 31}/{number}.jpg", jpeg(number) + number.to_bytes(2, "big"))

    def are_done() -> bool:
        rows = listed(group, "many")
        return len(rows) == 500 and {row.state for row in rows} == {"done"}

    wait_until(are_done, "500 uploads", 60.0)


def test_on_a_disk_that_is_full_uploads_wait_and_status_says_so(group: RunningGroup) -> None:
    put(group, "shed/a.jpg", jpeg(4_999))
    wait_until(lambda: [row.state for row in listed(group, "shed")] == ["done"], "the camera")
    process = psutil.Process(group.services()["ingest"].pid)
    process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # no file of its own may grow
    put(group, "shed/b.jpg", jpeg(5_000))

    wait_until(lambda: "uploads wait" in (group.services()["ingest"].reason or ""), "the complaint")
    process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    wait_until(
        lambda: [row.state for row in listed(group, "shed")] == ["done", "done"],
        "the upload",
        40.0,
    )
    wait_until(lambda: not group.services()["ingest"].reason, "the end of the complaint")
    assert group.log.read_text().count("uploads wait") == 1


def test_on_a_share_that_tells_nothing_files_are_found_by_polling() -> None:
    services = {**CONFIG["services"], "ingest": {"polling": True, "polling_s": 0.2, "rescan_s": 3_600.0}}
    with running_group({**CONFIG, "services": services}) as group:
        group.await_ready()
        put(group, "front/a.jpg", jpeg(1))

        wait_until(lambda: [row.state for row in listed(group, "front")] == ["done"], "the upload")

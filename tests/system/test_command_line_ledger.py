"""What the ledger tells by the command line: stories, queues, batches and cases, against a group that runs."""

import json
import time
from collections.abc import Iterator

import pytest

from commands import command, framebus
from groups import SYNTHETIC, RunningGroup, running_group


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    cameras = {"front": SYNTHETIC, "back": SYNTHETIC}
    with running_group({"cameras": cameras, "jobs": {"mine": {"max_running": 1, "max_queued": 3}}}) as running:
        running.await_ready()
        for camera in cameras:
            running.await_segments(2, camera)
        yield running


def answers(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_story_of_a_job_tells_its_moves(group: RunningGroup) -> None:
    framebus(group, "export", "front", "--last", "2s", "--allow-gaps", "--watch", "--name", "short")
    job_id = json.loads(framebus(group, "jobs", "--limit", "1", "--json"))["id"]

    text = framebus(group, "jobs", job_id)
    told = json.loads(framebus(group, "jobs", job_id, "--json"))

    assert all(word in text for word in ("queued", "running", "succeeded", "start 1", "short", job_id))
    assert [move["state"] for move in told["moves"]][:2] == ["queued", "running"]
    assert told["state"] == "succeeded"


def test_a_queue_is_shown_in_words_and_as_json(group: RunningGroup) -> None:
    text = framebus(group, "queue", "mine")
    told = {row["type"]: row for row in answers(framebus(group, "queue", "--json"))}

    assert "of 3" in text
    assert told["mine"]["max_queued"] == 3
    assert told["export"]["worker_running"] is True


def test_a_queue_of_no_such_type_is_refused(group: RunningGroup) -> None:
    assert "unknown_type" in framebus(group, "queue", "nothing", expect=1)


def test_a_batch_is_answered_line_by_line_and_ends_with_1_when_one_was_refused(group: RunningGroup) -> None:
    now_s = time.time()
    good = {"params": {"camera": "front", "start": now_s - 2, "end": now_s, "allow_gaps": True}, "client_item_id": "a"}
    bad = {"params": {"camera": "nobody", "start": now_s - 2, "end": now_s}, "client_item_id": "b"}
    lines = "\n".join(map(json.dumps, (good, bad)))

    done = command(group, "submit", "export", "--batch", "-", stdin=lines)

    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("a  job ")
    assert second.startswith("b  refused: ")
    assert "not_found" in second


def test_one_clip_of_each_camera_is_a_batch_of_one_case(group: RunningGroup) -> None:
    arguments = ("--cameras", "front,back", "--last", "2s", "--allow-gaps", "--case", "Break-in", "--watch")

    text = framebus(group, "export", *arguments)

    assert [line.split()[0] for line in text.splitlines()[:2]] == ["front", "back"]
    found = answers(framebus(group, "jobs", "--case", "Break-in", "--json"))
    assert {job["camera"] for job in found} == {"front", "back"}
    assert {job["state"] for job in found} == {"succeeded"}


def test_a_case_is_cancelled_as_a_whole_and_nothing_else_with_it(group: RunningGroup) -> None:
    for case in ("one", "one", "two"):
        framebus(group, "submit", "mine", "--case", case)

    text = framebus(group, "cancel", "--case", "one")

    assert text.count("cancelled") == 2
    assert len(answers(framebus(group, "jobs", "--state", "queued", "--json"))) == 1
    assert "no job of one was waiting" in framebus(group, "cancel", "--case", "one")
    framebus(group, "cancel", "--case", "two")


def test_a_batch_that_does_not_fit_is_refused_whole(group: RunningGroup) -> None:
    for _ in range(2):
        framebus(group, "submit", "mine", "--case", "full")

    done = command(group, "submit", "mine", "--batch", "-", stdin='{"params": {}}\n{"params": {}}')

    assert done.returncode == 1
    assert "queue_full" in done.stderr
    assert len(answers(framebus(group, "jobs", "--type", "mine", "--state", "queued", "--json"))) == 2
    framebus(group, "cancel", "--case", "full")


def test_a_plan_says_what_a_clip_would_contain(group: RunningGroup) -> None:
    done = command(group, "export", "front", "--last", "3s", "--plan")

    assert done.returncode == 0, done.stderr
    assert "pieces of recording" in done.stdout

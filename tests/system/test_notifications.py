"""Somebody comes, and a phone knows it, with a picture, whatever is killed meanwhile."""

import base64
import json
import os
import signal
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from commands import command, framebus
from endpoint import Endpoint, Post, endpoint
from framebus.messages import JobState, JobView
from groups import SYNTHETIC, RunningGroup, running_group, wait_until

TOPIC = "sesame-opens-nothing-else"


@pytest.fixture
def phone() -> Iterator[Endpoint]:
    with endpoint() as phone:
        phone.body = f"thanks, {TOPIC}".encode()
        yield phone


@pytest.fixture
def group(phone: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningGroup]:
    monkeypatch.setenv("TOPIC", TOPIC)
    targets = {"phone": {"url": f"{phone.url}/${{TOPIC}}"}, "dead": {"url": "http://127.0.0.1:9/${TOPIC}"}}
    config = {
        "cameras": {"front_door": SYNTHETIC},
        "services": {"notify": {"to": targets}, "export": False, "ingest": False, "analysis": False},
    }
    with running_group(config) as group:
        group.await_ready()
        yield group


def content_of(post: Post) -> dict[str, object]:
    found: dict[str, object] = json.loads(post.body)
    return found


def test_somebody_comes_and_a_phone_knows_it_with_a_picture_also_when_notify_is_killed_in_the_middle(
    phone: Endpoint, group: RunningGroup
) -> None:
    phone.delays_s.append(20.0)  # the first answer is so late that notify dies while it waits for it

    wait_until(lambda: phone.posts, "the first post")
    os.kill(group.services()["notify"].pid or 0, signal.SIGKILL)
    id = str(content_of(phone.posts[0])["id"])

    def told() -> JobView | None:
        job = group.jobs().get(id)
        return job if job is not None and job.state is JobState.SUCCEEDED else None

    job = wait_until(told, "the phone was told")
    mine = [content for content in map(content_of, phone.posts) if content["id"] == id]
    failing = wait_until(lambda: [one for one in group.jobs().values() if one.error is not None], "the dead one")
    tested = framebus(group, "notify", "phone")
    refused = command(group, "notify", "fone")
    everything = group.log.read_text() + repr(group.jobs()) + framebus(group, "call", "launcher", "config.get", "{}")

    assert len(mine) >= 2  # at least once, with the same id each time
    assert mine[0] == mine[-1]  # the picture is that of the moment
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(str(mine[-1]["picture"])), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert mine[-1]["text"] == "Motion at Front Door"
    assert (job.camera, job.name) == ("front_door", "phone: Motion at Front Door")
    assert {(one.name or "").partition(":")[0] for one in failing} == {"dead"}
    assert tested.startswith("phone answers 200 OK: thanks, ***   (with a picture of ")
    assert (refused.returncode, refused.stderr.strip()) == (
        1,
        "error: there is no target fone; services.notify.to has dead, phone",
    )
    assert phone.posts[0].path.endswith(TOPIC)
    assert TOPIC not in everything
    assert "${TOPIC}" in everything

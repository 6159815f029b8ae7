"""A real group as a browser and curl see it."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from commands import command, framebus
from framebus.jobs import FINAL
from framebus.requests import BeatJob, LeaseJob
from framebus_launcher.client import GroupClient
from groups import FRAMEBUS, SYNTHETIC, RunningGroup, running_group, wait_until

CANARY = "c4nary-p4ss"
NEWS_S = 1.2
FIRST_PICTURE_S = 1.0 + 2.0
"""the key-frame interval of the synthetic camera, and what may be added to it"""


class Web:
    """A browser without a screen."""

    def __init__(self, group: RunningGroup) -> None:
        self.group = group
        self.link = framebus(group, "link").strip()
        self.token = framebus(group, "link", "--token").strip()
        self.host = self.link.removeprefix("http://").partition("/")[0]

    def ask(
        self, path: str, method: str = "GET", body: Any = None, token: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=20)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, _, body = self.ask(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def open(self, path: str) -> ClientConnection:
        headers = {"Authorization": f"Bearer {self.token}"}
        return connect(f"ws://{self.host}{path}", additional_headers=headers, proxy=None)


def read_until(opened: ClientConnection, holds: Any, limit_s: float = 15.0) -> list[dict[str, Any]]:
    end_s = time.monotonic() + limit_s
    read: list[dict[str, Any]] = []
    while True:
        found = json.loads(opened.recv(max(0.01, end_s - time.monotonic())))
        for message in found if isinstance(found, list) else [found]:
            read.append(message)
            if holds(message):
                return read


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    config = {
        "http": {"port": free_port()},
        "cameras": {
            "front": SYNTHETIC,
            "shed": {"source": f"rtsp://viewer:{CANARY}@127.0.0.1:9/stream?token={CANARY}"},
        },
        "jobs": {"transcribe": {"max_queued": 50, "max_running": 1}},
    }
    with running_group(config) as group:
        group.await_ready()
        yield Web(group)


def test_the_link_opens_the_page_and_its_token_becomes_a_cookie(web: Web) -> None:
    token = web.link.partition("#token=")[2]
    status, headers, _ = web.ask("/api/session", "POST", {"token": token})
    connection = http.client.HTTPConnection(web.host, timeout=10)
    connection.request("GET", "/api/me", headers={"Cookie": headers["set-cookie"].partition(";")[0]})
    me = json.loads(connection.getresponse().read())
    connection.close()

    assert status == 204
    assert (me["role"], me["cameras"], me["can_export"]) == ("admin", ["front", "shed"], True)
    assert web.group.log.read_text().count(f"page  http://{web.host}/") == 1
    assert token not in web.group.log.read_text()


def test_links_are_for_a_role_and_cameras_and_are_taken_back(web: Web) -> None:
    viewer = framebus(web.group, "link", "--role", "viewer", "--camera", "front", "--token").strip()
    before = json.loads(web.ask("/api/me", token=viewer)[2])
    taken = framebus(web.group, "link", "--role", "viewer", "--revoke")
    after = web.ask("/api/me", token=viewer)[0]
    wrong = command(web.group, "link", "--camera", "front")
    unknown = command(web.group, "link", "--role", "viewer", "--camera", "nosuch")

    assert (before["role"], before["cameras"]) == ("viewer", ["front"])
    assert taken == "1 link of viewer taken back\n"
    assert after == 401
    assert wrong.returncode == 64
    assert unknown.returncode == 1
    assert "there is no camera nosuch; the group has front, shed" in unknown.stderr
    assert "nosuch" not in (web.group.place.data / "access.json").read_text()


def test_a_clip_is_made_watched_and_fetched_in_part(web: Web) -> None:
    wait_until(lambda: len(recorded(web)) >= 2, "two segments are closed")
    first = recorded(web)[0]
    params = {"camera": "front", "start": first["start_at_s"], "end": first["end_at_s"]}
    plan = json.loads(web.ask("/api/plan", "POST", {"type": "export", "params": params})[2])
    with web.open("/ws") as opened:
        opened.send('{"subscribe": ["job/export/"]}')
        read_until(opened, lambda message: "snapshot_done" in message)
        status, headers, body = web.ask("/api/jobs", "POST", {"type": "export", "params": params, "name": "curl"})
        job_id = json.loads(body)["id"]
        end = read_until(
            opened, lambda message: message.get("body", {}).get("id") == job_id and message["body"]["state"] in FINAL
        )[-1]["body"]
    clip = next(name for name in end["result"]["files"] if name.endswith(".mp4"))
    size = int(web.ask(f"/api/exports/{clip}")[1]["content-length"])

    assert (status, headers["location"]) == (202, f"/api/jobs/{job_id}")
    assert end["state"] == "succeeded"
    assert abs(plan["duration_s"] - end["result"]["duration_s"]) < 0.5
    assert size == end["result"]["size_bytes"]
    assert f"api/exports/{clip}" in [one["url"] for one in web.get("/api/exports")["exports"]]


def recorded(web: Web) -> list[dict[str, Any]]:
    now_s = time.time()
    segments = web.get(f"/api/recordings?camera=front&start={now_s - 600}&end={now_s}")["segments"]
    return [segment for segment in segments if not segment["is_open"]]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
@pytest.mark.parametrize("page", ["README.md", "docs/http.md"])
def test_what_is_printed_for_curl_works_as_printed(web: Web, page: str, tmp_path: Path) -> None:
    wait_until(lambda: recorded(web), "a segment is closed")
    text = (Path(__file__).parents[2] / page).read_text()
    [block] = [part for part in text.split("```")[1::2] if "curl -H" in part]
    lines = block.replace("127.0.0.1:8480", web.host).replace("front_door", "front")
    script = lines.replace("curl -H", "curl -sS --fail-with-body -w '\\n' -H")

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        env={**os.environ, "FRAMEBUS_RUN": str(web.group.place.run), "PATH": f"{Path(FRAMEBUS).parent}:/usr/bin:/bin"},
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert answers[0]["cameras"][0]["name"] == "front"
    assert answers[1]["state"] == "queued"
    assert "picture.jpg" not in block or (tmp_path / "picture.jpg").read_bytes().startswith(b"\xff\xd8")


def test_live_video_comes_soon_and_is_made_only_while_somebody_watches(web: Web) -> None:
    wait_until(lambda: web.get("/api/cameras")["cameras"][0]["live"] == "fmp4", "the camera is online")
    before = fragments(web)
    began_s = time.monotonic()
    with web.open("/live/front") as opened:
        frames = [opened.recv(10) for _ in range(3)]
        first_s = time.monotonic() - began_s
        frames += [opened.recv(10) for _ in range(5)]
    wait_until(lambda: fragments(web) == fragments_a_second_later(web), "no more is made")

    assert before == 0
    assert json.loads(frames[0])["codec"].startswith("avc1.")
    assert bytes(frames[1][4:8]) == b"ftyp"  # type: ignore[arg-type]  # bytes, as the next line says
    assert [bytes(frame[4:8]) for frame in frames[2:]] == [b"moof"] * 6  # type: ignore[arg-type]
    assert first_s < FIRST_PICTURE_S
    assert web.ask("/api/cameras/front/snapshot.jpg")[2].startswith(b"\xff\xd8")


def fragments(web: Web) -> int:
    text = web.ask("/metrics")[2].decode()
    found = [line for line in text.splitlines() if 'service="capture@front",name="live.fragments"' in line]
    return int(found[0].rpartition(" ")[2]) if found else 0


def fragments_a_second_later(web: Web) -> int:
    """After two more words of capture about itself."""
    with web.open("/ws") as opened:
        opened.send('{"subscribe": ["stats/capture@front/"]}')
        for _ in range(3):
            read_until(opened, lambda message: message.get("topic") == "stats/capture@front/")
    return fragments(web)


def test_progress_reaches_a_browser_in_time_and_a_full_queue_says_when_to_come_again(web: Web) -> None:
    job = {"type": "transcribe", "params": {}}
    assert web.ask("/api/jobs", "POST", job)[0] == 202
    with GroupClient(web.group.place.run) as client, web.open("/ws") as opened:
        opened.send('{"subscribe": ["job_state/transcribe/"]}')
        lease = client.ask("dispatcher", LeaseJob(types=["transcribe"], worker="test", incarnation=1, wait_s=5.0))
        assert lease.job is not None
        told_s = time.monotonic()
        client.ask("dispatcher", BeatJob(id=lease.job.id, fence=lease.job.fence, step="listening", percent=42.0))
        read_until(
            opened, lambda message: [one["percent"] for one in message.get("body", {}).get("running", [])] == [42.0]
        )
        news_s = time.monotonic() - told_s

        answers = [web.ask("/api/jobs", "POST", job) for _ in range(51)]

    assert news_s < NEWS_S
    assert [status for status, _, _ in answers] == [202] * 50 + [429]
    _, headers, body = answers[-1]
    refused = json.loads(body)
    assert refused["code"] == "queue_full"
    assert int(headers["retry-after"]) == max(1, -int(-refused["retry_after_s"] // 1))


def test_no_password_shows_in_anything_that_the_gateway_says(web: Web) -> None:
    said = framebus(web.group, "link").encode()
    now_s = time.time()
    paths = ["metrics", "", "api/openapi.json", "api/cameras", "api/services", "api/config", "api/me", "api/jobs"]
    paths += [f"api/services/{name}/logs?lines=200" for name in ("capture@shed", "gateway", "launcher")]
    paths += [f"api/recordings?camera=shed&start={now_s - 60}&end={now_s}", "api/cameras/shed/snapshot.jpg"]
    for path in paths:
        said += b"".join(str(part).encode() for part in web.ask(f"/{path}")[1:])
    with web.open("/ws") as opened:
        opened.send(json.dumps({"subscribe": ["camera/", "service/", "stats/", "config/", "job_state/"]}))
        said += json.dumps(read_until(opened, lambda message: "snapshot_done" in message)).encode()
    said += web.group.log.read_bytes()

    assert b"shed" in said
    assert CANARY.encode() not in said


def test_a_gateway_that_is_killed_is_back_at_the_same_address_for_the_same_link(web: Web) -> None:
    with web.open("/ws") as opened:
        read_until(opened, lambda message: "hello" in message)
        old = web.group.kill("gateway")
        with pytest.raises(ConnectionClosed):
            read_until(opened, lambda message: False)
    web.group.await_back("gateway", old)

    assert framebus(web.group, "link").strip() == web.link
    assert web.get("/api/me")["role"] == "admin"
    wait_until(lambda: [one["status"] for one in web.get("/api/cameras")["cameras"] if one["status"]], "it hears again")


def test_a_service_is_restarted_from_the_page(web: Web) -> None:
    old = web.group.services()["enrich"]
    status, _, body = web.ask("/api/services/enrich/restart", "POST", {})
    web.group.await_back("enrich", old)

    assert (status, json.loads(body)["name"]) == (202, "enrich")
    assert web.ask("/api/services/nobody/restart", "POST", {})[0] == 404

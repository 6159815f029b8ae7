"""Cameras and job types that come and go in a running group, and its log as JSON, as a user sees them."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from framebus.messages import BoardStatus, Finding, JobBoard, JobState
from framebus.transport import Listener
from groups import FRAMEBUS, SYNTHETIC, RunningGroup, running_group, wait_until


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    with running_group({"cameras": {"front": SYNTHETIC}}) as running:
        running.await_ready()
        yield running


def framebus(group: RunningGroup, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FRAMEBUS, *words, "--run", str(group.place.run)], capture_output=True, text=True, timeout=30.0
    )


def rewrite(group: RunningGroup, **sections: Any) -> None:
    group.file.write_text(yaml.safe_dump({**yaml.safe_load(group.file.read_text()), **sections}))


def test_a_camera_comes_and_goes_and_all_others_go_on(group: RunningGroup) -> None:
    before = {name: status.pid for name, status in group.services().items()}

    rewrite(group, cameras={"front": SYNTHETIC, "side": SYNTHETIC})
    come = framebus(group, "reload")
    group.await_online("side")
    group.await_segments(1, "side")
    segment = next((group.place.data / "recordings" / "side").rglob("*_*.mp4"))
    start_s = int(segment.name.partition("_")[0]) / 1_000.0
    [job] = group.await_ends([group.submit(start_s, start_s + 1.0, "side").id])
    rewrite(group, cameras={"front": SYNTHETIC})
    gone = framebus(group, "reload")
    wait_until(lambda: "capture@side" not in group.services(), "side has gone")

    assert come.stdout.splitlines() == ["applied: told dispatcher, enrich; started capture@side", "capture@side ready"]
    assert gone.stdout.splitlines() == ["applied: told dispatcher, enrich; stopped capture@side"]
    assert job.state is JobState.SUCCEEDED
    assert {name: status.pid for name, status in group.services().items()} == before
    assert list(group.place.shm.glob("side.*")) == []
    assert [path.name for path in group.place.run.rglob("*side*")] == []
    assert "side" not in [
        camera["camera"] for camera in json.loads(framebus(group, "status", "--json").stdout)["cameras"]
    ]


def test_a_camera_that_is_new_is_known_to_the_dispatcher_at_once(group: RunningGroup) -> None:
    unknown = framebus(group, "call", "dispatcher", "job.submit", submit_of("nobody"))

    rewrite(group, cameras={"front": SYNTHETIC, "nobody": {"source": "/no/such/file.mp4"}})
    framebus(group, "reload")
    wait_until(
        lambda: "not_found" not in framebus(group, "call", "dispatcher", "job.submit", submit_of("nobody")).stderr,
        "the dispatcher knows the camera",
    )

    assert "not_found" in unknown.stderr
    rewrite(group, cameras={"front": SYNTHETIC})
    assert framebus(group, "reload").returncode == 0


def submit_of(camera: str) -> str:
    return json.dumps({"type": "export", "params": {"camera": camera, "start": 1.0, "end": 2.0, "allow_gaps": True}})


def test_a_job_type_that_is_declared_is_taken_while_the_dispatcher_runs(group: RunningGroup) -> None:
    before = group.services()["dispatcher"].pid

    rewrite(group, jobs={"transcribe": {"max_queued": 1}})
    applied = framebus(group, "reload")
    with group.observer() as news:
        board = news.wait_for(lambda: news.newest("job_state/transcribe/", JobBoard), 10.0)
    taken = framebus(group, "submit", "transcribe", "file=a.mp3")
    full = framebus(group, "submit", "transcribe", "file=b.mp3")

    assert applied.stdout == "applied: told dispatcher\n"
    assert board is not None
    assert board.status is BoardStatus.IDLE
    assert taken.returncode == 0, taken.stderr
    assert "queue_full" in full.stderr
    assert group.services()["dispatcher"].pid == before


COUNTS = """
from framebus import Finding, Processor

class Counts(Processor):
    def __init__(self, word: str = "steady") -> None:
        if word == "bad":
            raise OSError("there is no model")
        self.word, self.seen = word, 0

    def process_frame(self, frame):
        self.seen += 1
        yield Finding(processor="counts", camera=frame.camera, label=self.word, value=float(self.seen))
"""


def test_a_processor_gets_new_settings_while_enrich_runs_and_the_others_see_every_frame(group: RunningGroup) -> None:
    (group.file.parent / "counts.py").write_text(COUNTS)
    before = group.services()["enrich"].pid
    services = yaml.safe_load(group.file.read_text()).get("services", {})

    def take(*words: str) -> str:
        processors = [{"./counts.py": {"word": word}} for word in words]
        rewrite(group, services={**services, "enrich": {"processors": processors}})
        return framebus(group, "reload").stdout

    with Listener(group.place, "finding/") as listener:
        applied = take("steady", "old")
        heard = listen(listener, "old")
        take("steady", "new")
        heard += listen(listener, "new")
        take("steady", "bad")
        told = wait_until(lambda: group.services()["enrich"].reason, "status says so", 10.0)
        heard += listen(listener, "new")

    assert applied == "applied: told enrich\n"
    assert group.services()["enrich"].pid == before
    assert told == "processors[1].counts: OSError: there is no model; what ran before goes on"
    steady = [value for word, value in heard if word == "steady"]
    assert steady == [float(number) for number in range(1, len(steady) + 1)]
    changed = [(word, value) for word, value in heard if word != "steady"]
    assert changed[0] == ("old", 1.0)
    assert changed[[word for word, _ in changed].index("new")] == ("new", 1.0)
    assert changed[-1][1] == [word for word, _ in changed].count("new")


def listen(listener: Listener, word: str, limit_s: float = 20.0) -> list[tuple[str, float | None]]:
    """What is told until five findings have this label."""
    heard: list[tuple[str, float | None]] = []
    end_s = time.monotonic() + limit_s
    while sum(label == word for label, _ in heard) < 5:
        assert time.monotonic() < end_s, heard
        found = [news.decode() for news in listener.wait(0.5)]
        heard += [
            (one.label, one.value) for one in found if isinstance(one, Finding) and one.processor.startswith("counts")
        ]
    return heard


def test_a_wrong_file_changes_nothing_and_says_each_line(group: RunningGroup) -> None:
    good = group.file.read_text()
    before = {name: status.pid for name, status in group.services().items()}

    group.file.write_text(good + "nonsense: 1\ncameras_: {}\n")
    refused = framebus(group, "reload")
    group.file.write_text(good)

    lines = len(good.splitlines())
    assert refused.returncode == 1
    assert f"{group.file}:{lines + 1}: nonsense: unknown setting" in refused.stderr
    assert f"{group.file}:{lines + 2}: cameras_: unknown setting; did you mean cameras?" in refused.stderr
    assert {name: status.pid for name, status in group.services().items()} == before


def test_logs_are_shown_by_service_and_followed_to_the_end_of_the_group() -> None:
    with running_group({"services": {"export": False, "enrich": False}}) as group:
        group.await_ready()
        follower = subprocess.Popen(
            [FRAMEBUS, "logs", "-f", "--json", "--run", str(group.place.run)], stdout=subprocess.PIPE, text=True
        )
        assert follower.stdout is not None
        first = json.loads(follower.stdout.readline())
        group.kill("dispatcher")
        while "is ready after" not in json.loads(follower.stdout.readline())["text"]:
            pass

        alone = framebus(group, "logs", "dispatcher")
        unknown = framebus(group, "logs", "nobody")
        group.stop()
        follower.communicate(timeout=20.0)

    assert first["service"] in ("launcher", "dispatcher")
    assert first["level"] == "INFO"
    assert first["at"].endswith("Z")
    assert all(" launcher " not in line for line in alone.stdout.splitlines())
    assert "no service nobody; there are launcher, dispatcher" in unknown.stderr
    assert follower.returncode == 0


def test_json_logs_hold_one_object_a_line_also_of_the_launcher_and_its_children() -> None:
    with running_group({"cameras": {"front": SYNTHETIC}}) as group:
        group.process.terminate()
        group.process.wait(12.0)
        group.log.unlink()
        with group.log.open("wb") as log:
            group.process = subprocess.Popen(
                [FRAMEBUS, "up", "-c", str(group.file), "--json-logs"], stdout=log, stderr=log
            )
        group.await_ready()
        wait_until(lambda: "online" in group.log.read_text(), "the camera says so")
        group.stop()
        records = [json.loads(line) for line in group.log.read_text().splitlines()]

    assert {tuple(record) for record in records} == {("at", "level", "service", "text")}
    assert {"launcher", "capture@front"} <= {record["service"] for record in records}
    texts = [record["text"] for record in records if record["service"] == "launcher"]
    assert any(text.startswith("export stopped after ") for text in texts)
    assert {record["level"] for record in records} <= {"INFO", "WARNING"}

"""The programs in Node, which know nothing of our library, in a real group; skipped where Node or its packages miss."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from examples.processes import Folder, Program
from framebus import client, codec
from framebus.codec import RequestHead
from framebus.errors import RefusedError
from framebus.messages import Box, Finding, JobState, JobView, ObjectEvent, Phase, ServiceState
from framebus.place import Place
from framebus.requests import CancelJob, GetJob, GetLogs, GetStats, KillService, ListServices, Ping, SubmitJob
from framebus.transport import ScriptCaller, SocketBus
from groups import wait_until

NODE = Path(__file__).parents[2] / "examples" / "node"


def _why_not() -> str:
    if shutil.which("node") is None:
        return "there is no node here: apt-get install nodejs npm"
    if not (NODE / "node_modules" / "zeromq").is_dir():
        return f"the packages of the examples are missing: npm ci --prefix {NODE}"
    return ""


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "they are there")


class NodeGroup:
    """A dispatcher and the plug-in under a launcher, by the row that stands in the plug-in's own comment."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        text = (NODE / "plugin.mjs").read_text()
        row = text.partition("framebus.yml:\n//\n")[2].partition("\n\n")[0].replace("// ", "")
        row = row.replace("examples/node/plugin.mjs", str(NODE / "plugin.mjs"))
        row = row.replace("services:\n", "services:\n  enrich: off\n  export: off\n")
        (folder.path / "framebus.yml").write_text(f"data: data\nrun: run\nshm: shm\n{row}\n")
        self.place = Place.at(folder.run, data=folder.data)
        self.launcher = folder.start("framebus", "up", "--plain")
        self.launcher.wait_for("reporter is ready")

    def submit(self, **params: Any) -> str:
        request = SubmitJob(type="report", params=Raw(codec.encode({"camera": "front", **params})))
        return client.ask("dispatcher", request, run=self.place.run).id

    def job(self, job_id: str) -> JobView:
        return client.ask("dispatcher", GetJob(id=job_id), run=self.place.run)

    def await_job(self, job_id: str, *states: JobState) -> JobView:
        def find() -> JobView | None:
            job = self.job(job_id)
            return job if job.state in states else None

        return wait_until(find, f"job {states}")


@pytest.fixture(scope="module")
def group() -> Iterator[NodeGroup]:
    with Folder() as folder:
        group = NodeGroup(folder)
        yield group
        assert group.launcher.stop() == 0, group.launcher.said


def turn_until(bus: SocketBus, found: Callable[[], object], limit_s: float = 10.0) -> None:
    end_s = time.monotonic() + limit_s
    while not found():
        assert time.monotonic() < end_s, "not in time"
        bus.turn(0.05)


def seen_object(number: int = 1) -> ObjectEvent:
    return ObjectEvent(
        camera="front",
        id=f"o{number}",
        phase=Phase.START,
        label="moving",
        score=1.0,
        box=Box(x=1, y=2, width=3, height=4),
        since_at_s=1.5,
        captured_at_s=2.0,
        number=number,
    )


def test_it_is_ready_and_beats_by_lines_of_its_output_which_are_not_in_the_log(group: NodeGroup) -> None:
    def log() -> list[str]:
        return [line.text for line in client.ask("launcher", GetLogs(name="reporter"), run=group.place.run).lines]

    said = wait_until(log, "its first line")
    services = {row.name: row for row in client.ask("launcher", ListServices(), run=group.place.run).services}

    assert services["reporter"].state is ServiceState.READY
    assert said == ["INFO reporter: ready"]


def test_it_answers_ping_and_stats_and_a_method_of_its_own(group: NodeGroup) -> None:
    pong = client.ask("reporter", Ping(), run=group.place.run)
    stats = client.ask("reporter", GetStats(), run=group.place.run)
    caller = ScriptCaller(group.place)
    body, _ = caller.call("reporter", "reporter.counts", codec.encode({}), 5.0)
    with pytest.raises(RefusedError) as refused:
        caller.call("reporter", "toString", codec.encode({}), 5.0)
    caller.close()

    assert (pong.name, stats.name, msgspec.msgpack.decode(body)) == ("reporter", "reporter", stats.counters)
    assert refused.value.code == "unknown_method"
    assert "reporter.counts" in str(refused.value)


def test_its_finding_with_a_whole_number_is_read_where_a_float_is_declared(group: NodeGroup) -> None:
    bus = SocketBus("t-find", place=group.place)
    found: list[Finding] = []
    bus.on(Finding, found.append)
    number = iter(range(1, 1_000))
    bus.every(0.05, lambda: bus.publish(seen_object(next(number))))

    turn_until(bus, lambda: found)
    bus.close()

    assert (found[0].processor, found[0].camera, found[0].label) == ("reporter", "front", "objects")
    assert isinstance(found[0].value, float)
    assert found[0].captured_at_s == 2.0


def test_it_takes_a_job_beats_and_its_file_has_its_name_when_the_job_has_succeeded(group: NodeGroup) -> None:
    job = group.await_job(group.submit(camera="yard"), JobState.SUCCEEDED)

    assert json.loads((group.folder.data / "exports" / "reports" / "yard.json").read_text()) == {
        "camera": "yard",
        "objects": 0,
    }
    assert job.percent == 100.0
    assert list((group.folder.data / "exports").rglob(".*.part")) == []


def test_a_job_that_it_cannot_do_fails_with_the_reason(group: NodeGroup) -> None:
    job = group.await_job(group.submit(camera="../up"), JobState.FAILED)

    assert job.error is not None
    assert job.error.message == "params.camera is no camera's name"


def test_progress_comes_with_the_beats_and_a_cancelled_job_stops_soon(group: NodeGroup) -> None:
    job_id = group.submit(steps=600, step_ms=50)
    wait_until(lambda: group.job(job_id).step == "counting", "progress")

    client._ask(group.place, "dispatcher", CancelJob(id=job_id), 5.0)

    job = group.await_job(job_id, JobState.CANCELLED)
    assert 0.0 < job.percent < 90.0


def test_a_job_goes_on_in_the_next_life_when_the_plugin_is_killed_in_its_middle(group: NodeGroup) -> None:
    job_id = group.submit(camera="killed", steps=20, step_ms=100)
    group.await_job(job_id, JobState.RUNNING)

    client._ask(group.place, "launcher", KillService(name="reporter"), 5.0)

    job = group.await_job(job_id, JobState.SUCCEEDED)
    assert job.attempt <= 2
    assert (group.folder.data / "exports" / "reports" / "killed.json").exists()


def test_a_repeat_of_a_request_is_given_the_answer_that_was_kept(group: NodeGroup) -> None:
    import zmq

    head = RequestHead(v=1, id=bytes(range(16)), method="reporter.counts", deadline_s=5.0, src="test")
    answers = []
    with zmq.Context() as context:
        for body in ({}, {"other": "the id alone decides"}):
            with context.socket(zmq.REQ) as req:
                req.linger = 0
                req.connect(group.place.door("reporter"))
                req.send_multipart([codec.encode(head), codec.encode(body)])
                assert req.poll(5_000)
                answers.append(req.recv_multipart())
        with context.socket(zmq.REQ) as req:
            req.linger = 0
            req.connect(group.place.door("reporter"))
            req.send_multipart([b"\xc1 junk", b""])
            assert req.poll(5_000)
            junk = [msgspec.msgpack.decode(frame) for frame in req.recv_multipart()]

    assert answers[0] == answers[1]
    assert (junk[0]["ok"], junk[0]["id"], junk[1]["code"]) == (False, b"", "bad_request")


def test_the_watcher_has_the_boards_from_before_it_came_and_sees_objects_and_moves(group: NodeGroup) -> None:
    group.await_job(group.submit(camera="yard"), JobState.SUCCEEDED)
    bus = SocketBus("t-watch", place=group.place)
    bus.every(0.1, lambda: bus.publish(seen_object()))

    watcher = group.folder.start("node", NODE / "watch.mjs")
    watcher.wait_for("report: ")
    turn_until_said(bus, watcher, "front: moving o1 start 3x4 at 1,2 (100 %)")
    job_id = group.submit(camera="yard")
    watcher.wait_for(f"{job_id[-4:]} succeeded")
    bus.close()

    assert watcher.stop() == 0


def turn_until_said(bus: SocketBus, program: Program, text: str) -> None:
    import threading

    said = threading.Event()

    def wait() -> None:
        program.wait_for(text)
        said.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    turn_until(bus, said.is_set)
    waiting.join()


def test_a_client_in_node_gives_up_at_its_deadline_when_nobody_answers(group: NodeGroup) -> None:
    code = (
        f"import {{ ask }} from '{NODE}/bus.mjs';"
        "const begun = performance.now();"
        "await ask('nobody', 'ping', {}, { deadlineS: 0.5 }).catch((error) => console.log(error.code));"
        "console.log(Math.round((performance.now() - begun) / 100) / 10);"
    )

    program = group.folder.start("node", "--input-type=module", "-e", code)

    assert program.wait() == 0, program.said
    assert program.said[0] == "deadline"
    assert 0.4 <= float(program.said[1]) < 2.0


def test_without_a_run_folder_the_programs_say_so_in_one_line() -> None:
    done = subprocess.run(
        ["node", str(NODE / "watch.mjs")],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20.0,
    )

    assert done.returncode == 64
    assert done.stderr.splitlines() == [
        "FRAMEBUS_RUN is not set: the folder of the group's sockets; framebus check prints it"
    ]

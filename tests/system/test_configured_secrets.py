"""P24: a password in whichever field of the configuration, or in the error of a job, is seen by nobody else."""

import stat
import subprocess
import sys

import msgspec

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.requests import JobFailed, LeaseJob
from framebus_launcher.client import GroupClient
from groups import FRAMEBUS, SYNTHETIC, RunningGroup, processes_of, running_group
from services.dispatcher.processes import Group, group

__all__ = ["group"]

CANARY = "c4nary-p4ss"


ADDRESS = f"rtsp://viewer:{CANARY}@10.0.0.5/1"
PLUGIN = """
import json, os, sys, time
from framebus.notify import Notifier
settings = json.load(open(os.environ["FRAMEBUS_SETTINGS"]))
notifier = Notifier()
print("WARNING cannot open", settings["upload_to"], "nor", os.environ["CAMERA"], flush=True)
notifier.send("READY=1", "WATCHDOG=1", "STATUS=uploads to " + settings["upload_to"])
while True:
    notifier.send("WATCHDOG=1")
    time.sleep(1.0)
"""


CONFIG: dict[str, object] = {
    "cameras": {
        "front": SYNTHETIC,
        "nobody": {"source": f"rtsp://viewer:{CANARY}@127.0.0.1:9/stream?token={CANARY}"},
        "small": {**SYNTHETIC, "detect": {"source": f"rtsp://viewer:{CANARY}@127.0.0.1:9/small"}},
    },
    "services": {
        "uploader": {
            "command": [sys.executable, "-c", PLUGIN],
            "env": {"CAMERA": ADDRESS},
            "settings": {"upload_to": f"https://user:{CANARY}@example.com/?token={CANARY}"},
        }
    },
}
HEARD = {
    *(f"camera/{name}/" for name in ("front", "nobody", "small")),
    *(f"service/{name}/" for name in ("capture@nobody", "uploader", "dispatcher")),
    *(f"stats/{name}/" for name in ("capture@nobody", "capture@small", "enrich", "export", "dispatcher")),
}


def test_a_password_in_any_field_shows_nowhere_but_in_the_settings_of_who_needs_it() -> None:
    with running_group(CONFIG) as group:
        group.await_ready()

        said = group.all_said(HEARD)
        answers = answers_of(group)
        pids = ",".join(str(process.pid) for process in [*processes_of(group.place), group.process])
        listed = subprocess.run(["ps", "-ww", "-o", "comm,args", "-p", pids], capture_output=True, timeout=20.0)
        status = subprocess.run(
            [FRAMEBUS, "status", "--json", "--run", str(group.place.run)], capture_output=True, timeout=20.0
        )
        holding = group.files_holding(CANARY.encode())
        shown = said + answers + status.stdout + status.stderr

        assert str(group.file).encode() in listed.stdout
        assert CANARY.encode() not in listed.stdout
        assert CANARY.encode() not in shown
        assert {path.parent.name for path in holding} == {"settings"}
        assert {path.stem for path in holding} == {"capture@nobody", "capture@small", "uploader"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}
        assert {stat.S_IMODE(path.parent.stat().st_mode) for path in holding} == {0o700}
        assert stat.S_IMODE(group.place.run.stat().st_mode) == 0o700
        assert "WARNING cannot open https://***@example.com/" in group.log.read_text()


def answers_of(group: RunningGroup) -> bytes:
    """What services answer that know an address, errors included."""
    told = b""
    questions: list[tuple[str, str, dict[str, object]]] = [
        ("launcher", "service.list", {}),
        ("launcher", "service.start", {"name": ADDRESS}),
        ("launcher", "config.get", {}),
        ("dispatcher", "state.get", {"prefix": ""}),
        ("dispatcher", "job.submit", {"type": "export", "params": {"camera": ADDRESS, "start": 1.0, "end": 2.0}}),
        ("dispatcher", "job.submit", {"type": "export", "params": {"camera": "front", "start": ADDRESS, "end": 2.0}}),
        ("export", "export.plan", {"camera": ADDRESS, "start": 1.0, "end": 2.0}),
        *((f"capture@{name}", method, {}) for name in ("front", "nobody", "small") for method in ("stats", "ping")),
        ("capture@nobody", "capture.snapshot", {}),
    ]
    with GroupClient(group.place.run) as client:
        for service, method, body in questions:
            try:
                told += client.ask_raw(service, method, codec.encode(body))[0]
            except RefusedError as error:
                told += repr((error.message, error.details)).encode()
    return told


def test_a_password_in_the_error_of_a_job_shows_in_no_view_story_news_row_or_log(group: Group) -> None:
    group.start()
    group.wait_ready()
    ear = group.hear("")
    ear.hear_until(lambda: ear.boards)
    ends = [
        ("no_source", f"cannot open {ADDRESS}", {}),
        ("permanent", "x" * 440 + f" cannot open {ADDRESS}", {}),
        ("permanent", f"bad token ?token={CANARY}&x=1", {"code": "bad_request"}),
        ("crash", f"died at {ADDRESS}", {"signal": 11, "log_tail": [f"opens {ADDRESS}", "Segmentation fault"]}),
    ]
    ids = []
    for kind, text, more in ends:
        ids.append(group.submit().id)
        job = group.ask(LeaseJob(types=["mine"], worker="worker", incarnation=1)).job
        assert job is not None
        group.ask(msgspec.convert({"id": job.id, "fence": job.fence, "kind": kind, "message": text, **more}, JobFailed))
    views = [group.job(job_id) for job_id in ids]
    asked = [("job.story", {"id": job_id}) for job_id in ids] + [("job.list", {})]
    told = repr(views).encode()
    for method, body in asked:
        try:
            told += group.caller.call("dispatcher", method, codec.encode(body), 5.0)[0]
        except RefusedError as error:
            assert error.code is ErrorCode.UNKNOWN_METHOD  # noqa: PT017

    ear.hear_until(lambda: {view.id for view in ear.jobs if view.error is not None} == set(ids))
    said = b"".join(news.body for news in ear.news)
    group.kill()
    ledger = b"".join(path.read_bytes() for path in group.place.data.rglob("*") if path.is_file())

    assert all(view.error is not None for view in views)
    assert b"***@10.0.0.5" in told
    for where, found in {"answers": told, "news": said, "ledger": ledger, "log": group.log.encode()}.items():
        assert CANARY.encode() not in found, where

"""The commands about jobs as a user types them, against a group that runs."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import TypeVar

import pytest
from msgspec import Raw

from clips import probe
from commands import command, framebus
from framebus import codec
from framebus.messages import Message
from framebus.requests import CancelJob, FailKind, JobFailed, LeaseJob, Request, SubmitJob
from framebus_launcher.client import GroupClient
from groups import FRAMEBUS, SYNTHETIC, RunningGroup, running_group, wait_until

A = TypeVar("A", bound=Message)


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    config = {"cameras": {"front": SYNTHETIC}, "jobs": {"mine": {"max_running": 1}}}
    with running_group(config) as running:
        running.await_ready()
        running.await_online()
        running.await_segments(2)
        yield running


def waiting_job(group: RunningGroup, priority: int = 0) -> str:
    """The id of a job that no worker takes."""
    return ask(group, SubmitJob(type="mine", params=Raw(codec.encode({})), priority=priority)).id


def ask(group: RunningGroup, request: Request[A]) -> A:
    """What needs no command of its own to be shown."""
    with GroupClient(group.place.run) as client:
        return client.ask("dispatcher", request, 10.0)


def cancel(group: RunningGroup, *ids: str) -> None:
    for job_id in ids:
        ask(group, CancelJob(id=job_id))


def test_an_export_is_accepted_and_watched_to_its_end(group: RunningGroup) -> None:
    job = json.loads(framebus(group, "export", "front", "--last", "3s", "--json"))

    text = framebus(group, "watch", job["id"][:8])

    assert "succeeded" in text
    shown = json.loads(framebus(group, "jobs", job["id"], "--json"))
    clip = next(name for name in shown["result"]["files"] if name.endswith(".mp4"))
    found = probe(group.place.data / "exports" / clip)
    assert 15 <= found.frames <= 45  # 3 s at 10 fps, up to 1 s earlier, and without the last fragment


def test_a_job_of_a_declared_type_waits_and_can_be_cancelled_and_retried(group: RunningGroup) -> None:
    accepted = json.loads(framebus(group, "submit", "mine", "camera=front", "speed=2", "--name", "mine", "--json"))

    assert accepted["state"] == "queued"
    first, again = (framebus(group, "cancel", accepted["id"]) for _ in range(2))
    assert "cancelled" in first
    assert "nothing was stopped" not in first
    assert "had ended before: nothing was stopped" in again
    framebus(group, "watch", accepted["id"], expect=75)
    assert "accepted" in framebus(group, "retry", accepted["id"])
    assert accepted["id"][:4] in framebus(group, "jobs", "--type", "mine")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "nobody", "--last", "5s"), ("not_found", "front")),
        (("export", "front", "--from", "2001-01-01T00:00:00", "--to", "2001-01-01T00:00:10"), ("no_source",)),
        (("watch", "xyz"), ("bad_request", "0 to 9")),
        (("submit", "nothing"), ("unknown_type", "export", "mine")),
        (("submit", "export", "camera=front", "begin=1"), ("bad_request", "begin")),
        (("jobs", "ffffffff"), ("not_found",)),
        (("call", "dispatcher", "job.nix"), ("unknown_method", "job.submit")),
        (("stop", "nobody"), ("not_found",)),
        (("call", "nobody", "ping"), ("not_found", "capture@front", "dispatcher")),
    ],
)
def test_what_cannot_be_done_is_refused_with_code_and_reason(
    group: RunningGroup, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    text = framebus(group, *arguments, expect=1)

    assert all(word in text for word in words), text


def test_watch_without_a_job_follows_all_of_them(group: RunningGroup) -> None:
    watch = subprocess.Popen([FRAMEBUS, "watch", "--run", str(group.place.run)], stdout=subprocess.PIPE, text=True)
    assert watch.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(watch.stdout or []), daemon=True)
    reader.start()
    now_s = time.time()

    job = group.submit(now_s - 2.0, now_s)

    wait_until(lambda: any(job.id[:4] in line and "succeeded" in line for line in lines), "the end is shown")
    watch.terminate()
    watch.wait(5.0)
    reader.join(5.0)
    watch.stdout.close()


def test_an_export_with_watch_ends_with_the_clip(group: RunningGroup) -> None:
    text = framebus(group, "export", "front", "--last", "2s", "--allow-gaps", "--watch")

    assert "accepted" in text
    assert text.splitlines()[-1].endswith(".mp4")


def test_the_options_of_an_export_reach_the_service_as_parameters(group: RunningGroup) -> None:
    done = command(group, "export", "front", "--last", "2s", "--preset", "no-such-preset")

    assert done.returncode == 1
    assert "preset" in done.stderr or "mode" in done.stderr


def test_an_export_that_contradicts_itself_is_one_line_and_ends_with_64(group: RunningGroup) -> None:
    done = command(group, "export", "front", "--last", "5s", "--from", "1")

    assert done.returncode == 64
    assert done.stderr.startswith("error: give either --last 60s, or --from and --to, not both")
    assert len(done.stderr.splitlines()) == 1


def test_a_job_is_found_by_the_digits_that_the_list_shows_and_by_its_last_ones(group: RunningGroup) -> None:
    job_id = waiting_job(group)
    line = next(line for line in framebus(group, "jobs", "--type", "mine").splitlines() if "queued" in line)
    shown = line.split()[0]

    assert job_id.startswith(shown)
    for digits in (shown, job_id[-8:], job_id.upper()):
        assert json.loads(framebus(group, "jobs", digits, "--json"))["id"] == job_id
    cancel(group, job_id)


def test_digits_of_two_jobs_are_refused_with_digits_that_tell_them_apart(group: RunningGroup) -> None:
    ids = ["0aaaaaaa" + 23 * "0" + last for last in "12"]
    for job_id in ids:
        ask(group, SubmitJob(type="mine", params=Raw(codec.encode({})), id=job_id))

    text = framebus(group, "jobs", "0aaaaaaa", expect=1)

    assert all(job_id in text for job_id in ids)
    cancel(group, *ids)
    listed = framebus(group, "jobs", "--type", "mine")
    assert all(job_id in listed for job_id in ids)


def test_waiting_jobs_show_their_place_in_line(group: RunningGroup) -> None:
    ids = [waiting_job(group) for _ in range(2)]

    listed = wait_until(
        lambda: text if "number 2 in line" in (text := framebus(group, "jobs", "--state", "queued")) else None,
        "the board tells both",
    )

    assert "number 1 in line" in listed
    cancel(group, *ids)


def test_several_jobs_are_cancelled_at_once_and_a_wrong_one_hinders_no_other(group: RunningGroup) -> None:
    ids = [waiting_job(group) for _ in range(2)]

    done = command(group, "cancel", ids[0], "0123456789abcdef", ids[1])

    assert done.returncode == 1
    assert done.stdout.count("cancelled") == 2
    assert "0123456789abcdef" in done.stderr


def test_cancel_wants_jobs_or_a_case(group: RunningGroup) -> None:
    assert "--case" in framebus(group, "cancel", expect=64)
    assert "--case" in framebus(group, "cancel", "7f3a", "--case", "x", expect=64)


def test_a_failed_job_ends_watch_with_1_and_its_reason_is_the_last_line_of_its_errors(group: RunningGroup) -> None:
    job_id = waiting_job(group, priority=100)  # before what other tests left in line
    leased = ask(group, LeaseJob(types=["mine"], worker="tester", incarnation=1, wait_s=0.0)).job
    assert leased is not None
    assert leased.id == job_id
    fail = JobFailed(id=job_id, fence=leased.fence, kind=FailKind.PERMANENT, message="the paper is out")
    ask(group, fail)

    done = command(group, "watch", job_id)

    assert done.returncode == 1
    assert "the paper is out" in done.stderr.splitlines()[-1]
    assert "the paper is out" in framebus(group, "jobs", "--state", "failed")


def test_retry_says_the_new_id_and_watch_follows_it(group: RunningGroup) -> None:
    old = json.loads(framebus(group, "export", "front", "--last", "2s", "--allow-gaps", "--json"))["id"]
    wait_until(lambda: group.jobs()[old].state.value == "succeeded", "the clip is there")

    text = framebus(group, "retry", old, "--watch")

    assert f"{old[:4]}" in text
    new = next(job for job in group.jobs().values() if job.retry_of == old)
    assert text.startswith(f"job {new.id[:4]}")
    assert "succeeded" in text.splitlines()[-1]


def test_ctrl_c_in_watch_says_that_the_job_goes_on(group: RunningGroup) -> None:
    job_id = waiting_job(group)
    watch = subprocess.Popen(
        [FRAMEBUS, "watch", job_id, "--run", str(group.place.run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watch.stdout is not None
    assert "queued" in watch.stdout.readline()

    watch.send_signal(signal.SIGINT)
    _, said = watch.communicate(timeout=10.0)

    assert watch.returncode == 130
    assert "the job goes on" in said
    assert "Traceback" not in said
    cancel(group, job_id)


def test_a_batch_with_wrong_lines_is_refused_whole_with_each_line(group: RunningGroup) -> None:
    done = command(group, "submit", "mine", "--batch", "-", stdin='{"params": {}}\n{"prams": {}}\nnonsense\n')

    assert done.returncode == 64
    assert "line 2" in done.stderr
    assert "line 3" in done.stderr
    assert "line 1" not in done.stderr

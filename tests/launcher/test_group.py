"""The launcher's loop with real processes: start, death, hang, crash loop, stop."""

import json
import os
import signal
import socket
import stat
import struct

import pytest

from framebus.messages import ServiceState
from framebus_launcher.group import NO_DISPATCHER
from framebus_launcher.table import Row
from launcher.trial import GOOD, MUTE, READY, SPEAKER, STUBBORN, Trial, is_running

WAIT_FOR_FILE = """
while not os.path.exists(os.environ["FRAMEBUS_DATA"] + "/go"):
    time.sleep(0.01)
"""
WAITS_FOR_FILE = SPEAKER + WAIT_FOR_FILE + 'notifier.send("READY=1")\nbeat_for_ever()\n'


def test_a_tier_starts_only_when_the_one_before_is_ready(trial: Trial) -> None:
    trial.start(trial.row("dispatcher", WAITS_FOR_FILE, tier=0), trial.row("export", GOOD, tier=1))

    trial.until(lambda: trial.status("dispatcher").pid is not None)
    waiting = trial.status("export")
    (trial.place.data / "go").touch()
    trial.until_ready("dispatcher", "export")

    assert waiting.pid is None
    told = [(status.name, status.state) for status in trial.statuses]
    assert told.index(("dispatcher", ServiceState.READY)) < told.index(("export", ServiceState.READY))


def test_services_of_one_tier_start_side_by_side(trial: Trial) -> None:
    trial.start(trial.row("one", WAITS_FOR_FILE), trial.row("two", WAITS_FOR_FILE))

    trial.until(lambda: trial.status("one").pid is not None and trial.status("two").pid is not None)
    (trial.place.data / "go").touch()

    trial.until_ready("one", "two")


def test_a_service_that_failed_once_does_not_hold_up_the_cameras(trial: Trial) -> None:
    trial.start(trial.row("export", "raise SystemExit(1)", tier=1), trial.row("capture", GOOD, tier=2))

    trial.until_ready("capture", within_s=3.0)

    assert trial.state("export") is not ServiceState.READY


def test_a_killed_service_is_back_and_the_others_never_notice(trial: Trial) -> None:
    trial.start(trial.row("one", GOOD), trial.row("two", GOOD))
    trial.until_ready("one", "two")
    first, other = trial.status("one"), trial.pid("two")

    os.kill(trial.pid("one"), signal.SIGKILL)
    trial.until(lambda: trial.state("one") is not ServiceState.READY)
    took_s = trial.until_ready("one", within_s=2.0)

    second = trial.status("one")
    assert (second.restarts, second.signal, second.exit_code) == (1, signal.SIGKILL, None)
    assert second.incarnation > first.incarnation
    assert second.back_after_s == pytest.approx(took_s, abs=0.2)
    assert trial.pid("two") == other
    assert trial.history("one")[-4:] == ["ready", "restarting", "starting", "ready"]


def test_what_a_dead_service_left_in_its_group_dies_with_it(trial: Trial) -> None:
    leaves_a_child = "import subprocess\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)\n" + GOOD
    trial.start(trial.row("one", leaves_a_child))
    trial.until_ready("one")
    trial.until(lambda: bool(trial.lines))
    grandchild = int(trial.lines_of("one")[0])

    os.kill(trial.pid("one"), signal.SIGKILL)

    trial.until(lambda: not is_running(grandchild), within_s=2.0)


def test_a_busy_loop_and_a_stopped_process_are_replaced_within_seven_seconds(trial: Trial) -> None:
    hangs_once = """
import faulthandler
faulthandler.enable()
first = not os.path.exists(os.environ["FRAMEBUS_DATA"] + "/hung")
open(os.environ["FRAMEBUS_DATA"] + "/hung", "w").close()
def spin_for_ever():
    while True:
        pass
spin_for_ever() if first else beat_for_ever()
"""
    trial.start(trial.row("busy", READY + hangs_once), trial.row("frozen", GOOD), trial.row("good", GOOD))
    trial.until_ready("busy", "frozen", "good")
    good = trial.pid("good")

    os.kill(trial.pid("frozen"), signal.SIGSTOP)
    trial.until(lambda: trial.status("busy").restarts == trial.status("frozen").restarts == 1, within_s=7.0)
    trial.until_ready("busy", "frozen", within_s=1.0)

    assert "spin_for_ever" in "\n".join(trial.lines_of("busy"))
    assert trial.status("busy").signal == signal.SIGABRT
    assert trial.status("frozen").signal == signal.SIGKILL
    assert trial.history("frozen")[1:] == ["ready", "suspected", "restarting", "starting", "ready"]
    assert trial.pid("good") == good


def test_a_crash_loop_opens_the_breaker_and_the_others_go_on(trial: Trial) -> None:
    trial.start(trial.row("bad", "print('ERROR no luck')\nraise SystemExit(1)"), trial.row("good", GOOD))

    trial.until(lambda: trial.state("bad") is ServiceState.BROKEN)

    status = trial.status("bad")
    assert status.restarts == 4
    assert "exit code 1 (no luck): 5 early deaths in 30 s; tried again every 60 s" in status.reason
    assert status.log_tail == ["ERROR no luck"] * 5
    trial.until_ready("good")
    assert trial.status("good").restarts == 0


@pytest.mark.parametrize("code", [64, 77, 78])
def test_an_exit_that_a_restart_would_repeat_is_not_repeated(trial: Trial, code: int) -> None:
    trial.start(trial.row("wrong", f"raise SystemExit({code})"))

    trial.until(lambda: trial.state("wrong") is ServiceState.BROKEN)

    status = trial.status("wrong")
    assert (status.restarts, status.exit_code) == (0, code)
    assert "framebus start wrong" in status.reason


def test_a_program_that_does_not_exist_is_broken_with_a_reason(trial: Trial) -> None:
    trial.start(Row(name="plugin", tier=3, argv=("/nonexistent/program",)))

    trial.until(lambda: trial.state("plugin") is ServiceState.BROKEN)

    assert trial.status("plugin").log_tail == [
        "ERROR /nonexistent/program cannot be started: No such file or directory"
    ]


def test_a_program_that_knows_no_notices_is_ready_after_a_second(trial: Trial) -> None:
    trial.start(trial.row("plugin", MUTE, notify=False))

    took_s = trial.until_ready("plugin")

    assert took_s == pytest.approx(1.0, abs=0.5)


def test_a_service_that_is_never_ready_is_replaced(trial: Trial) -> None:
    trial.start(trial.row("slow", "import faulthandler\nfaulthandler.enable()\n" + MUTE, ready_s=0.3))

    trial.until(lambda: trial.status("slow").restarts == 1)

    restarting = next(status for status in trial.statuses if status.state is ServiceState.RESTARTING)
    assert restarting.reason == "not ready within 0.3 s, killed by SIGABRT"


def test_without_a_dispatcher_at_the_start_the_group_ends_with_three(trial: Trial) -> None:
    group = trial.make(trial.row("dispatcher", "raise SystemExit(1)", tier=0), trial.row("export", GOOD))

    code = group.run()

    assert code == NO_DISPATCHER == 3
    assert trial.history("export") == ["starting", "stopped"]


def test_a_dispatcher_that_breaks_later_leaves_the_others_up(trial: Trial) -> None:
    fails_second = READY + (
        "first = not os.path.exists(__file__ + '.was')\n"
        "open(__file__ + '.was', 'w').close()\n"
        "beat_for_ever() if first else sys.exit(78)\n"
    )
    group = trial.start(trial.row("dispatcher", fails_second, tier=0), trial.row("capture", GOOD))
    trial.until_ready("dispatcher", "capture")

    os.kill(trial.pid("dispatcher"), signal.SIGKILL)
    trial.until(lambda: trial.state("dispatcher") is ServiceState.BROKEN)

    assert trial.state("capture") is ServiceState.READY
    assert not group.is_over


def test_strangers_and_their_forged_notices_are_ignored(trial: Trial) -> None:
    group = trial.start(trial.row("waits", WAITS_FOR_FILE))
    trial.until(lambda: trial.status("waits").pid is not None)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.connect(str(trial.place.run / "notify"))
        forged = struct.pack("3i", os.getpid(), os.getuid(), os.getgid())
        stranger.send(b"READY=1")
        stranger.sendmsg([b"READY=1"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, forged)])
    trial.until(lambda: group.bus.stats.counters.get("notices.stranger") == 2)

    assert trial.state("waits") is ServiceState.STARTING


def test_a_notice_from_a_child_of_the_child_counts(trial: Trial) -> None:
    by_a_helper = """
import subprocess, sys, time
helper = "from framebus.notify import Notifier; Notifier().send('READY=1')\\nimport time; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", helper])
time.sleep(600)
"""
    trial.start(trial.row("one", by_a_helper))

    trial.until_ready("one")


def test_a_child_is_told_all_that_the_protocol_promises(trial: Trial) -> None:
    tells = """
import json, os
section = open(os.environ["FRAMEBUS_SETTINGS"]).read()
print(json.dumps({**os.environ, "pid": os.getpid(), "section": section}))
"""
    row = trial.row("one", tells + GOOD)
    trial.start(Row(name="one", tier=1, argv=row.argv, section=b'{"a": 1}', env={"MINE": "yes"}))
    trial.until_ready("one")
    trial.until(lambda: bool(trial.lines))

    told = json.loads("".join(trial.lines_of("one")))

    assert told["FRAMEBUS_NAME"] == "one"
    assert told["FRAMEBUS_INCARNATION"] == str(trial.status("one").incarnation)
    assert told["FRAMEBUS_REQ"] == trial.place.req
    assert (told["WATCHDOG_USEC"], told["WATCHDOG_PID"]) == ("3000000", str(told["pid"]))
    assert (told["section"], told["MINE"]) == ('{"a": 1}', "yes")
    assert stat.S_IMODE(os.stat(told["FRAMEBUS_SETTINGS"]).st_mode) == 0o600


def test_a_child_has_its_limits_its_session_and_no_input(trial: Trial) -> None:
    tells = """
import os, resource, sys
files, core = (resource.getrlimit(what)[0] for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE))
descriptors = len(os.listdir("/proc/self/fd")) - 1
print(files, core, os.nice(0), os.getsid(0) == os.getpid(), sys.stdin.read() == "", descriptors)
"""
    row = trial.row("one", tells + GOOD)
    trial.start(Row(name="one", tier=1, argv=row.argv, nice=3))
    trial.until_ready("one")
    trial.until(lambda: bool(trial.lines))

    assert trial.lines_of("one") == [f"4096 0 {os.nice(0) + 3} True True 3"]


def test_passwords_leave_neither_in_lines_nor_in_a_status(trial: Trial) -> None:
    leaks = "print('WARNING cannot open rtsp://viewer:canary@10.0.0.5/1', flush=True)\n"
    says = "notifier.send('STATUS=tries rtsp://viewer:canary@10.0.0.5/1')\n"
    trial.start(trial.row("one", SPEAKER + leaks + says + WAIT_FOR_FILE + "sys.exit(78)\n"))

    trial.until(lambda: any("tries rtsp://***@10.0.0.5/1" in status.reason for status in trial.statuses))
    (trial.place.data / "go").touch()
    trial.until(lambda: trial.state("one") is ServiceState.BROKEN)

    assert trial.lines_of("one") == ["WARNING cannot open rtsp://***@10.0.0.5/1"]
    assert "canary" not in repr(trial.statuses)


def test_stubborn_services_are_gone_within_eight_seconds(trial: Trial) -> None:
    trial.start(trial.row("one", STUBBORN, tier=1), trial.row("two", STUBBORN, tier=2))
    trial.until_ready("one", "two")
    pids = [trial.pid("one"), trial.pid("two")]

    took_s = trial.until_over()

    assert took_s <= 8.0
    assert not any(map(is_running, pids))
    assert trial.history("one")[-1] is ServiceState.STOPPED


def test_a_stop_is_in_reverse_order_and_leaves_no_file(trial: Trial) -> None:
    says_goodbye = READY + "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nbeat_for_ever()\n"
    trial.start(*(trial.row(name, says_goodbye, tier=tier) for tier, name in enumerate(("dispatcher", "a", "b"))))
    trial.until_ready("dispatcher", "a", "b")
    (trial.place.shm / "front.1.ring").touch()

    trial.until_over()
    trial.close()
    trial.group = None

    stopped = [status.name for status in trial.statuses if status.state is ServiceState.STOPPED]
    assert stopped == ["b", "a", "dispatcher"]
    assert [path.name for path in trial.place.run.iterdir()] == ["lock"]
    assert not trial.place.shm.exists()


def test_rings_of_an_earlier_group_are_removed_and_nothing_else(trial: Trial) -> None:
    trial.place.shm.mkdir()
    for name in ("front.1.ring", ".front.2.ring.abc.tmp", "letter.txt"):
        (trial.place.shm / name).touch()

    trial.start(trial.row("one", GOOD))

    assert [path.name for path in trial.place.shm.iterdir()] == ["letter.txt"]


def test_a_run_folder_where_others_may_write_is_refused(trial: Trial) -> None:
    trial.place.run.mkdir()
    trial.place.run.chmod(0o777)

    with pytest.raises(PermissionError, match="others may write"):
        trial.start(trial.row("one", GOOD))

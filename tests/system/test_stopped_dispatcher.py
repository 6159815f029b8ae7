"""Where the dispatcher is stopped, the launcher can still be asked: that is how it is started again."""

import json
import subprocess

from framebus.messages import ServiceState
from groups import FRAMEBUS, RunningGroup, running_group


def framebus(group: RunningGroup, *words: str) -> subprocess.CompletedProcess[str]:
    command = [FRAMEBUS, *words, "--run", str(group.place.run)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60.0)


def test_a_stopped_dispatcher_is_seen_and_started_by_the_command_line() -> None:
    with running_group({"services": {"enrich": False, "export": False}}) as group:
        group.await_ready()

        stopped = framebus(group, "stop", "dispatcher")
        has_news = (group.place.run / "sub").exists()
        asked = framebus(group, "jobs")
        status = framebus(group, "status", "--json")
        started = framebus(group, "start", "dispatcher")

        assert stopped.returncode == 0, stopped.stderr
        assert stopped.stdout.startswith("dispatcher stopped\n")
        assert not has_news
        assert (asked.returncode, "dispatcher is stopped; framebus start dispatcher" in asked.stderr) == (69, True)
        assert json.loads(status.stdout)["services"][0]["state"] == "stopped", status.stderr
        assert "cameras: " in status.stderr
        assert (started.returncode, started.stdout) == (0, "dispatcher ready\n"), started.stderr
        assert group.services()["dispatcher"].state is ServiceState.READY

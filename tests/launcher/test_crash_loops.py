"""A service that dies again and again is contained: tried less and less often, and it costs the others nothing."""

from itertools import pairwise

import pytest

from framebus.messages import ServiceState
from framebus.place import Place
from framebus.settings import Settings
from framebus_launcher.group import Group
from framebus_launcher.liveness import SUSPECT_S
from launcher.trial import GOOD, READY, Trial

WALL = "import time\nprint('began', time.time(), flush=True)\n"
DIES_AT_ONCE = WALL + "raise SystemExit(1)\n"
DIES_AFTER_A_SECOND = WALL + READY + "time.sleep(1.0)\nraise SystemExit(1)\n"


@pytest.mark.parametrize(("code", "lives_s", "within_s"), [(DIES_AT_ONCE, 0.0, 15.0), (DIES_AFTER_A_SECOND, 1.0, 29.0)])
def test_five_early_deaths_open_the_breaker_after_longer_and_longer_waits(
    trial: Trial, code: str, lives_s: float, within_s: float
) -> None:
    trial.group = Group(  # as a user has it, and not as quick as tests like it
        Settings(),
        Place.at(trial.folder / "run", data=trial.folder / "data", shm=trial.folder / "shm"),
        rows=[trial.row("bad", code), trial.row("good", GOOD)],
        on_change=trial.statuses.append,
        on_line=lambda name, line: trial.lines.append((name, line)),
    )
    trial.group.open()
    trial.until_ready("good")
    good = trial.pid("good")

    trial.until(lambda: trial.state("bad") is ServiceState.BROKEN, within_s)

    began = [float(line.split()[1]) for line in trial.lines_of("bad")]
    waits = [after - before - lives_s for before, after in pairwise(began)]
    assert len(began) == 5
    assert all(wait_s >= 0.8 * 0.1 * 2**number for number, wait_s in enumerate(waits)), waits
    status = trial.status("bad")
    assert (status.restarts, status.pid) == (4, None)
    assert "5 early deaths in 30 s; tried again every 60 s" in status.reason
    assert status.log_tail[0].startswith("began")
    assert trial.pid("good") == good
    assert trial.history("good")[-1] is ServiceState.READY
    assert ServiceState.SUSPECTED not in trial.history("good"), f"it missed beats for {SUSPECT_S} s"

"""The launcher on the bus: what it answers, what it publishes, and how the dispatcher hears of deaths."""

import os
import signal

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import Message, ServiceState, ServiceStatus
from framebus.requests import GetLogs, KillService, ListServices, Ping, RestartService, StartService, StopService
from framebus.transport import Listener
from launcher.trial import GOOD, READY, Ask, Trial

DISPATCHER = """
from framebus.requests import Done, WorkerLost
from framebus.service import run

class Listens:
    def __init__(self, bus):
        bus.answer(WorkerLost, self.note)

    def note(self, lost):
        print("LOST", lost.worker, lost.incarnation, lost.signal, lost.by_us, lost.hung, lost.log_tail, flush=True)
        return Done()

raise SystemExit(run("dispatcher", Listens))
"""


def test_the_launcher_lists_and_answers_pings(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("one", GOOD), trial.row("two", GOOD))
    trial.until_ready("one", "two")

    listed, pong = asked(ListServices()), asked(Ping())

    assert [(status.name, status.state) for status in listed.services] == [("one", "ready"), ("two", "ready")]
    assert pong.pid == os.getpid()


def test_a_service_that_is_asked_to_stop_stays_stopped_until_asked_to_start(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("one", GOOD))
    trial.until_ready("one")

    asked(StopService(name="one"))
    trial.until(lambda: trial.history("one")[-1] is ServiceState.STOPPED)  # told, and not only so
    asked(StartService(name="one"))
    trial.until_ready("one")

    assert trial.history("one") == ["starting", "ready", "stopped", "starting", "ready"]
    assert trial.status("one").back_after_s is None


def test_a_service_that_is_asked_to_restart_has_a_new_process_and_no_crash(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("one", GOOD))
    trial.until_ready("one")
    first = trial.status("one")

    asked(RestartService(name="one"))
    trial.until(lambda: trial.status("one").incarnation > first.incarnation)
    trial.until_ready("one")

    assert trial.pid("one") != first.pid
    assert trial.status("one").restarts == 0
    assert trial.history("one") == ["starting", "ready", "starting", "ready"]


def test_a_broken_service_is_tried_at_once_when_asked(trial: Trial, asked: Ask) -> None:
    needs_a_file = READY + "beat_for_ever() if os.path.exists(__file__ + '.mended') else sys.exit(78)\n"
    row = trial.row("one", needs_a_file)
    trial.start(row)
    trial.until(lambda: trial.state("one") is ServiceState.BROKEN)

    (trial.folder / "one.py.mended").touch()
    asked(StartService(name="one"))

    trial.until_ready("one")


def test_an_unknown_service_is_refused_with_the_names_that_exist(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("one", GOOD))

    with pytest.raises(RefusedError, match="no service eno; there are one") as refused:
        asked(StopService(name="eno"))

    assert refused.value.code is ErrorCode.NOT_FOUND


def test_deaths_are_told_to_the_dispatcher_in_order_also_those_it_was_not_there_for(trial: Trial) -> None:
    trial.start(trial.row("dispatcher", DISPATCHER, tier=0), trial.row("one", "print('hi', flush=True)\n" + GOOD))
    trial.until_ready("dispatcher", "one")
    lives = []

    for victims in (["one"], ["dispatcher", "one"]):
        lives.append(trial.status("one").incarnation)
        for victim in victims:
            os.kill(trial.pid(victim), signal.SIGKILL)
        trial.until(lambda: trial.status("one").restarts == len(lives))
        trial.until_ready("dispatcher", "one")
    told = [f"LOST one {life} 9 False False {['hi'] * number}" for number, life in enumerate(lives, start=1)]
    trial.until(lambda: len([line for line in trial.lines_of("dispatcher") if "LOST" in line]) == 2)

    assert [line for line in trial.lines_of("dispatcher") if "LOST" in line] == told


def test_a_successor_does_not_wait_for_a_dispatcher_that_is_there(trial: Trial) -> None:
    trial.start(trial.row("dispatcher", DISPATCHER, tier=0), trial.row("one", GOOD))
    trial.until_ready("dispatcher", "one")

    os.kill(trial.pid("one"), signal.SIGKILL)
    trial.until(lambda: trial.status("one").restarts == 1)
    trial.until_ready("one")

    back_after_s = trial.status("one").back_after_s
    assert back_after_s is not None
    assert back_after_s < 5.0, "a start, and no waiting for answers"


def test_states_of_services_are_news_of_the_bus(trial: Trial) -> None:
    carries = DISPATCHER.replace("bus.answer(", "self.proxy = Proxy(bus.place)\n        bus.answer(").replace(
        "from framebus.service", "from framebus_services.dispatcher.proxy import Proxy\nfrom framebus.service"
    )
    trial.start(trial.row("dispatcher", carries, tier=0), trial.row("one", GOOD))
    trial.until_ready("dispatcher", "one")
    seen: list[Message] = []

    with Listener(trial.place, "service/one/") as listener:

        def hears() -> bool:
            seen.extend(news.decode() for news in listener.wait(0.0))
            return bool(seen)

        trial.until(hears)

    assert isinstance(seen[-1], ServiceStatus)
    assert (seen[-1].name, seen[-1].state, seen[-1].pid) == ("one", ServiceState.READY, trial.pid("one"))


def test_an_ordered_death_is_no_crash_no_back_off_and_not_counted(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("dispatcher", DISPATCHER, tier=0), trial.row("one", GOOD))
    trial.until_ready("dispatcher", "one")

    lives = []
    for _ in range(6):  # more early deaths than a breaker would bear
        lives.append(trial.status("one").incarnation)
        asked(KillService(name="one"))
        trial.until(lambda: trial.status("one").incarnation > lives[-1])
        trial.until_ready("one")
    trial.until(lambda: len([line for line in trial.lines_of("dispatcher") if "LOST" in line]) == len(lives))

    told = [f"LOST one {life} 9 True False []" for life in lives]
    assert [line for line in trial.lines_of("dispatcher") if "LOST" in line] == told
    assert trial.status("one").restarts == 0
    assert ServiceState.BROKEN not in trial.history("one")


def test_a_service_stopped_by_order_is_found_hanging_and_replaced_at_once(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("one", GOOD))
    trial.until_ready("one")
    first = trial.status("one").incarnation

    asked(KillService(name="one", signal=signal.SIGSTOP))
    trial.until(lambda: trial.status("one").incarnation > first, within_s=9.0)
    trial.until_ready("one")

    status = trial.status("one")
    assert (status.signal, status.restarts) == (signal.SIGKILL, 0)
    assert status.back_after_s is not None
    assert status.back_after_s > 5.0  # counted from the last beat, and not from the kill only


def test_who_does_not_run_cannot_be_killed(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("one", GOOD))
    trial.until_ready("one")

    with pytest.raises(RefusedError, match="no service two"):
        asked(KillService(name="two"))
    asked(StopService(name="one"))
    trial.until(lambda: trial.state("one") is ServiceState.STOPPED)

    with pytest.raises(RefusedError, match="one does not run now; it is stopped") as refused:
        asked(KillService(name="one"))
    assert refused.value.code is ErrorCode.CONFLICT


def test_logs_are_numbered_over_the_group_and_lose_nothing_for_who_asks_on(trial: Trial, asked: Ask) -> None:
    counts = "for number in range(300):\n    print('line', number, flush=True)\n"
    trial.start(
        trial.row("one", counts + GOOD), trial.row("two", "print('hi rtsp://u:canary@h/', flush=True)\n" + GOOD)
    )
    trial.until_ready("one", "two")
    trial.until(lambda: len(trial.lines) == 301)

    everything = asked(GetLogs(limit=500))
    last = asked(GetLogs(name="one", limit=3))
    after = everything.lines[0].number - 1
    pieces = []
    while piece := asked(GetLogs(after=after, limit=77)):
        pieces += piece.lines
        after = piece.next
        if not piece.lines:
            break

    numbers = [line.number for line in everything.lines]
    assert numbers == sorted(set(numbers))
    assert [line.text for line in everything.lines if line.name == "one"] == [f"line {n}" for n in range(100, 300)]
    assert [line.text for line in everything.lines if line.name == "two"] == ["hi rtsp://***@h/"]
    assert [line.text for line in last.lines] == ["line 297", "line 298", "line 299"]
    assert pieces == everything.lines
    with pytest.raises(RefusedError, match="no service three; there are launcher, one, two"):
        asked(GetLogs(name="three"))

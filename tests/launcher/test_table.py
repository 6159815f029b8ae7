"""The process table, the locks, the incarnations, and one member without a real process."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from framebus.errors import ConfigError
from framebus.group_here import find_launchers
from framebus.messages import ServiceState
from framebus.place import Place
from framebus.settings import Area, Camera, Detect, HttpSettings, JobSettings, Record, Restart, Settings
from framebus_launcher import table
from framebus_launcher.config import find_settings_problems
from framebus_launcher.incarnation import Incarnations
from framebus_launcher.lock import LockedError, lock_group
from framebus_launcher.member import Member
from framebus_launcher.notices import Notice
from framebus_launcher.process import Exit, RunningChild
from framebus_launcher.table import Row, make_table, rows_of_kinds
from framebus_launcher.tail import Tail

PLACE = Place.at(Path("/run/fb"), data=Path("/data"))
SETTINGS = Settings(
    timezone="Europe/Vienna",
    cameras={"front": Camera(source="synthetic://", detect=Detect(fps=10.0)), "back": Camera(source="a.mp4")},
    services={"counter": {"command": ["node", "counter.js"], "notify": False, "settings": {"a": 1}}},
    jobs={"transcribe": JobSettings(max_running=2)},
)


def test_the_table_has_a_row_for_each_service_camera_and_plug_in() -> None:
    rows = make_table(SETTINGS, PLACE)

    assert [(row.name, row.tier, row.nice) for row in rows] == [
        ("dispatcher", 0, 0),
        ("export", 1, 10),
        ("ingest", 3, 0),
        ("analysis", 3, 10),
        ("enrich", 1, 0),
        ("gateway", 2, 0),
        ("capture@front", 2, 0),
        ("capture@back", 2, 0),
        ("counter", 3, 0),
    ]
    assert rows[1].argv == (sys.executable, "-m", "framebus.run_jobs", "export")
    assert rows[6].argv == (sys.executable, "-m", "framebus_services.capture")
    assert (rows[8].argv, rows[8].notify) == (("node", "counter.js"), False)


def test_each_row_is_told_its_own_section() -> None:
    sections = {row.name: json.loads(row.section) for row in make_table(SETTINGS, PLACE)}

    assert sections["dispatcher"]["cameras"] == ["front", "back"]
    assert sections["dispatcher"]["jobs"]["transcribe"]["max_running"] == 2
    assert sections["export"]["timezone"] == "Europe/Vienna"
    assert sections["capture@front"]["camera"] == "front"
    assert sections["capture@front"]["detect"]["fps"] == 10.0
    assert sections["counter"] == {"a": 1}


def test_enrich_is_told_of_each_camera_what_it_needs_and_capture_is_not() -> None:
    drive = Area(points=[(0.1, 0.2), (0.9, 0.2), (0.5, 1.0)])
    camera = Camera(source="a.mp4", record=Record(keep="2h"), zones={"drive": drive}, masks=[drive])
    settings = Settings(cameras={"front": camera, "back": Camera(source="b.mp4")}, services={"enrich": {"gone_s": 3.0}})

    sections = {row.name: json.loads(row.section) for row in make_table(settings, PLACE)}

    points = {"points": [[0.1, 0.2], [0.9, 0.2], [0.5, 1.0]]}
    assert sections["enrich"]["cameras"]["front"] == {"zones": {"drive": points}, "masks": [points], "keep_s": 7_200.0}
    assert sections["enrich"]["cameras"]["back"] == {"zones": {}, "masks": [], "keep_s": 7 * 86_400.0}
    assert sections["enrich"]["gone_s"] == 3.0
    without = make_table(Settings(cameras={"front": Camera(source="a.mp4", record=Record(keep="2h"))}), PLACE)
    assert sections["capture@front"] == json.loads(without[-1].section), "a new zone must not start capture again"


@pytest.mark.parametrize("off", [False, None])
def test_a_built_in_service_can_be_switched_off(off: bool | None) -> None:
    rows = make_table(
        Settings(services={"enrich": off, "export": True, "ingest": off, "analysis": off}, http=False), PLACE
    )

    assert [row.name for row in rows] == ["dispatcher", "export"]


def test_where_the_libraries_of_the_web_are_not_installed_there_is_no_gateway_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table, "WEB", ("no_such_library",))

    names = [row.name for row in make_table(SETTINGS, PLACE)]
    problems = find_settings_problems({"http": {"port": 80}})

    assert "gateway" not in names
    assert problems == ["http: the gateway's libraries are not installed: pip install 'framebus[web]', or `http: off`"]
    assert find_settings_problems({"http": False}) == []


def test_the_gateway_listens_where_the_file_says_else_where_its_container_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def bind(settings: Settings) -> str | None:
        row = next(row for row in make_table(settings, PLACE) if row.name == "gateway")
        found: str | None = json.loads(row.section)["bind"]
        return found

    assert bind(Settings()) is None
    monkeypatch.setenv("FRAMEBUS_HTTP_BIND", "0.0.0.0")
    assert bind(Settings(http=True)) == "0.0.0.0"
    assert bind(Settings(http=HttpSettings(bind="10.0.0.7"))) == "10.0.0.7"


def test_the_rows_of_some_kinds_are_those_of_all_their_cameras() -> None:
    rows = rows_of_kinds(make_table(SETTINGS, PLACE), ["capture", "counter"])

    assert [row.name for row in rows] == ["capture@front", "capture@back", "counter"]


def test_an_unknown_kind_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="captur: the table has no such service; it has analysis, capture, counter"):
        rows_of_kinds(make_table(SETTINGS, PLACE), ["captur"])


def test_incarnations_grow_also_when_the_clock_jumps_back(folder: Path) -> None:
    first = Incarnations(folder)

    drawn = [first.draw(2.0), first.draw(2.0), first.draw(1.0), Incarnations(folder).draw(0.5)]

    assert drawn == [2_000_000, 2_000_001, 2_000_002, 2_000_003]


@pytest.mark.parametrize("junk", ["", "12x", 30 * "9"])
def test_a_torn_file_of_incarnations_is_begun_again(folder: Path, junk: str) -> None:
    (folder / "incarnation").write_text(junk)

    assert Incarnations(folder).draw(3.0) == 3_000_000


def lockable(folder: Path) -> Place:
    place = Place.at(folder / "run", data=folder / "data")
    place.run.mkdir()
    place.data.mkdir()
    return place


def test_a_locked_group_names_its_launcher(folder: Path) -> None:
    place = lockable(folder)

    with lock_group(place):
        with pytest.raises(LockedError, match=f"process {os.getpid()}"):
            lock_group(place)
        found = find_launchers(place.run)

    assert found == [os.getpid()]
    assert find_launchers(place.run) == []


def test_one_data_folder_has_one_group(folder: Path) -> None:
    place = lockable(folder)
    other = Place.at(folder, data=place.data)

    with lock_group(place), pytest.raises(LockedError) as error:
        lock_group(other)

    assert error.value.path == place.data / "lock"
    assert find_launchers(other.run) == []


def test_kinds_have_launchers_of_their_own(folder: Path) -> None:
    place = lockable(folder)

    with lock_group(place, ["dispatcher"]), lock_group(place, ["capture", "export"], with_data=False):
        with pytest.raises(LockedError):
            lock_group(place, ["export"], with_data=False)
        found = find_launchers(place.run)

    assert found == [os.getpid()] * 3


def test_a_whole_group_and_a_part_of_one_exclude_each_other(folder: Path) -> None:
    place = lockable(folder)

    with lock_group(place, ["capture"], with_data=False), pytest.raises(LockedError):
        lock_group(place)

    with lock_group(place), pytest.raises(LockedError):
        lock_group(place, ["capture"], with_data=False)


class FakeChild:
    pid = 7
    incarnation = 1

    def __init__(self) -> None:
        self.signals: list[int] = []

    def send(self, number: int) -> None:
        self.signals.append(number)

    def send_group(self, number: int) -> None:
        self.signals.append(number)


@pytest.fixture
def children() -> list[FakeChild]:
    return []


@pytest.fixture
def member(children: list[FakeChild]) -> Member:
    def spawn(row: Row) -> FakeChild:
        children.append(FakeChild())
        return children[-1]

    made = Member(Row(name="one", tier=0, argv=("x",)), Restart(base_s=0.0, factor=1.0), spawn, lambda: 0.0)
    made.start(0.0)
    made.step(0.0)
    return made


def test_a_broken_member_is_probed_each_minute_and_broken_until_it_is_ready(
    member: Member, children: list[FakeChild]
) -> None:
    for second in range(5):
        member.die(Exit(code=1), float(second))
        member.step(second + 0.5)
    broken = member.status

    member.step(4.0 + 59.9)
    early = len(children)
    member.step(4.0 + 60.0)
    probed = member.status
    member.note(Notice(pid=7, is_ready=True), 65.0)

    assert (broken.state, broken.pid, early) == (ServiceState.BROKEN, None, 5)
    assert (probed.state, probed.pid) == (ServiceState.BROKEN, 7)
    assert member.status.state is ServiceState.READY


def test_a_successor_waits_for_the_dispatcher_but_not_long(member: Member, children: list[FakeChild]) -> None:
    member.die(Exit(signal=9), 1.0)

    member.step(1.19)
    waiting = len(children)
    member.step(1.2)
    member.die(Exit(signal=9), 2.0)
    member.told(1)
    member.step(2.01)

    assert (waiting, len(children)) == (1, 3)


def test_a_service_that_says_it_stops_need_not_beat_but_has_to_end(member: Member, children: list[FakeChild]) -> None:
    member.note(Notice(pid=7, is_ready=True), 1.0)

    member.note(Notice(pid=7, is_stopping=True), 2.0)
    member.step(6.9)
    before = list(children[0].signals)
    member.step(7.0)

    assert (before, children[0].signals) == ([], [signal.SIGKILL])


def test_an_ordered_death_is_told_as_ordered_and_a_hang_as_a_hang(member: Member) -> None:
    member.note(Notice(pid=7, is_ready=True), 0.0)
    for now_s in (3.0, 4.0):
        member.step(now_s)
    hung = member.die(Exit(signal=6), 4.1)
    member.step(5.0)
    member.stop(5.0)
    ordered = member.die(Exit(code=0), 5.1)

    assert (hung.hung, hung.by_us) == (True, False)
    assert (ordered.hung, ordered.by_us) == (False, True)
    assert member.status.state is ServiceState.STOPPED


def test_a_stop_leaves_a_line_with_its_time_and_a_kill_says_so(
    member: Member, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    member.stop(2.0)
    member.die(Exit(signal=signal.SIGTERM), 2.12)
    member.start(3.0)
    member.step(3.0)
    member.stop(4.0)
    member.step(9.0)
    member.die(Exit(signal=signal.SIGKILL), 9.5)

    assert "one stopped after 0.12 s" in caplog.messages
    assert "one was killed after 5.50 s" in caplog.messages


def test_restarts_count_deaths_that_nobody_asked_for(member: Member) -> None:
    member.stop(1.0, again=True)
    member.die(Exit(code=0), 1.0)
    member.step(2.0)
    by_wish = member.status.restarts
    member.send(signal.SIGKILL, 3.0)
    member.die(Exit(signal=9), 3.0)
    member.step(4.0)
    by_order = member.status.restarts
    member.die(Exit(signal=9), 5.0)
    member.step(6.0)

    assert (by_wish, by_order, member.status.restarts) == (0, 0, 1)


def test_a_signal_that_does_not_kill_excuses_no_later_death(member: Member) -> None:
    member.send(signal.SIGCONT, 1.0)

    lost = member.die(Exit(signal=11), 11.0)

    assert not lost.by_us
    assert member.status.reason == "killed by SIGSEGV"


def test_who_hung_was_away_since_its_last_beat(member: Member) -> None:
    member.note(Notice(pid=7, is_ready=True), 0.0)
    member.note(Notice(pid=7, is_beat=True), 10.0)
    for now_s in (13.0, 14.0, 16.0):
        member.step(now_s)

    member.die(Exit(signal=9), 16.0)
    member.step(17.0)
    member.note(Notice(pid=7, is_ready=True), 17.5)

    assert member.status.back_after_s == 7.5
    assert member.status.hung_s == 6.0


def test_who_is_killed_by_somebody_else_did_not_hang(member: Member) -> None:
    member.note(Notice(pid=7, is_ready=True), 0.0)

    member.die(Exit(signal=9), 2.5)

    assert member.status.signal == 9
    assert member.status.hung_s is None


def test_a_new_row_replaces_the_process_of_who_runs_or_is_broken_but_not_of_who_is_off(member: Member) -> None:
    row = Row(name="one", tier=0, argv=("y",))

    while_it_runs = member.replace(row, 1.0)
    member.die(Exit(code=78), 1.1)
    member.step(2.0)
    member.die(Exit(code=78), 2.1)
    while_it_is_broken = member.replace(row, 3.0)
    member.step(4.0)
    member.stop(5.0)
    while_it_stops = member.replace(row, 5.1)
    member.die(Exit(code=0), 5.2)
    when_it_is_off = member.replace(row, 6.0)

    assert (while_it_runs, while_it_is_broken, while_it_stops, when_it_is_off) == (True, True, False, False)
    assert member.status.state is ServiceState.STOPPED


def test_a_process_that_does_not_die_is_waited_for_no_longer_than_said() -> None:
    child = RunningChild((sys.executable, "-c", "input()"), environment=dict(os.environ), nice=0, incarnation=1)
    sleeper = RunningChild(("sleep", "600"), environment=dict(os.environ), nice=0, incarnation=1)

    lives = not sleeper.has_ended(0.01)
    sleeper.send_group(signal.SIGKILL)

    assert lives
    assert sleeper.has_ended(10.0)
    assert child.has_ended(10.0)
    assert (str(sleeper.reap()[0]), str(child.reap()[0])) == ("killed by SIGKILL", "exit code 1")


def test_a_machine_without_processes_counts_as_an_early_death() -> None:
    def spawn(row: Row) -> FakeChild:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    member = Member(Row(name="one", tier=0, argv=("x",)), Restart(), spawn, lambda: 0.0)
    member.start(0.0)

    member.step(0.0)

    assert member.status.state is ServiceState.RESTARTING
    assert "cannot be started" in member.status.reason


def test_lines_come_whole_without_credentials_and_only_the_last_are_kept() -> None:
    tail = Tail()

    first = tail.feed(b"INFO rtsp://u:canary")
    second = tail.feed(b"@host/ opened\nhalf")
    tail.feed(b"\n" + b"x\n" * 300)

    assert (first, second) == ([], ["INFO rtsp://***@host/ opened"])
    assert len(tail.lines) == 200


def test_an_endless_line_is_cut_but_never_within_an_address() -> None:
    tail = Tail()

    pieces = tail.feed(b"y " * 32_700 + b"rtsp://u:" + b"canary" * 30)
    rest = tail.feed(b"@host/\n")

    assert max(map(len, pieces)) <= 1_000
    assert "canary" not in "".join(pieces + rest)

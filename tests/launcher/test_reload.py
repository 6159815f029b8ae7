"""A running group and its configuration file: read again, shown, changed; and what goes on undisturbed."""

import os
import random
import signal
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec import Raw

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import ConfigChanged, ServiceState
from framebus.requests import ChangeConfig, Config, GetConfig, KillService, Reload, StartService, StopService
from framebus.settings import Settings
from framebus.transport import Listener
from framebus_launcher.folders import settings_folder
from launcher.trial import GOOD, READY, STUBBORN, Ask, Trial, is_running

CANARY = "hunter2canary"
TELLS = "import os\nprint(open(os.environ['FRAMEBUS_SETTINGS']).read(), flush=True)\n" + GOOD
NEEDS_A_SETTING = "import os, sys\n'good' in open(os.environ['FRAMEBUS_SETTINGS']).read() or sys.exit(78)\n" + GOOD


def pids(trial: Trial) -> dict[str, int | None]:
    assert trial.group is not None
    return {status.name: status.pid for status in trial.group.services()}


def value_of(config: Config) -> Any:
    return msgspec.msgpack.decode(bytes(config.value))


def change(path: str, value: object, revision: int) -> ChangeConfig:
    return ChangeConfig(path=path, value=Raw(codec.encode(value)), revision=revision)


def test_a_reload_touches_only_the_rows_that_changed(trial: Trial, asked: Ask) -> None:
    one, two, three = (trial.plugin(name, TELLS) for name in ("one", "two", "three"))
    trial.start_file({"services": {"one": one, "two": two}})
    trial.until_ready("dispatcher", "one", "two")
    before = pids(trial)

    trial.write({"services": {"two": {**two, "settings": {"a": 1}}, "three": three}, "jobs": {"transcribe": {}}})
    applied = asked(Reload())
    trial.until(lambda: "one" not in pids(trial))
    trial.until(lambda: pids(trial)["two"] != before["two"])
    trial.until_ready("dispatcher", "two", "three")

    assert (applied.live, applied.restarted) == (["dispatcher"], ["two"])
    assert (applied.started, applied.stopped) == (["three"], ["one"])
    assert pids(trial)["dispatcher"] == before["dispatcher"]
    assert trial.lines_of("two") == ["{}", '{"a":1}']
    assert trial.history("one")[-1] is ServiceState.STOPPED
    assert trial.status("two").restarts == 0
    left = [path.name for path in trial.place.run.rglob("*") if "one" in path.name]
    assert left == []


def test_what_a_reload_could_not_tell_a_service_is_told_by_the_next(trial: Trial, asked: Ask) -> None:
    trial.start_file({})
    trial.until_ready("dispatcher")
    trial.write({"jobs": {"transcribe": {}}})
    in_the_way = settings_folder(trial.place) / "dispatcher.json"
    in_the_way.unlink()
    in_the_way.mkdir()
    with pytest.raises(RefusedError):
        asked(Reload())
    in_the_way.rmdir()

    applied = asked(Reload())

    assert applied.live == ["dispatcher"]


def test_a_bound_of_all_recordings_counts_from_the_reload_on(trial: Trial, asked: Ask) -> None:
    trial.start_file({})
    trial.until_ready("dispatcher")
    group = trial.group
    assert group is not None
    before = group._reloader.max_bytes

    trial.write({"recordings": {"max": "1.5TB"}})
    applied = asked(Reload())

    assert (before, group._reloader.max_bytes) == (None, 1.5e12)
    assert not applied.restarted


def test_a_reload_of_the_same_file_changes_nothing(trial: Trial, asked: Ask) -> None:
    trial.start_file({"services": {"one": trial.plugin("one", GOOD)}})
    trial.until_ready("dispatcher", "one")
    before = pids(trial)

    applied = asked(Reload())

    assert (applied.live, applied.restarted, applied.started, applied.stopped) == ([], [], [], [])
    assert pids(trial) == before


def test_a_file_that_is_wrong_is_refused_whole_with_every_line(trial: Trial, asked: Ask) -> None:
    one = trial.plugin("one", GOOD)
    trial.start_file({"services": {"one": one}})
    trial.until_ready("dispatcher", "one")
    before = pids(trial)

    path = trial.write({"timezone": "Nowhere", "services": {"two": one}, "launcher": {"restart": {"factor": 0}}})
    with pytest.raises(RefusedError, match="the group goes on as it was") as refused:
        asked(Reload())

    assert refused.value.code is ErrorCode.BAD_REQUEST
    where = [str(problem).split(": ")[:2] for problem in refused.value.details["problems"]]  # type: ignore[attr-defined]
    lines = path.read_text().splitlines()
    assert where == [
        [f"{path}:{lines.index('timezone: Nowhere') + 1}", "timezone"],
        [f"{path}:{lines.index('    factor: 0') + 1}", "launcher.restart.factor"],
    ]
    assert pids(trial) == before


def test_folders_cannot_change_while_the_group_runs(trial: Trial, asked: Ask) -> None:
    trial.start_file({})
    trial.until_ready("dispatcher")

    trial.write({"data": "elsewhere"})
    with pytest.raises(RefusedError, match=r"framebus.yml:1: data: is /.*/data and cannot change while the group runs"):
        asked(Reload())

    assert not (trial.folder / "elsewhere").exists()


def test_a_second_reload_waits_for_the_first(trial: Trial, asked: Ask) -> None:
    trial.start_file({"services": {"one": trial.plugin("one", STUBBORN)}})
    trial.until_ready("dispatcher", "one")
    pid = trial.pid("one")

    trial.write({})
    asked(Reload())
    with pytest.raises(RefusedError, match="still under way: one") as refused:
        asked(Reload())
    with pytest.raises(RefusedError, match="no longer in the configuration"):
        asked(StartService(name="one"))
    trial.until(lambda: "one" not in pids(trial))

    assert (refused.value.code, refused.value.retry_after_s) == (ErrorCode.BUSY, 2.0)
    assert not is_running(pid)
    assert asked(Reload()).stopped == []


def test_a_service_that_was_stopped_by_hand_stays_so_and_has_its_new_settings(trial: Trial, asked: Ask) -> None:
    one = trial.plugin("one", TELLS)
    trial.start_file({"services": {"one": one}})
    trial.until_ready("dispatcher", "one")
    asked(StopService(name="one"))
    trial.until(lambda: trial.state("one") is ServiceState.STOPPED)

    trial.write({"services": {"one": {**one, "settings": {"a": 1}}}})
    applied = asked(Reload())
    state = trial.state("one")
    asked(StartService(name="one"))
    trial.until_ready("one")

    assert (applied.restarted, state) == ([], ServiceState.STOPPED)
    assert trial.lines_of("one") == ["{}", '{"a":1}']


def test_a_hangup_reloads_and_says_what_is_wrong(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    group = trial.start_file({"services": {"one": trial.plugin("one", GOOD)}})
    trial.until_ready("dispatcher", "one")

    trial.write({"timezone": "Nowhere"})
    group._signals._keep(signal.SIGHUP, None)
    trial.until(lambda: "there is no such time zone" in caplog.text)
    trial.write({})
    group._signals._keep(signal.SIGHUP, None)
    trial.until(lambda: "one" not in pids(trial))

    assert list(pids(trial)) == ["dispatcher"]


def test_a_broken_service_is_started_with_what_the_file_says_now(trial: Trial, asked: Ask) -> None:
    one = trial.plugin("one", NEEDS_A_SETTING)
    trial.start_file({"services": {"one": one}})
    trial.until(lambda: trial.state("one") is ServiceState.BROKEN)

    trial.write({"services": {"one": {**one, "settings": {"good": True}}}})
    asked(StartService(name="one"))

    trial.until_ready("one")
    assert asked(Reload()).restarted == []


def test_a_crash_of_a_new_service_is_contained_and_a_reload_mends_it(trial: Trial, asked: Ask) -> None:
    one = trial.plugin("one", NEEDS_A_SETTING)
    trial.start_file({})
    trial.until_ready("dispatcher")

    trial.write({"services": {"one": one}})
    asked(Reload())
    trial.until(lambda: trial.state("one") is ServiceState.BROKEN)
    trial.write({"services": {"one": {**one, "settings": {"good": True}}}})
    applied = asked(Reload())

    trial.until_ready("dispatcher", "one")
    assert applied.restarted == ["one"]


def test_an_ordered_death_runs_the_new_settings_of_a_live_row(trial: Trial, asked: Ask) -> None:
    trial.start_file({})
    trial.until_ready("dispatcher")
    first = trial.status("dispatcher").incarnation

    trial.write({"jobs": {"transcribe": {}}})
    applied = asked(Reload())
    asked(KillService(name="dispatcher"))
    trial.until(lambda: trial.status("dispatcher").incarnation > first)

    assert applied.live == ["dispatcher"]
    assert "transcribe" in (trial.place.run / "settings" / "dispatcher.json").read_text()


def test_no_password_is_shown_and_variables_stay_as_they_are_written(
    trial: Trial, asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    settings = {"url": f"http://me:{CANARY}@h/?token={CANARY}", "password": CANARY, "env": "x://me:${CANARY}@h/"}
    one = trial.plugin("one", GOOD, **settings) | {"env": {"API_KEY": CANARY, "OTHER_KEY": "${CANARY}"}}
    trial.start_file({"services": {"one": {**one, "command": [*one["command"], "--password", CANARY]}}})
    trial.until_ready("dispatcher", "one")
    told: dict[str, ConfigChanged] = {}

    everything = asked(GetConfig())
    part = asked(GetConfig(path="services.one.settings"))
    secret = asked(GetConfig(path="services.one.settings.password"))
    option = asked(GetConfig(path="services.one.command[3]"))
    with Listener(trial.place, "config/") as listener:

        def hears() -> bool:
            for news in listener.wait(0.0):
                body = news.decode()
                assert isinstance(body, ConfigChanged)
                told[body.section] = body
            return len(told) == len(Settings.__struct_fields__)

        trial.until(hears)

    shown = repr(
        [value_of(one) for one in (everything, part, secret, option)] + [bytes(one.value) for one in told.values()]
    )
    assert CANARY not in shown
    assert value_of(part) == {"url": "http://***@h/?token=***", "password": "***", "env": "x://me:${CANARY}@h/"}
    assert (value_of(everything)["services"]["one"]["env"], value_of(secret)) == (
        {"API_KEY": "***", "OTHER_KEY": "${CANARY}"},
        "***",
    )
    assert everything.revision == part.revision == told["services"].revision < 2**53
    with pytest.raises(RefusedError, match=r"does not set cameras\.front"):
        asked(GetConfig(path="cameras.front"))


def test_a_setting_is_changed_in_the_file_and_applied(trial: Trial, asked: Ask) -> None:
    group = trial.start_file({"services": {"one": trial.plugin("one", TELLS, a=1, password=CANARY)}})
    path = trial.folder / "framebus.yml"
    path.write_text("# my house\n" + path.read_text())
    path.chmod(0o640)
    trial.until_ready("dispatcher", "one")
    first = trial.pid("one")

    read = asked(GetConfig(path="services.one"))
    section = value_of(read)
    section["settings"]["a"] = 2  # and the password goes back as `***`, as it came
    applied = asked(change("services.one", section, read.revision))
    trial.until(lambda: trial.status("one").pid not in (None, first))
    trial.until_ready("one")

    assert applied.restarted == ["one"]
    assert applied.revision == asked(GetConfig()).revision != read.revision
    text = path.read_text()
    assert text.startswith("# my house\n")
    assert yaml.safe_load(text)["services"]["one"]["settings"] == {"a": 2, "password": CANARY}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert trial.lines_of("one")[-1] == f'{{"a":2,"password":"{CANARY}"}}'
    assert [file.name for file in trial.folder.iterdir() if file.name.endswith(".part")] == []
    assert group.members["one"].status.restarts == 0


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("timezone", "Nowhere", "no such time zone"),
        ("services.one.comand", ["x"], "unknown setting"),
        ("services.one.settings.password", "***", "not known here"),
        ("services..one", 1, "is no path"),
        ("services.two", None, "no two that could be removed"),
        ("run", "elsewhere", "cannot change while the group runs"),
        ("cameras.front", {"source": "exec:///bin/sh"}, "unknown kind of address"),
        ("cameras.front", {"source": "concat://a|b"}, "unknown kind of address"),
        ("cameras.front.detect.source", "rtsp://u:p/x@h:y/", "no whole address"),
    ],
)
def test_a_change_that_would_not_be_valid_leaves_the_file_as_it_is(
    trial: Trial, asked: Ask, path: str, value: object, why: str
) -> None:
    trial.start_file({"services": {"one": trial.plugin("one", GOOD)}})
    trial.until_ready("dispatcher", "one")
    before, text = pids(trial), (trial.folder / "framebus.yml").read_text()

    with pytest.raises(RefusedError, match=why) as refused:
        asked(change(path, value, asked(GetConfig()).revision))

    assert refused.value.code is ErrorCode.BAD_REQUEST
    assert (trial.folder / "framebus.yml").read_text() == text
    assert pids(trial) == before


def test_the_password_of_a_camera_that_is_set_stands_in_secrets_env_alone(trial: Trial, asked: Ask) -> None:
    trial.start_file({"services": {"one": trial.plugin("one", GOOD)}})
    trial.until_ready("dispatcher", "one")
    file, secrets = trial.folder / "framebus.yml", trial.folder / "secrets.env"
    camera = {"source": f"rtsp://u:{CANARY}@127.0.0.1:9/1", "detect": {"source": f"rtsp://u:{CANARY}@127.0.0.1:9/2"}}

    with pytest.raises(RefusedError) as refused:
        asked(change("cameras.front", {**camera, "fps": 5}, asked(GetConfig()).revision))
    was_kept = secrets.exists()
    asked(change("cameras.front", camera, asked(GetConfig()).revision))

    assert not was_kept, "nothing has changed"
    assert CANARY not in str(refused.value) + file.read_text()
    assert file.read_text().count("rtsp://u:${FRONT_PASSWORD}@127.0.0.1:9/") == 2
    assert secrets.read_text().splitlines()[1:] == [f"FRONT_PASSWORD='{CANARY}'"]
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600


def test_a_change_of_a_file_that_has_changed_since_is_a_conflict(trial: Trial, asked: Ask) -> None:
    trial.start_file({})
    trial.until_ready("dispatcher")
    revision = asked(GetConfig()).revision

    path = trial.write({"timezone": "Europe/Vienna"})
    with pytest.raises(RefusedError, match="has changed since") as refused:
        asked(change("timezone", "Europe/Paris", revision))

    assert refused.value.code is ErrorCode.CONFLICT
    assert "Europe/Vienna" in path.read_text()


def test_a_group_without_a_file_has_nothing_to_read_again(trial: Trial, asked: Ask) -> None:
    trial.start(trial.row("one", READY + "beat_for_ever()"))

    with pytest.raises(RefusedError, match="without a configuration file"):
        asked(Reload())


def test_a_link_to_a_file_stays_a_link(trial: Trial, asked: Ask) -> None:
    trial.start_file({})
    trial.until_ready("dispatcher")
    path, kept = trial.folder / "framebus.yml", Path(trial.folder / "data" / "real.yml")
    os.rename(path, kept)
    path.symlink_to(kept)

    asked(change("timezone", "Europe/Vienna", asked(GetConfig()).revision))

    assert path.is_symlink()
    assert yaml.safe_load(kept.read_text())["timezone"] == "Europe/Vienna"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file away")
def test_a_file_that_root_changes_stays_its_owners(trial: Trial, asked: Ask) -> None:
    trial.start_file({})
    trial.until_ready("dispatcher")
    path = trial.folder / "framebus.yml"
    os.chown(path, 1_000, 1_001)

    asked(change("timezone", "Europe/Vienna", asked(GetConfig()).revision))

    assert (path.stat().st_uid, path.stat().st_gid) == (1_000, 1_001)


def asked_until_done(trial: Trial, asked: Ask) -> None:
    """A reload, asked for again while the one before is under way."""
    for _ in range(100):
        try:
            asked(Reload())
            return
        except RefusedError as error:
            if error.code is not ErrorCode.BUSY or trial.group is None:
                raise
            trial.group.turn()
    raise AssertionError("the reload before does not end")


def test_after_any_number_of_reloads_and_kills_what_runs_is_what_the_file_says(trial: Trial, asked: Ask) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    names = ["a", "b", "c", "d"]
    plugins = {name: trial.plugin(name, TELLS) for name in names}
    trial.start_file({})
    trial.until_ready("dispatcher")
    dispatcher = trial.pid("dispatcher")
    wanted: dict[str, int] = {}

    for _ in range(12):
        wanted = {name: rng.randrange(2) for name in rng.sample(names, rng.randrange(5))}
        services = {name: {**plugins[name], "settings": {"n": n}} for name, n in wanted.items()}
        trial.write({"services": services, "launcher": {"restart": {"factor": 1, "deaths": 1_000}}})
        before = pids(trial)
        asked_until_done(trial, asked)
        victim = rng.choice(list(before))
        pid = pids(trial).get(victim)
        if pid is not None and victim != "dispatcher":
            os.kill(pid, signal.SIGKILL)

    asked_until_done(trial, asked)
    trial.until(lambda: pids(trial).keys() == {"dispatcher", *wanted})
    trial.until_ready("dispatcher", *wanted)
    for name, n in wanted.items():
        trial.until(lambda name=name, n=n: trial.lines_of(name)[-1:] == [f'{{"n":{n}}}'])  # type: ignore[misc]
    assert trial.pid("dispatcher") == dispatcher
    for name, n in wanted.items():
        told = trial.place.run / "settings" / f"{name}.json"
        assert told.read_text() == f'{{"n":{n}}}', f"seed {seed}"
    settings = {path.stem for path in (trial.place.run / "settings").iterdir()}
    assert settings == {"dispatcher", *wanted}, f"seed {seed}"

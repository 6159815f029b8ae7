"""`framebus record` of a real group and `framebus replay` into a fresh bus: subscribers end with the same state."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import command, framebus
from framebus import codec
from framebus.codec import News
from framebus.errors import MalformedError
from framebus.place import Place
from framebus.tape import TapeReader
from framebus.transport import SocketBus
from groups import FRAMEBUS, RunningGroup, processes_of, running_group, wait_until

CANARY = "s3cret-canary"
CONFIG: dict[str, Any] = {
    "cameras": {
        "front": {"source": "synthetic://?width=160&height=120&fps=10"},
        "away": {"source": f"rtsp://viewer:{CANARY}@127.0.0.1:9/x"},
    },
    "services": {"export": False},
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    with running_group(CONFIG) as group:
        group.await_ready()
        yield group


@pytest.fixture(scope="module")
def tape(group: RunningGroup, folder: Path) -> Path:
    path = folder / "demo.tape"
    done = command(group, "record", str(path), "--for", "3s")
    assert done.returncode == 0, done.stderr
    assert "; 0 missed" in done.stderr
    return path


def last_values(tape: Path) -> dict[str, bytes]:
    """The body of the greatest (epoch, seq) of each retained topic."""
    newest: dict[str, News] = {}
    with TapeReader(tape) as reader:
        for taped in reader:
            news = codec.decode_news(taped.frames)
            held = newest.get(news.topic)
            is_newer = held is None or (news.head.epoch, news.head.seq) > (held.head.epoch, held.head.seq)
            if news.row.is_retained and is_newer:
                newest[news.topic] = news
    return {topic: news.body for topic, news in newest.items()}


def start_replay(run: Path, *arguments: str) -> "subprocess.Popen[str]":
    words = [FRAMEBUS, "replay", *arguments, "--alone", "--run", str(run)]
    replay = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: (run / "sub").exists() and (run / "req.dispatcher").exists(), "a bus of its own")
    return replay


def end_of(replay: "subprocess.Popen[str]") -> str:
    _, said = replay.communicate(timeout=20.0)
    assert replay.returncode == 0, said
    return said


@pytest.mark.parametrize("weather", [[], ["--loss", "0.3", "--delay", "100", "--seed", "7", "--speed", "3"]])
def test_a_subscriber_of_a_replay_ends_with_the_state_of_the_tape_whatever_was_lost(
    folder: Path, tape: Path, weather: list[str]
) -> None:
    expected, run = last_values(tape), folder / f"r{len(weather)}"
    replay = start_replay(run, str(tape), *weather, "--stay", "1.5")
    bus = SocketBus("t-replay", place=Place.at(run))
    held: dict[str, bytes] = {}

    def hold(news: News) -> None:
        if news.row.is_retained:
            held[news.topic] = news.body

    bus.on_news("", hold)
    while replay.poll() is None and held != expected:
        bus.turn(0.1)
    lost = bus.stats.counters.get("dropped.on_the_way", 0)
    bus.close()
    said = end_of(replay)

    assert {"camera/front/", "camera/away/", "service/enrich/", "config/cameras/", "stats/enrich/"} <= expected.keys()
    assert held == expected
    assert bool(lost) == bool(weather)
    assert "--seed 7" in said or not weather
    assert [path.name for path in run.iterdir() if path.is_socket()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_replay_that_is_interrupted_leaves_nothing_of_its_bus(
    folder: Path, tape: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, temporary = folder / "int", folder / "tmp"
    temporary.mkdir(exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    replay = start_replay(run, str(tape), "--stay", "600")
    assert replay.stderr is not None
    assert replay.stderr.readline().startswith("playing ")

    replay.send_signal(number)

    end_of(replay)
    assert processes_of(Place.at(run)) == []
    assert list(temporary.iterdir()) == []
    assert [path.name for path in run.iterdir() if path.is_socket()] == []


def test_what_is_lost_on_purpose_is_told_and_the_same_with_the_same_seed(folder: Path, tape: Path) -> None:
    said = [
        end_of(
            start_replay(
                folder / f"l{number}", str(tape), "--loss", "0.5", "--seed", "3", "--speed", "20", "--stay", "0"
            )
        )
        for number in range(2)
    ]
    ends = [lines.splitlines()[-1].partition(" lost on purpose")[0] for lines in said]

    assert ends[0] == ends[1]
    told, lost = (int(part.split()[0]) for part in ends[0].split(", "))
    assert 0.35 < lost / (told + lost) < 0.65


def test_a_replay_beside_the_living_publishers_is_refused_with_their_names(group: RunningGroup, tape: Path) -> None:
    text = framebus(group, "replay", str(tape), expect=1)

    assert "capture@away, capture@front, enrich, launcher of the tape are alive in this group" in text


def test_no_password_is_on_a_tape(tape: Path) -> None:
    data = tape.read_bytes()

    assert b"camera/away/" in data
    assert CANARY.encode() not in data


def test_a_recording_that_is_interrupted_ends_well_and_only_what_was_named_is_on_it(
    group: RunningGroup, folder: Path
) -> None:
    path = folder / "some.tape"
    words = [FRAMEBUS, "record", str(path), "stats/", "--run", str(group.place.run)]
    recording = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: path.exists() and path.stat().st_size > 1_000, "some messages")

    recording.send_signal(signal.SIGINT)

    _, said = recording.communicate(timeout=10.0)
    assert (recording.returncode, "; ended by Ctrl-C" in said) == (0, True)
    with TapeReader(path) as reader:
        assert {taped.frames[0].partition(b"/")[0] for taped in reader} == {b"stats"}
        assert not reader.is_torn


def test_a_recording_ends_by_itself_when_the_tape_has_its_bytes(group: RunningGroup, folder: Path) -> None:
    path = folder / "small.tape"

    done = command(group, "record", str(path), "--max-mb", "0.02", "--for", "30s")

    assert done.returncode == 0
    assert "ended, because the tape has its 0.02 MB" in done.stderr
    assert path.stat().st_size <= 20_000


def test_a_torn_tape_is_played_and_a_broken_one_refused(folder: Path, tape: Path) -> None:
    torn, broken = folder / "torn.tape", folder / "broken.tape"
    data = tape.read_bytes()
    torn.write_bytes(data[:-3])
    broken.write_bytes(data[:200] + os.urandom(len(data) - 200))

    said = end_of(start_replay(folder / "torn", str(torn), "--speed", "50", "--stay", "0"))
    refused = command(None, "replay", str(broken), "--alone")

    assert "its last message is left out" in said
    assert refused.returncode == 1
    assert "is broken at byte" in refused.stderr


def test_where_no_group_runs_both_commands_say_so(folder: Path, tape: Path) -> None:
    for words in (["record", str(folder / "x.tape")], ["replay", str(tape)]):
        done = command(None, *words, FRAMEBUS_RUN=str(folder / "none"))

        assert done.returncode == os.EX_UNAVAILABLE
        assert "no group runs in" in done.stderr
    assert not (folder / "x.tape").exists()


def test_malformed_news_are_on_the_tape_too(group: RunningGroup, folder: Path) -> None:
    import zmq

    path = folder / "junk.tape"
    words = [FRAMEBUS, "record", str(path), "camera/", "--run", str(group.place.run), "--for", "2s"]
    recording = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    with zmq.Context() as context, context.socket(zmq.PUB) as pub:
        pub.linger = 0
        pub.connect(group.place.pub)
        end_s = time.monotonic() + 30.0
        while recording.poll() is None:
            assert time.monotonic() < end_s, "the recording of 2 s does not end"
            pub.send_multipart([b"camera/front/", b"\xc1junk", b""])
            time.sleep(0.05)  # again and again: nobody tells when the recording has begun to hear
    recording.communicate(timeout=10.0)

    malformed = 0
    with TapeReader(path) as reader:
        for taped in reader:
            try:
                codec.decode_news(taped.frames)
            except MalformedError:
                malformed += 1
    assert malformed > 5

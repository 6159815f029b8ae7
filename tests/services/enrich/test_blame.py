"""Whom the death of the whole process is due to: read by the next one, and after the third time drawn a consequence."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framebus.messages import Finding
from framebus.processor import DeferredProcessor
from framebus_services.enrich.blame import Blame
from framebus_services.enrich.deferred_thread import LocalPerformer
from framebus_services.enrich.lane import Work

ENTRIES: list[str | dict[str, Any]] = ["brightness", {"mine": {"limit": 3}}]
NAMES = ["brightness", "mine"]


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        yield Path(folder) / "enrich.calls"


def sit_down(blame: Blame, names: list[str]) -> None:
    for name in names:
        blame.give_number(name)
    blame.open()


def life(path: Path, now_s: float, entries: list[str | dict[str, Any]] = ENTRIES) -> Blame:
    blame = Blame(path, entries, now_s)
    sit_down(blame, [name for name in NAMES if name not in blame.left_out])
    return blame


def test_a_death_during_a_call_names_processor_frame_and_camera(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blame = life(path, 0.0)
    blame.enter(0, "front", 41)
    blame.leave()
    blame.enter(1, "front", 42)

    life(path, 1.0)

    assert caplog.messages == ["enrich died while processor mine looked at frame 42 of camera front"]


def test_a_death_between_calls_blames_nobody(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blame = life(path, 0.0)
    blame.enter(1, "front", 42)
    blame.leave()

    assert life(path, 1.0).left_out == {}
    assert caplog.messages == []


def test_a_death_during_work_on_a_thread_names_who_was_at_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    life(path, 0.0).enter_thread(1, "front", 42)

    life(path, 1.0)

    assert caplog.messages == ["enrich died while processor mine looked at frame 42 of camera front"]


def test_a_death_during_a_call_is_not_due_to_who_is_at_work_on_a_thread(path: Path) -> None:
    for number in range(3):
        blame = life(path, float(number))
        blame.enter_thread(1, "front", 42)
        blame.enter(0, "front", 43)

    assert list(life(path, 3.0).left_out) == ["brightness"]


def test_of_several_at_work_on_threads_all_are_named_and_none_is_left_out(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        blame = life(path, float(number))
        blame.enter_thread(0, "front", 41)
        blame.enter_thread(1, "front", 42)
        caplog.clear()

    assert life(path, 3.0).left_out == {}
    assert [message.partition(" looked")[0] for message in caplog.messages] == [
        "enrich died while processor brightness",
        "enrich died while processor mine",
    ]


def die_three_times(path: Path, apart_s: float = 5.0) -> None:
    for number in range(3):
        life(path, number * apart_s).enter(1, "front", 42)


def test_after_the_third_death_the_processor_is_left_out_with_words(path: Path) -> None:
    die_three_times(path)

    left_out = [life(path, at_s).left_out for at_s in (15.0, 20.0)]

    assert [list(each) for each in left_out] == [["mine"], ["mine"]]
    assert left_out[0]["mine"].startswith("processor mine is left out: enrich died 3 times while it worked")


def test_of_two_processors_that_crash_both_are_left_out_in_the_end(path: Path) -> None:
    lives = []
    for at_s in range(6):
        blame = life(path, float(at_s))
        lives.append(list(blame.left_out))
        blame.enter(1 if "mine" not in blame.left_out else 0, "front", 42)

    assert lives[3:] == [["mine"]] * 3
    assert sorted(life(path, 7.0).left_out) == ["brightness", "mine"]


@pytest.mark.parametrize(
    ("was_killed", "counts", "left_out"),
    [
        (True, [7, 7, 7, 7], []),
        (True, [7, 8, 9, 10], ["mine"]),
        (True, [None, None, None, None], ["mine"]),
        (False, [7, 7, 7, 7], ["mine"]),
    ],
)
def test_a_kill_from_outside_blames_nobody_unless_memory_may_have_run_out(
    path: Path, was_killed: bool, counts: list[int | None], left_out: list[str]
) -> None:
    """`counts`: of processes that the kernel has killed for their memory, when each life began."""
    for at_s, oom_kills in enumerate(counts):
        blame = Blame(path, ENTRIES, float(at_s), was_killed=was_killed, oom_kills=oom_kills)
        sit_down(blame, NAMES)
        blame.enter_thread(1, "front", 42)

    assert list(blame.left_out) == left_out


def test_deaths_that_are_far_apart_do_not_add_up(path: Path) -> None:
    die_three_times(path, apart_s=3_000.0)

    assert life(path, 9_001.0).left_out == {}


def test_with_other_settings_it_gets_another_chance(path: Path) -> None:
    die_three_times(path)

    assert life(path, 15.0, ["brightness", {"mine": {"limit": 4}}]).left_out == {}


def test_an_end_in_good_order_gives_it_another_chance_and_leaves_no_file(path: Path) -> None:
    die_three_times(path)
    life(path, 15.0).close(16.0)

    assert not path.exists()
    assert life(path, 17.0).left_out == {}


def test_a_processor_for_which_the_process_must_end_is_blamed_although_the_end_is_in_good_order(path: Path) -> None:
    for number in range(3):
        blame = life(path, float(number))
        blame.accuse("mine")
        blame.close(float(number))

    assert list(life(path, 4.0).left_out) == ["mine"]


@pytest.mark.parametrize("junk", [b"", b"x", bytes(4_096), b"\xff" * 4_096, b"\1" + bytes(55) + b"{}"])
def test_a_file_that_is_none_of_ours_blames_nobody(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)

    assert life(path, 1.0).left_out == {}


def test_who_leaves_does_not_take_the_mark_of_its_successor_of_the_same_name_along(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blame = Blame(path, [ENTRIES[1]], 0.0)
    blame.open()
    old = blame.give_number("mine")
    blame.enter_thread(old, "front", 41)
    blame.follow({"mine": {"mine": {"limit": 4}}})
    new = blame.give_number("mine")
    blame.enter_thread(new, "front", 42)

    blame.leave_thread(old)
    blame.take_back(old)
    Blame(path, [{"mine": {"limit": 4}}], 1.0)

    assert caplog.messages == ["enrich died while processor mine looked at frame 42 of camera front"]


def test_a_thread_that_was_abandoned_and_returns_late_does_not_take_the_mark_of_its_successor_along(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blame = life(path, 0.0)

    class Hangs(DeferredProcessor[int]):
        def process_task(self, task: int) -> Iterable[Finding]:
            performer.close()
            blame.enter_thread(1, "front", 42)
            return []

    performer = LocalPerformer(Hangs(), blame, 1)
    performer.perform(Work(camera="front", object_id=None, number=41, captured_at_s=0.0, captured_up_s=0.0, payload=1))
    life(path, 1.0)

    assert caplog.messages == ["enrich died while processor mine looked at frame 42 of camera front"]


def test_a_number_is_given_again_when_who_had_it_has_ended(path: Path) -> None:
    blame = life(path, 0.0)

    blame.take_back(0)
    again = blame.give_number("mine")
    blame.enter_thread(again, "front", 1)

    assert (again, blame.give_number("mine")) == (0, 2)

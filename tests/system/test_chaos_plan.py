"""The schedule and the verdict of `framebus chaos`, without a group."""

from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

import pytest

from framebus import codec
from framebus.codec import Head, News
from framebus.errors import ExitCode
from framebus.messages import NIL, BoardStatus, JobBoard, JobState, JobView, QueueStatus
from framebus.requests import StateRow
from framebus.topics import topic_of
from framebus_launcher.chaos_clips import remove_clips
from framebus_launcher.chaos_news import NewsCheck, find_behind
from framebus_launcher.chaos_plan import Blow, Kind, draw_plan
from framebus_launcher.chaos_verdict import Calls, JobFate, Records, Recovery, judge

MEMBERS = ["dispatcher", "export", "enrich", "capture@front"]
ID = "0" * 32


def plan_of(seed: int, members: Sequence[str], stoppable: Collection[str], count: int) -> list[Blow]:
    return list(islice(draw_plan(seed, members, stoppable), count))


def test_the_same_seed_and_members_give_the_same_schedule_in_whatever_order_they_are_named() -> None:
    first = plan_of(7, MEMBERS, MEMBERS, 200)

    again = plan_of(7, MEMBERS[::-1], set(MEMBERS), 200)

    assert first == again
    assert first != plan_of(8, MEMBERS, MEMBERS, 200)


def test_a_group_without_members_is_struck_never() -> None:
    assert plan_of(7, [], [], 10) == []


def test_everybody_is_struck_before_anybody_is_struck_again() -> None:
    plan = plan_of(7, MEMBERS, MEMBERS, 40)

    rounds = [[blow.name for blow in plan[start : start + 4]] for start in range(0, 40, 4)]

    assert all(sorted(names) == sorted(MEMBERS) for names in rounds)
    assert len({tuple(names) for names in rounds}) > 1
    assert {blow.kind for blow in plan} == {Kind.KILL, Kind.STOP}


def test_a_member_that_cannot_be_missed_is_only_killed() -> None:
    plan = plan_of(7, MEMBERS, ["export"], 400)

    stopped = {blow.name for blow in plan if blow.kind is Kind.STOP}

    assert stopped == {"export"}


def test_clips_are_removed_with_nothing_beside_them_and_those_out_of_reach_are_counted(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    (exports / "front").mkdir(parents=True)
    for path in (exports / "front" / "a_chaos.mp4", exports / "front" / "mine.mp4", tmp_path / "outside.mp4"):
        path.touch()
    names = ["front/a_chaos.mp4", "front/gone.mp4", "../outside.mp4", str(tmp_path / "outside.mp4")]
    fates = [JobFate(id=ID, state=JobState.SUCCEEDED, files=names)]

    left = remove_clips(fates, exports), remove_clips(fates, None)

    assert left == (3, 4)
    assert sorted(path.name for path in tmp_path.rglob("*.mp4")) == ["mine.mp4", "outside.mp4"]


def records(**more: object) -> Records:
    return Records(seed=1, seconds=60.0, **more)  # type: ignore[arg-type]


def calls(took_s: float) -> Calls:
    """One call with a deadline of 2 s."""
    noted = Calls()
    noted.note(2.0, took_s)
    return noted


def fate(number: int, state: JobState | None = JobState.SUCCEEDED, **more: object) -> JobFate:
    return JobFate(id=f"{number:032x}", state=state, **more)  # type: ignore[arg-type]


def test_a_run_in_which_every_job_ended_once_and_everybody_came_back_is_well() -> None:
    fates = [
        fate(1, files=["a.mp4"], ends=1),
        fate(2, JobState.CANCELLED, ends=1),
        fate(3, JobState.FAILED, files=["b.mp4"], ends=1),
    ]
    back = [Recovery(name="export", kind=Kind.KILL, back_after_s=0.3)]

    verdict = judge(records(fates=fates, recoveries=back, calls=calls(2.1)))

    assert verdict.broken == []
    assert verdict.exit_code is ExitCode.OK
    assert verdict.by_state == {"succeeded": 1, "cancelled": 1, "failed": 1}


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"fates": [fate(1, None)]}, "1 jobs lost"),
        ({"fates": [fate(1, JobState.RUNNING), fate(2, JobState.QUEUED)]}, "2 jobs lost"),
        ({"fates": [fate(1, ends=2)]}, "1 jobs done twice"),
        ({"fates": [fate(1, files=["a.mp4"]), fate(2, files=["a.mp4"])]}, "2 jobs done twice"),
        ({"fates": [fate(1, JobState.DEAD)]}, "1 innocent jobs dead"),
        ({"recoveries": [Recovery(name="export", kind=Kind.STOP, back_after_s=None)]}, "1 members not back"),
        ({"torn": 3}, "3 news torn"),
        ({"stale": ["x"]}, "1 news stale"),
        ({"behind": ["late lacks camera/front/"]}, "1 subscribers behind"),
        ({"calls": calls(2.6)}, "1 calls that outlived their deadline"),
    ],
)
def test_a_broken_promise_is_told_in_words_and_ends_with_70(seen: dict[str, object], told: str) -> None:
    verdict = judge(records(**seen))

    assert verdict.broken == [told]
    assert verdict.exit_code == 70


def test_jobs_that_are_at_work_when_ctrl_c_comes_are_not_called_lost() -> None:
    verdict = judge(records(is_cut=True, fates=[fate(1, JobState.RUNNING), fate(2, None)]))

    assert verdict.at_work == 1
    assert verdict.lost == [f"{2:032x}"]


def test_recoveries_are_told_by_member_and_kind_of_blow() -> None:
    kills = [Recovery(name="export", kind=Kind.KILL, back_after_s=n / 100) for n in range(1, 101)]
    stops = [Recovery(name="export", kind=Kind.STOP, back_after_s=seconds) for seconds in (6.0, None)]

    rows = judge(records(recoveries=[*stops, *kills[::-1]])).rows

    figures = [(row.kind, row.blows, row.not_back, row.p50_s, row.p99_s, row.max_s) for row in rows]
    assert figures == [(Kind.KILL, 100, 0, 0.5, 0.99, 1.0), (Kind.STOP, 2, 1, 6.0, 6.0, 6.0)]


def news(topic: str, epoch: int, seq: int, body: JobView | JobBoard) -> News:
    head = Head(v=1, src="dispatcher", epoch=epoch, seq=seq, at_s=1.0, up_s=1.0, host="")
    return News(topic=topic, row=topic_of(type(body)), head=head, body=codec.encode(body))


def job(state: JobState) -> JobView:
    return JobView(id=ID, type="export", state=state, created_at_s=1.0)


def board(*ended: JobView, running: tuple[JobView, ...] = ()) -> JobBoard:
    queue = QueueStatus(max_queued=1, max_running=1, free=1)
    return JobBoard(type="export", status=BoardStatus.IDLE, running=list(running), ended=list(ended), queue=queue)


def heard(*messages: tuple[int, int, JobView | JobBoard]) -> NewsCheck:
    check = NewsCheck()
    for epoch, seq, body in messages:
        topic = "job_state/export/" if isinstance(body, JobBoard) else f"job/export/{ID}/"
        check.note(news(topic, epoch, seq, body), body)
    return check


def test_news_that_go_forward_are_fine_also_across_a_restart_of_their_publisher() -> None:
    check = heard((1, 8, board()), (1, 9, board(running=(job(JobState.RUNNING),))), (2, 1, board()))

    assert check.stale == []
    assert check.held == {"job_state/export/": (2, 1)}


def test_a_state_of_a_life_before_is_stale() -> None:
    check = heard((2, 1, board()), (1, 9, board()))

    assert check.stale == ["job_state/export/ of life 1 after that of 2"]


def test_an_older_number_of_the_same_publisher_is_stale() -> None:
    check = heard((1, 9, board()), (1, 8, board()))

    assert check.stale == ["job_state/export/ number 8 after 9"]


def test_a_job_that_ended_and_is_told_as_running_again_is_stale_in_whatever_topic() -> None:
    check = heard((1, 1, job(JobState.SUCCEEDED)), (2, 1, board(running=(job(JobState.RUNNING),))))

    assert check.stale == [f"job {ID} is running after it was succeeded"]


def row(seq: int, *, is_stale: bool = False) -> StateRow:
    return StateRow(topic="camera/front/", src="capture@front", epoch=1, seq=seq, at_s=1.0, body=NIL, is_stale=is_stale)


def test_who_holds_an_older_value_than_the_dispatcher_or_none_is_behind() -> None:
    assert find_behind({"camera/front/": (1, 4)}, [row(5)]) == "camera/front/"
    assert find_behind({}, [row(5)]) == "camera/front/"
    assert find_behind({"camera/front/": (2, 1)}, [row(5)]) is None
    assert find_behind({}, [row(5, is_stale=True)]) is None

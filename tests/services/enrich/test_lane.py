"""What waits for a processor's worker: the policies, the order, and that what must not be dropped is not."""

from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Raw

from framebus_services.enrich.lane import Ask, Configure, Expire, Item, Lane, Policy, Reason, Stop, Work

NIL = Raw(b"\xc0")


def lane(limit: int = 3, policy: Policy = Policy.LATEST, max_age_s: float | None = None) -> Lane:
    return Lane(limit=limit, policy=policy, max_age_s=max_age_s)


def work(number: int, id: str | None = None, camera: str = "front", up_s: float = 0.0) -> Work:
    return Work(
        camera=camera, object_id=id, number=number, captured_at_s=0.0, captured_up_s=up_s, payload=("task", number)
    )


def ask(number: int, until_s: float = 10.0) -> Ask:
    return Ask(number, "topic", NIL, until_s)


def take_all(full: Lane, now_s: float = 0.0) -> list[Item]:
    items: list[Item] = []
    while (item := full.take(now_s)) is not None and not isinstance(item, Stop):
        items.append(item)
    return items


def numbers(items: list[Item]) -> list[int]:
    return [item.number for item in items if isinstance(item, Work)]


@pytest.mark.parametrize(
    ("policy", "left", "reason"),
    [
        (Policy.LATEST, [3, 4, 5], Reason.OLDEST),
        (Policy.DROP_OLDEST, [3, 4, 5], Reason.OLDEST),
        (Policy.REFUSE_NEWEST, [1, 2, 3], Reason.REFUSED),
    ],
)
def test_at_its_bound_a_queue_does_as_its_policy_says_and_counts_it(
    policy: Policy, left: list[int], reason: Reason
) -> None:
    full = lane(policy=policy)

    for number in range(1, 6):
        full.put(work(number, id=f"o{number}"))

    assert numbers(take_all(full)) == left
    assert full.drops == {(reason, "front"): 2}


def test_the_latest_of_an_object_takes_the_place_of_the_one_that_waits() -> None:
    waiting = lane()
    for each in (work(1, "a"), work(1, "b"), work(2, "a"), work(2, "b", camera="back")):
        waiting.put(each)

    items = take_all(waiting)

    assert [(item.number, item.object_id, item.camera) for item in items if isinstance(item, Work)] == [
        (2, "a", "front"),
        (1, "b", "front"),
        (2, "b", "back"),
    ]
    assert waiting.drops == {(Reason.REPLACED, "front"): 1}


def test_work_on_a_frame_that_is_too_old_is_left_out_when_its_turn_comes() -> None:
    waiting = lane(max_age_s=0.3)
    for number, up_s in ((1, 1.0), (2, 1.25), (3, 1.5)):
        waiting.put(work(number, id=str(number), up_s=up_s))

    assert numbers(take_all(waiting, now_s=1.5)) == [2, 3]
    assert waiting.drops == {(Reason.TOO_OLD, "front"): 1}


def test_an_end_comes_after_the_work_before_it_and_before_the_work_after_it() -> None:
    waiting = lane(limit=8)

    waiting.put(work(1, "a"))
    waiting.expire(Expire("a", "front"))
    waiting.put(work(2, "b"))

    assert take_all(waiting) == [work(1, "a"), Expire("a", "front"), work(2, "b")]


def test_of_a_thousand_ends_behind_a_full_queue_none_is_lost_and_all_come_in_order() -> None:
    full = lane(limit=8)
    for number in range(1_000):
        full.put(work(number, id=f"o{number}"))
        full.expire(Expire(f"o{number}", "front"))

    ends = [item.id for item in take_all(full) if isinstance(item, Expire)]

    assert ends == [f"o{number}" for number in range(1_000)]


def test_configuration_comes_first_and_of_each_topic_only_the_newest() -> None:
    waiting = lane()
    waiting.put(work(1))
    for topic, value in (("a", b"\x01"), ("b", b"\x02"), ("a", b"\x03")):
        waiting.configure(Configure(topic, Raw(value)))

    items = take_all(waiting)

    assert items == [Configure("a", Raw(b"\x03")), Configure("b", Raw(b"\x02")), work(1)]


def test_a_question_overtakes_work_but_many_do_not_stop_it() -> None:
    waiting = lane()
    waiting.put(work(1))
    for number in range(6):
        waiting.ask(ask(number))

    kinds = [type(item).__name__ for item in take_all(waiting)]

    assert kinds == ["Ask", "Ask", "Ask", "Ask", "Work", "Ask", "Ask"]


def test_the_seventeenth_question_is_not_taken() -> None:
    waiting = lane()

    taken = [waiting.ask(ask(number)) for number in range(17)]

    assert taken == [True] * 16 + [False]


def test_a_question_whose_deadline_has_passed_is_not_asked() -> None:
    waiting = lane()
    waiting.ask(ask(1, until_s=5.0))
    waiting.ask(ask(2, until_s=9.0))

    assert take_all(waiting, now_s=6.0) == [ask(2, until_s=9.0)]
    assert waiting.late == [ask(1, until_s=5.0)]


def test_an_object_that_has_cost_three_workers_is_left_out_also_where_it_waits_until_it_ends() -> None:
    waiting = lane()
    waiting.put(work(4, "bad"))
    waiting.put(work(4, "good"))

    struck = [waiting.strike(work(number, "bad")) for number in (1, 2, 3)]
    waiting.put(work(5, "bad"))
    left = take_all(waiting)
    waiting.expire(Expire("bad", "front"))
    waiting.put(work(6, "bad"))

    assert struck == [False, False, True]
    assert left == [work(4, "good")]
    assert waiting.drops == {(Reason.QUARANTINED, "front"): 2}
    assert work(6, "bad") in take_all(waiting)


def test_a_stop_comes_last_and_nothing_is_taken_after_it() -> None:
    waiting = lane()
    waiting.put(work(1))
    waiting.stop()
    waiting.put(work(2))

    assert [waiting.take(0.0), waiting.take(0.0)] == [work(1), Stop()]
    assert not waiting.ask(ask(1))
    assert waiting.drops == {(Reason.SHUTDOWN, "front"): 1}


class LaneMachine(RuleBasedStateMachine):
    """Whatever is put in comes out, or is counted; ends and configuration always come out."""

    @initialize(limit=st.integers(1, 4), policy=st.sampled_from(list(Policy)), max_age_s=st.sampled_from([None, 3.0]))
    def begin(self, limit: int, policy: Policy, max_age_s: float | None) -> None:
        self.lane = lane(limit, policy, max_age_s)
        self.limit = limit
        self.now_s = 0.0
        self.count = 0
        self.put = self.taken = 0
        self.drops: Counter[Reason] = Counter()
        self.asked: set[int] = set()
        self.before: list[tuple[int, Expire]] = []
        """ends, each with the number of the newest work put before it"""
        self.told: dict[str, bytes] = {}
        self.ended_after = 0

    @rule(id=st.sampled_from(["a", "b", "c", None]), camera=st.sampled_from(["front", "back"]))
    def put_work(self, id: str | None, camera: str) -> None:
        self.count += 1
        self.put += 1
        self.lane.put(work(self.count, id, camera, up_s=self.now_s))

    @rule(id=st.sampled_from(["a", "b", "c"]))
    def end_object(self, id: str) -> None:
        end = Expire(f"{id}{len(self.before)}-{self.count}", "front")
        self.before.append((self.count, end))
        self.lane.expire(end)

    @rule(topic=st.sampled_from(["x", "y"]), value=st.binary(min_size=1, max_size=1))
    def configure(self, topic: str, value: bytes) -> None:
        self.told[topic] = value
        self.lane.configure(Configure(topic, Raw(value)))

    @rule(patience_s=st.floats(0.0, 5.0))
    def question(self, patience_s: float) -> None:
        self.count += 1
        if self.lane.ask(ask(self.count, self.now_s + patience_s)):
            self.asked.add(self.count)

    @rule(seconds=st.floats(0.1, 2.0))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @precondition(lambda self: hasattr(self, "lane"))
    @rule()
    def take(self) -> None:
        item = self.lane.take(self.now_s)
        for late in self.lane.late:
            assert late.until_s <= self.now_s
            self.asked.remove(late.id)
        self.lane.late = []
        if isinstance(item, Configure):
            assert self.told.pop(item.topic) == bytes(item.value)
        elif isinstance(item, Ask):
            assert item.until_s > self.now_s
            self.asked.remove(item.id)
        elif isinstance(item, Expire):
            self.ended_after, end = self.before.pop(0)
            assert item == end
        elif isinstance(item, Work):
            assert not self.told, "configuration comes first"
            assert item.number > self.ended_after, "an end comes after the work before it"
            self.taken += 1

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "lane"):
            return
        for (reason, _), count in self.lane.drops.items():
            self.drops[reason] += count
        self.lane.drops.clear()
        assert len(self.lane) <= self.limit
        assert self.put == self.taken + self.drops.total() + len(self.lane)

    def teardown(self) -> None:
        if not hasattr(self, "lane"):
            return
        self.lane.stop()
        items = take_all(self.lane, self.now_s)
        assert [item for item in items if isinstance(item, Expire)] == [end for _, end in self.before]
        assert {item.topic for item in items if isinstance(item, Configure)} == set(self.told)


TestLaneMachine = LaneMachine.TestCase
TestLaneMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

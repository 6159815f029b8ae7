"""A subscriber counts what it lost, and nothing that it did not lose."""

import pytest

from framebus.codec import Head
from framebus.gaps import MAX_ROWS, Gaps
from framebus.messages import Finding
from framebus.testing import FakeBus


def head(epoch: int, seq: int, src: str = "enrich") -> Head:
    return Head(v=1, src=src, epoch=epoch, seq=seq, at_s=1.0, up_s=1.0, host="h")


@pytest.mark.parametrize(
    ("heard", "lost"),
    [
        ([(1, 1), (1, 2), (1, 3)], 0),
        ([(1, 7), (1, 8)], 0),
        ([(1, 1), (1, 5)], 3),
        ([(1, 1), (1, 3), (1, 5)], 2),
        ([(1, 3), (1, 3)], 0),
        ([(1, 3), (1, 1), (1, 4)], 0),
        ([(1, 3), (2, 9)], 0),
        ([(2, 1), (1, 9), (2, 3)], 1),
    ],
)
def test_missing_numbers_are_counted_once_and_repeats_and_new_lives_not_at_all(
    heard: list[tuple[int, int]], lost: int
) -> None:
    gaps = Gaps()

    assert sum(gaps.note("finding/x/front/", head(*place)) for place in heard) == lost


def test_each_publisher_and_topic_counts_for_itself() -> None:
    gaps = Gaps()

    lost = [gaps.note(topic, head(1, seq, src)) for src, topic, seq in (("a", "t/", 1), ("b", "t/", 9), ("a", "u/", 5))]

    assert lost == [0, 0, 0]


def test_topics_without_end_do_not_fill_the_memory() -> None:
    gaps = Gaps()

    for number in range(MAX_ROWS + 10):
        gaps.note(f"job/x/{number}/", head(1, 1))

    assert len(gaps._heard) == MAX_ROWS


def test_a_service_tells_in_its_stats_what_it_lost() -> None:
    bus = FakeBus()
    bus.on(Finding, print)

    for seq in (1, 2, 6):
        bus.deliver(Finding(processor="x", camera="front", label="y"), src="enrich", seq=seq)

    assert bus.stats.counters["dropped.on_the_way"] == 3

"""Objects in a group of real processes: told from start to end, also when enrich is killed in between."""

import time
from collections.abc import Callable, Iterator

import pytest

from framebus.codec import News
from framebus.events import Ending, list_events
from framebus.messages import ObjectEvent, Phase
from framebus.transport import Listener
from groups import RunningGroup, running_group, wait_until

CAMERA = {
    "source": "synthetic://?width=320&height=240&fps=10",
    "detect": {"fps": 10},
    "record": {"enabled": False},
    "zones": {"street": {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}},
}


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    with running_group({"cameras": {"front": CAMERA}}) as running:
        running.await_ready()
        yield running


class Ear:
    """All that is heard of objects."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.heard: list[tuple[News, ObjectEvent]] = []

    def listen(self, enough: Callable[[], bool], limit_s: float = 40.0) -> None:
        end_s = time.monotonic() + limit_s
        while not enough():
            assert time.monotonic() < end_s, [(event.phase, event.id) for _, event in self.heard]
            for news in self._listener.wait(0.5):
                event = news.decode()
                if isinstance(event, ObjectEvent):
                    self.heard.append((news, event))

    def ids(self, phase: Phase) -> list[str]:
        return [event.id for _, event in self.heard if event.phase is phase]


def test_an_object_that_is_there_when_enrich_is_killed_is_ended_by_the_next_one(group: RunningGroup) -> None:
    with Listener(group.place, "object/") as listener:
        ear = Ear(listener)
        ear.listen(lambda: bool(ear.ids(Phase.START)))
        victim = ear.ids(Phase.START)[0]
        open_file = group.place.data / "events" / "front" / "open.json"
        wait_until(lambda: open_file.exists() and victim in open_file.read_text(), "it is written down")

        old = group.kill("enrich")
        new = group.await_back("enrich", old)
        ear.listen(lambda: victim in ear.ids(Phase.END))

    end = next(news for news, event in ear.heard if event.id == victim and event.phase is Phase.END)
    assert end.head.epoch == new.incarnation
    kept = wait_until(
        lambda: [
            event for event in list_events(group.place.data, "front", 0.0, time.time() + 60.0) if event.id == victim
        ],
        "it is on disk",
    )
    assert [event.ending for event in kept] == [Ending.LOST]
    assert kept[0].zones == ["street"]


def test_objects_end_once_and_stand_on_disk_with_their_pictures(group: RunningGroup) -> None:
    with Listener(group.place, "object/") as listener:
        ear = Ear(listener)
        ear.listen(lambda: bool(set(ear.ids(Phase.START)) & set(ear.ids(Phase.END))))

    whole = set(ear.ids(Phase.START)) & set(ear.ids(Phase.END))
    for id in whole:
        phases = [event.phase for _, event in ear.heard if event.id == id]
        assert phases == [Phase.START, *[Phase.UPDATE] * (len(phases) - 2), Phase.END]
    pictures = [group.place.data / "events" / "front" / f"{id}.jpg" for id in whole]
    wait_until(lambda: all(path.is_file() for path in pictures), "their pictures")

"""A processor by its path in a real group under `up --dev`: its new code runs when it is saved, unless it is broken."""

from collections.abc import Iterator

import pytest

from framebus.messages import Finding
from framebus_launcher.observer import Observer
from groups import SYNTHETIC, RunningGroup, running_group, wait_until

MINE = """
from framebus import Finding, Processor
from words_of_mine import WORD

class Mine(Processor):
    def __init__(self, threshold: int = 3) -> None:
        self.threshold = threshold

    def process_frame(self, frame):
        yield Finding(processor="another", camera=frame.camera, label=WORD + "-one", value=float(self.threshold))
"""


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    enrich = {"processors": [{"./mine.py": {"threshold": 5}}]}
    config = {"cameras": {"front": SYNTHETIC}, "services": {"export": False, "enrich": enrich}}
    files = {"mine.py": MINE, "words_of_mine.py": "WORD = 'red'\n"}
    with running_group(config, "--dev", files=files) as running:
        running.await_ready()
        yield running


@pytest.fixture
def news(group: RunningGroup) -> Iterator[Observer]:
    with group.observer() as observer:
        yield observer


def save(group: RunningGroup, old: str, new: str, name: str = "mine.py") -> None:
    path = group.folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def await_label(news: Observer, label: str) -> Finding:
    def find() -> Finding | None:
        finding = news.newest("finding/mine/front/", Finding)
        return finding if finding is not None and finding.label == label else None

    found = news.wait_for(find, 15.0)
    assert found is not None, f"{label}: {find()}"
    return found


def await_line(group: RunningGroup, text: str) -> str:
    return wait_until(lambda: next((line for line in group.log.read_text().splitlines() if text in line), None), text)


def test_what_is_saved_runs_and_what_is_broken_does_not_take_its_place(group: RunningGroup, news: Observer) -> None:
    first = await_label(news, "red-one")
    before = group.services()

    save(group, "-one", "-two")
    await_label(news, "red-two")
    good = group.services()["enrich"]
    save(group, "yield", "yeld")
    broken = await_line(group, "SyntaxError")
    await_label(news, "red-two")
    still = group.services()["enrich"]
    save(group, '-two", value=float(self.threshold))', '-three")')
    save(group, "yeld", "yield")
    await_label(news, "red-three")
    after = group.services()

    assert (first.processor, first.value) == ("mine", 5.0)
    assert good.incarnation > before["enrich"].incarnation
    assert (
        f"mine.py saved, but enrich goes on as it was: {group.folder}/mine.py:10: SyntaxError: invalid syntax" in broken
    )
    assert (still.pid, still.restarts) == (good.pid, 0)
    others = ("dispatcher", "capture@front")
    assert [after[name].pid for name in others] == [before[name].pid for name in others]
    assert "Traceback" not in group.log.read_text()


def test_a_file_beside_it_that_it_imports_counts_too(group: RunningGroup, news: Observer) -> None:
    save(group, "red", "blue", "words_of_mine.py")

    def find() -> Finding | None:
        found = news.newest("finding/mine/front/", Finding)
        return found if found is not None and "blue" in found.label else None

    finding = wait_until(find, "blue")

    assert finding.label.startswith("blue-")
    assert "words_of_mine.py saved: enrich starts again" in group.log.read_text()


def test_what_it_raises_is_a_line_with_its_own_file_and_line(group: RunningGroup) -> None:
    save(group, "        yield", "        1 / 0\n        yield")

    line = await_line(group, "ZeroDivisionError at")

    assert f"processor mine: ZeroDivisionError at {group.folder}/mine.py:10" in line
    save(group, "        1 / 0\n", "")

"""One job from its parameters to what the endpoint said, and what a dead target costs the others: nothing."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from endpoint import Endpoint, endpoint
from framebus.access import Reach, reach_file
from framebus.notify_settings import AT_ONCE, NotifySettings, Rule, Target, notify_process_settings
from framebus.place import Place
from framebus.requests import FailKind
from framebus.runner import RunnerContext, WorkError
from framebus.testing import FakeClock, FakeReport
from framebus_services.notify.contract import Kind
from framebus_services.notify.lanes import Lane
from framebus_services.notify.pictures import PictureFiles
from framebus_services.notify.runner import Notifier
from services.notify.samples_of_notify import notification

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as server:
        server.body = b"thanks"
        yield server


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "run").mkdir()
    return Place.at(tmp_path / "run", data=tmp_path / "data", shm=tmp_path / "shm")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def runner(server: Endpoint, place: Place, clock: FakeClock) -> Notifier:
    targets = {
        "phone": Target(url=server.url),
        "photos": Target(url=server.url, without_picture="texts"),
        "texts": Target(url=f"{server.url}/texts"),
    }
    settings = notify_process_settings(NotifySettings(to=targets, rules=[Rule()]), "", ["front_door"])
    return Notifier(RunnerContext(place=place, clock=clock, raw_settings=msgspec.json.encode(settings)))


def failure(runner: Notifier, tmp_path: Path, **changes: object) -> WorkError:
    with pytest.raises(WorkError) as raised:
        runner.run(notification(**changes), FakeReport(tmp_path, ID))
    return raised.value


def test_what_is_delivered_says_the_id_of_its_job_and_leaves_no_picture(
    runner: Notifier, server: Endpoint, place: Place, tmp_path: Path
) -> None:
    PictureFiles(place.data).keep(ID, b"a picture")
    reach_file(place.run).write_bytes(msgspec.json.encode(Reach(address="http://nas:8480", data="/data", pid=1)))

    result = runner.run(notification(), FakeReport(tmp_path, ID)).result

    assert (result.status, result.answer, result.picture_bytes) == (200, "200 OK: thanks", 9)
    assert (server.asked[0]["id"], server.asked[0]["page"]) == (ID, "http://nas:8480/")
    assert list((place.data / "notify").iterdir()) == []


def test_a_page_that_no_phone_can_open_is_not_named(
    runner: Notifier, server: Endpoint, place: Place, tmp_path: Path
) -> None:
    reach_file(place.run).write_bytes(msgspec.json.encode(Reach(address="http://127.0.0.1:8480", data="/data", pid=1)))

    runner.run(notification(), FakeReport(tmp_path, ID))

    assert server.asked[0]["page"] is None


def test_a_failure_that_may_pass_keeps_the_picture_and_one_for_good_does_not(
    runner: Notifier, server: Endpoint, place: Place, tmp_path: Path
) -> None:
    files = PictureFiles(place.data)
    files.keep(ID, b"a picture")
    server.next.extend([(500, {}), (404, {})])

    passing = failure(runner, tmp_path)
    kept = files.read(ID)
    final = failure(runner, tmp_path)

    assert (passing.kind, final.kind) == (FailKind.TRANSIENT, FailKind.PERMANENT)
    assert (kept, files.read(ID)) == (b"a picture", None)


def test_a_test_is_tried_once(runner: Notifier, server: Endpoint, tmp_path: Path) -> None:
    server.status = 500

    error = failure(runner, tmp_path, kind=Kind.TEST)

    assert error.kind is FailKind.PERMANENT


def test_what_has_no_picture_goes_to_the_target_that_needs_none(
    runner: Notifier, server: Endpoint, place: Place, tmp_path: Path
) -> None:
    runner.run(notification(to="photos"), FakeReport(tmp_path, ID))
    PictureFiles(place.data).keep(ID, b"a picture")
    runner.run(notification(to="photos"), FakeReport(tmp_path, ID))

    assert [post.path for post in server.posts] == ["/v1/texts", "/v1"]


def test_a_target_that_nobody_knows_is_told_with_those_that_there_are(runner: Notifier, tmp_path: Path) -> None:
    error = failure(runner, tmp_path, to="fone")

    assert error.kind is FailKind.PERMANENT
    assert str(error) == "there is no target fone; services.notify.to has phone, photos, texts"


def test_who_asked_to_be_left_alone_is_and_the_others_are_not(
    runner: Notifier, server: Endpoint, clock: FakeClock, tmp_path: Path
) -> None:
    server.next.append((429, {"Retry-After": "30"}))

    asked = failure(runner, tmp_path)
    clock.advance(29.0)
    resting = failure(runner, tmp_path)
    other = runner.run(notification(to="texts"), FakeReport(tmp_path, ID))
    clock.advance(1.0)
    after = runner.run(notification(), FakeReport(tmp_path, ID))

    assert (asked.kind, resting.kind) == (FailKind.TRANSIENT, FailKind.TRANSIENT)
    assert str(resting) == "phone asked to be left alone; 1 s of that are left"
    assert (other.result.status, after.result.status) == (200, 200)
    assert len(server.posts) == 3


def test_a_target_that_hangs_has_few_posts_under_way_and_the_rest_goes_back_at_once(
    runner: Notifier, server: Endpoint, tmp_path: Path
) -> None:
    server.delays_s.extend([1.5] * AT_ONCE)
    threads = [
        threading.Thread(target=runner.run, args=(notification(), FakeReport(tmp_path, ID))) for _ in range(AT_ONCE)
    ]

    for thread in threads:
        thread.start()
    while len(server.posts) < AT_ONCE:
        assert any(thread.is_alive() for thread in threads)
    more = failure(runner, tmp_path)
    other = runner.run(notification(to="texts"), FakeReport(tmp_path, ID))
    for thread in threads:
        thread.join(10.0)

    assert str(more) == "phone has 3 notifications in hand; this one comes after them"
    assert other.result.status == 200
    assert json.loads(server.posts[-1].body)["id"] == ID


def test_a_place_in_a_lane_comes_back() -> None:
    lane = Lane("phone", FakeClock().boot_s)

    for _ in range(2 * AT_ONCE):
        lane.enter()
        lane.leave()

    lane.enter()

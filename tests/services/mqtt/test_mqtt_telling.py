"""What the bridge says of news, topic by topic, in memory."""

import re
import threading
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from framebus import codec
from framebus.door import Reply
from framebus.errors import ErrorCode, RefusedError
from framebus.events import EndedObject, events_folder, picture_name
from framebus.messages import (
    BoardStatus,
    Box,
    CameraState,
    Cause,
    ConfigChanged,
    Gone,
    JobBoard,
    Phase,
    QueueStatus,
)
from framebus.requests import Snapshot, TakeSnapshot
from framebus_services.mqtt.names import TABLE, ascii_id, segment
from services.mqtt.mqtt_rig import Bridge, motion, sight, status

ID = "1790000000250-00c0de"


def board() -> JobBoard:
    queue = QueueStatus(max_queued=100, max_running=1, free=98, waiting=1, running=1, processed_total=7)
    return JobBoard(type="export", status=BoardStatus.RUNNING, queue=queue)


def test_every_row_of_the_table_is_told_and_nothing_else(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.when_asked(TakeSnapshot, lambda _: Reply(snapshot(), b"whole"))

    for news in (status(), motion(), sight(zones=["porch"]), board()):
        bridge.bus.deliver(news)
    bridge.shoot("front")
    bridge.bus.advance(2.0)

    def pattern(row: str) -> str:
        return re.sub(r"<\w+>", "[^/]+", row).replace("*", "framebus")

    said = {one.topic: one for one in bridge.link.said if not one.topic.startswith("homeassistant/")}
    rows = {topic: [row for row in TABLE if re.fullmatch(pattern(row.pattern), topic)] for topic in said}
    assert all(len(found) == 1 for found in rows.values()), rows
    assert {row.pattern for found in rows.values() for row in found} == {row.pattern for row in TABLE}
    assert all(
        (said[topic].is_retained, said[topic].qos) == (row.is_retained, row.qos) for topic, [row] in rows.items()
    )


def snapshot() -> Snapshot:
    return Snapshot(camera="front", number=1, captured_at_s=1_000.0, width=640, height=360)


def test_a_camera_is_told_when_it_changes_and_not_when_only_its_rate_jitters(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()

    bridge.bus.deliver(status(fps_in=12.5, is_recording=True))
    bridge.bus.deliver(status(fps_in=12.7, is_recording=True))
    bridge.bus.deliver(status(state=CameraState.OFFLINE, cause=Cause.AUTH, detail="wrong password"))

    said = [msgspec.json.decode(one.payload) for one in bridge.link.said if one.topic == "framebus/front/state"]
    assert said == [
        {"state": "online", "cause": "none", "detail": "", "fps": 12.5, "recording": True},
        {"state": "offline", "cause": "auth", "detail": "wrong password", "fps": 0.0, "recording": False},
    ]


def test_a_camera_of_whose_process_nothing_is_heard_is_not_told_to_be_online(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.deliver(status())

    bridge.bus.advance(7.0)

    assert '"cause":"gone"' in bridge.kept["framebus/front/state"]
    assert '"state":"offline"' in bridge.kept["framebus/back/state"], "it was never heard"


def test_motion_is_off_when_nothing_has_moved_for_a_while(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    before = bridge.kept["framebus/front/motion"]

    bridge.bus.deliver(motion())
    bridge.bus.advance(9.0)
    during = bridge.kept["framebus/front/motion"]
    bridge.bus.advance(2.0)

    assert (before, during, bridge.kept["framebus/front/motion"]) == ("OFF", "ON", "OFF")


def test_objects_are_counted_by_label_and_zone_as_they_come_move_and_go(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()

    def counts() -> list[str]:
        return [bridge.kept[f"framebus/front/{topic}"] for topic in ("objects/person", "zones/porch/person")]

    seen = []
    for event in (
        sight("a"),
        sight("b", zones=["porch"]),
        sight("a", Phase.UPDATE, zones=["porch"]),
        sight("b", Phase.END),
        sight("a", Phase.UPDATE),
        sight("a", Phase.END),
    ):
        bridge.bus.deliver(event)
        seen.append("".join(counts()))

    assert seen == ["10", "21", "22", "11", "10", "00"]
    assert [event["type"] for event in bridge.events] == ["start", "start", "end", "end"]
    assert bridge.events[1]["zones"] == ["porch"]
    assert bridge.events[0]["score"] == 0.912


def test_who_was_there_before_the_bridge_is_counted_and_who_went_unheard_is_not_for_ever(tmp_path: Path) -> None:
    file = write_open(tmp_path, there(ID))
    bridge = Bridge(tmp_path).connect()

    at_first = bridge.kept["framebus/front/zones/porch/car"]
    bridge.bus.advance(120.0)
    later = bridge.kept["framebus/front/objects/car"]
    file.unlink()
    bridge.bus.advance(60.0)

    assert (at_first, later, bridge.kept["framebus/front/objects/car"]) == ("1", "1", "0")


def test_nobody_is_there_when_enrich_died_and_those_of_its_next_life_stay(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.deliver(sight("before"))

    bridge.bus.deliver(Gone(src="enrich", incarnation=1), src="dispatcher")
    dead = bridge.kept["framebus/front/objects/person"]
    bridge.bus.deliver(sight("after"))
    bridge.bus.deliver(Gone(src="enrich", incarnation=1), src="dispatcher")

    assert (dead, bridge.kept["framebus/front/objects/person"]) == ("0", "1")


def test_an_object_whose_start_was_lost_is_counted_and_one_that_just_ended_is_not(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.deliver(sight("ended"))
    bridge.bus.deliver(sight("ended", Phase.END))
    write_open(tmp_path, there("lost"), there("ended"))

    bridge.bus.advance(31.0)

    assert bridge.kept["framebus/front/objects/car"] == "1"


def there(id: str) -> EndedObject:
    """As enrich has it on disk."""
    return EndedObject(
        camera="front",
        id=id,
        label="car",
        score=0.5,
        start_at_s=1.0,
        end_at_s=2.0,
        ending="lost",
        zones=["porch"],
        box=Box(x=0, y=0, width=1, height=1),
        width=640,
        height=360,
        number=1,
    )


def write_open(data: Path, *objects: EndedObject) -> Path:
    folder = events_folder(data, "front")
    folder.mkdir(parents=True)
    (folder / "open.json").write_bytes(msgspec.json.encode(objects))
    return folder / "open.json"


def test_labels_that_mqtt_forbids_have_names_that_it_takes(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()

    for number, label in enumerate(("a/b", "#", "+", "traffic light", "人", "\0", " ")):
        bridge.bus.deliver(sight(f"{number}", label=label))

    labels = [topic.removeprefix("framebus/front/objects/") for topic in bridge.kept if "/objects/" in topic]
    assert labels == ["a_b", "unnamed", "traffic_light", "人"]
    assert bridge.kept["framebus/front/objects/unnamed"] == "4"
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", ascii_id(segment(label))) for label in labels)
    assert bridge.events[0]["label"] == "a/b"


def test_labels_without_end_are_bounded_and_counted(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()

    for number in range(120):
        bridge.bus.deliver(sight(f"{number}", label=f"label{number}"))

    assert len([topic for topic in bridge.kept if topic.startswith("framebus/front/objects/")]) == 100
    assert bridge.bus.stats.counters["dropped.labels"] == 20


def test_a_camera_that_is_removed_leaves_nothing_and_a_zone_only_what_was_its(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.deliver(status())
    bridge.bus.deliver(sight(zones=["porch"]))
    bridge.shoot("front")
    bridge.bus.settle()

    bridge.bus.deliver(configured({"front": {"zones": {}}, "back": {}}))
    without_zone = list(bridge.link.kept)
    bridge.bus.deliver(configured({"back": {}}))

    assert not [topic for topic in without_zone if "porch" in topic]
    assert "framebus/front/pictures/person" in without_zone
    assert not [topic for topic in bridge.link.kept if "front" in topic]
    assert bridge.kept["framebus/back/motion"] == "OFF"


def configured(cameras: dict[str, object]) -> ConfigChanged:
    return ConfigChanged(section="cameras", revision=1, value=Raw(codec.encode(cameras)))


def test_what_a_life_left_at_the_broker_and_is_no_more_the_next_one_takes_away(tmp_path: Path) -> None:
    first = Bridge(tmp_path).connect()
    first.bus.deliver(sight())
    first.bus.deliver(sight("b", camera="back"))
    first.bus.deliver(status("back"))
    first.shoot("back")
    first.bus.settle()

    second = Bridge(tmp_path, zones={"back": []})
    second.link.kept = dict(first.link.kept)
    second.connect()

    assert second.link.client == first.link.client
    assert not [topic for topic in second.link.kept if "front" in topic]
    assert second.kept["framebus/back/state"], "it stands until there is something newer to say"
    assert second.kept["framebus/back/pictures/person"] == "jpeg"
    second.bus.advance(1.0)
    third = Bridge(tmp_path, zones={"back": []}).connect()
    assert not [one for one in third.link.said if not one.payload], "what was acknowledged is forgotten"


def test_a_count_that_a_killed_life_left_is_put_right(tmp_path: Path) -> None:
    first = Bridge(tmp_path).connect()
    first.bus.deliver(sight())

    second = Bridge(tmp_path)
    second.link.kept = dict(first.link.kept)
    second.connect()

    assert second.kept["framebus/front/objects/person"] == "0"


# The broker ---------------------------------------------------------------------------------------------------------


def test_all_is_told_again_to_a_broker_that_comes_back_and_that_we_are_there_last(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.deliver(status())
    bridge.bus.deliver(sight())
    before = dict(bridge.link.kept)
    bridge.link.heard.down("the connection broke")
    bridge.link.kept.clear()

    bridge.connect()

    assert bridge.link.kept == before
    assert bridge.link.said[-1].topic == "framebus/available"


def test_a_broker_that_is_away_is_a_complaint_without_password_and_no_illness(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path)

    bridge.link.heard.down("it refuses user and password")

    assert bridge.bus.complaint == "broker mqtt://10.0.0.7:1883: it refuses user and password"
    assert bridge.service.is_healthy()
    bridge.bus.advance(5.0)
    assert bridge.bus.complaint, "until it is there"
    bridge.connect()
    assert bridge.bus.complaint == ""


def test_a_connection_that_nobody_looks_after_is_an_illness(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()

    bridge.link.is_alive = False

    assert not bridge.service.is_healthy()


def test_to_a_slow_broker_states_go_with_their_newest_value_only(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.deliver(sight("0"))
    bridge.link.is_slow = True

    for number in range(1, 300):
        bridge.bus.deliver(sight(f"{number}"))
    bridge.bus.advance(15.0)

    assert bridge.link.in_flight == 20
    assert "takes nothing" in bridge.bus.complaint
    bridge.link.is_slow = False
    bridge.link.acknowledge()
    bridge.bus.settle()
    assert bridge.kept["framebus/front/objects/person"] == "300"
    assert bridge.bus.stats.counters["dropped.events"] > 0
    bridge.bus.advance(1.0)
    assert bridge.bus.complaint == ""


def test_events_of_an_outage_are_told_while_they_are_fresh(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path)

    bridge.bus.deliver(sight("old"))
    bridge.bus.advance(61.0)
    bridge.bus.deliver(sight("new"))
    bridge.connect()

    assert [event["id"] for event in bridge.events] == ["new"]
    assert bridge.bus.stats.counters["dropped.late_events"] == 1


def test_an_event_whose_fate_nobody_knows_is_told_again(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.link.is_slow = True
    bridge.bus.deliver(sight())
    lost, bridge.link.unacknowledged = bridge.link.unacknowledged, []
    bridge.link.is_slow = False

    for one in lost:
        bridge.link.heard.unsent(one)
    bridge.link.heard.down("the connection broke")
    bridge.connect()

    assert len(bridge.events) == 1


def test_an_orderly_stop_says_offline(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()

    bridge.service.stop()

    assert bridge.kept["framebus/available"] == "offline"
    assert (bridge.link.will.topic, bridge.link.will.payload) == ("framebus/available", b"offline")


# Pictures -----------------------------------------------------------------------------------------------------------


def test_a_picture_comes_with_an_object_and_its_best_one_when_it_has_gone(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.when_asked(TakeSnapshot, lambda _: Reply(snapshot(), b"whole"))
    best = tmp_path / picture_name("front", ID)
    best.parent.mkdir(parents=True)
    best.write_bytes(b"best")

    bridge.bus.deliver(sight(ID))
    bridge.await_count("published.pictures", 1)
    first = bridge.kept["framebus/front/pictures/person"]
    bridge.bus.deliver(sight(ID, Phase.END))
    bridge.bus.advance(1.0)
    bridge.await_count("published.pictures", 2)

    assert (first, bridge.kept["framebus/front/pictures/person"]) == ("whole", "best")


def test_a_camera_has_at_most_a_picture_a_second(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.when_asked(TakeSnapshot, lambda _: Reply(snapshot(), b"whole"))

    for number in range(20):
        bridge.bus.deliver(sight(f"{number}"))
    bridge.await_count("published.pictures", 1)
    bridge.bus.advance(0.9)

    assert len(bridge.bus.asked) == 1
    assert bridge.bus.stats.counters["skipped.pictures"] == 18


@pytest.mark.parametrize("error", [None, RefusedError(ErrorCode.UNAVAILABLE, "there is no frame yet")])
def test_a_camera_that_gives_no_picture_leaves_the_one_before(tmp_path: Path, error: Exception | None) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.shoot("front", jpeg=b"before")

    def refuse(_: TakeSnapshot) -> Reply:
        assert error is not None
        raise error

    if error is not None:
        bridge.bus.when_asked(TakeSnapshot, refuse)
    bridge.bus.deliver(sight())

    bridge.await_count("missing.pictures", 1, step_s=0.1)

    assert bridge.kept["framebus/front/pictures/person"] == "before"


def test_a_camera_that_does_not_answer_is_asked_once_at_a_time(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    is_asked, answers = threading.Event(), threading.Event()

    def wait(_: TakeSnapshot) -> Reply:
        is_asked.set()
        assert answers.wait(10.0)
        return Reply(snapshot(), b"late")

    bridge.bus.when_asked(TakeSnapshot, wait)
    for number in range(10):
        bridge.bus.deliver(sight(f"{number}"))
        bridge.bus.advance(2.0)
        assert is_asked.wait(10.0)  # by a thread, which a busy machine lets wait
    asked = len(bridge.bus.asked)
    answers.set()
    bridge.await_count("published.pictures", 1)

    assert asked == 1
    assert bridge.bus.stats.counters["skipped.pictures"] == 8


def test_a_picture_too_large_for_a_broker_is_not_sent(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.when_asked(TakeSnapshot, lambda _: Reply(snapshot(), bytes(2**21)))

    bridge.bus.deliver(sight())
    bridge.await_count("dropped.pictures", 1, step_s=0.1)

    assert "framebus/front/pictures/person" not in bridge.kept

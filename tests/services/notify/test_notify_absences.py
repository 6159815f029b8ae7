"""A camera that goes away for long enough is told of, and that it is back."""

from framebus.messages import CameraState
from framebus.notify_settings import Rule, Target, When
from framebus_services.notify.absences import Absences
from framebus_services.notify.words import camera_text, lasting, object_text
from services.notify.samples_of_notify import NOW_AT_S, camera_status, object_event

TARGETS = {"phone": Target(url="http://phone/")}
RULE = Rule(when=When.CAMERA, away_s=30.0, rest_s=0.0)


def absences(rule: Rule = RULE, cameras: tuple[str, ...] = ("front_door",)) -> Absences:
    return Absences([rule], TARGETS, list(cameras), None)


def test_a_camera_is_away_when_it_was_away_for_so_long_whatever_it_tried_meanwhile() -> None:
    watching = absences()
    watching.note(camera_status(CameraState.OFFLINE, detail="wrong password"), NOW_AT_S, 100.0)
    retrying = camera_status(CameraState.CONNECTING, since_at_s=NOW_AT_S + 20.0)
    watching.note(retrying, NOW_AT_S + 20.0, 120.0)

    before = watching.due(NOW_AT_S + 29.0, 129.0)
    (told,) = watching.due(NOW_AT_S + 30.0, 130.0)
    again = watching.due(NOW_AT_S + 300.0, 400.0)

    assert (before, again) == ([], [])
    assert (told.target, told.since_at_s) == ("phone", NOW_AT_S)
    assert camera_text(told, NOW_AT_S + 30.0) == "Front Door is away: wrong password"


def test_it_is_back_for_those_who_know_that_it_was_away_and_for_no_others() -> None:
    watching = absences()

    watching.note(camera_status(CameraState.OFFLINE), NOW_AT_S, 100.0)
    soon = watching.note(camera_status(CameraState.ONLINE), NOW_AT_S + 5.0, 105.0)
    watching.note(camera_status(CameraState.OFFLINE, since_at_s=NOW_AT_S + 10.0), NOW_AT_S + 10.0, 110.0)
    watching.due(NOW_AT_S + 40.0, 140.0)
    (back,) = watching.note(camera_status(CameraState.DEGRADED), NOW_AT_S + 310.0, 410.0)
    later = watching.note(camera_status(CameraState.ONLINE), NOW_AT_S + 311.0, 411.0)

    assert (soon, later) == ([], [])
    assert camera_text(back, NOW_AT_S + 310.0) == "Front Door is back after 5 min"


def test_a_process_that_died_takes_its_camera_away_and_one_that_is_back_at_once_does_not() -> None:
    watching = absences()

    watching.note_stale("front_door", NOW_AT_S, 100.0)
    watching.note(camera_status(CameraState.ONLINE), NOW_AT_S + 1.0, 101.0)
    after_restart = watching.due(NOW_AT_S + 100.0, 200.0)
    watching.note_stale("front_door", NOW_AT_S + 100.0, 200.0)

    assert after_restart == []
    assert len(watching.due(NOW_AT_S + 130.0, 230.0)) == 1


def test_a_camera_that_was_away_before_we_came_counts_from_when_it_went() -> None:
    watching = absences()

    watching.note(camera_status(CameraState.OFFLINE, since_at_s=NOW_AT_S - 3_600.0), NOW_AT_S, 100.0)

    assert len(watching.due(NOW_AT_S, 100.0)) == 1


def test_a_camera_that_comes_and_goes_tells_no_oftener_than_its_rule_may() -> None:
    watching = absences(Rule(when=When.CAMERA, away_s=30.0, rest_s=600.0))
    told = []

    for start_s in (0.0, 60.0, 120.0, 660.0):
        watching.note(camera_status(CameraState.OFFLINE, since_at_s=NOW_AT_S + start_s), NOW_AT_S + start_s, start_s)
        told.append(len(watching.due(NOW_AT_S + start_s + 30.0, start_s + 30.0)))
        watching.note(camera_status(CameraState.ONLINE), NOW_AT_S + start_s + 40.0, start_s + 40.0)

    assert told == [1, 0, 0, 1]


def test_cameras_of_uploads_and_those_that_were_taken_out_of_the_configuration_do_not_go_away() -> None:
    watching = absences(cameras=("garden", "yard"))

    watching.note(camera_status(CameraState.OFFLINE), NOW_AT_S, 100.0)
    watching.note(camera_status(CameraState.UPLOAD, camera="yard"), NOW_AT_S, 100.0)

    assert watching.due(NOW_AT_S + 600.0, 700.0) == []


def test_words_are_those_of_people() -> None:
    assert object_text(object_event(zones=["porch", "gate"])) == "Person at Front Door (porch, gate)"
    assert object_text(object_event(label="", camera="cam-1")) == "Object at Cam 1"
    assert [lasting(length_s) for length_s in (0.4, 42.4, 65.0, 3_700.0, 7_300.0)] == [
        "0 s",
        "42 s",
        "1 min",
        "62 min",
        "2 h",
    ]

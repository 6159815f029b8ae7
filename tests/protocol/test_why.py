"""The explanation of a camera: from what was heard of it for two seconds to a verdict and a row for each stage."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from framebus import codec
from framebus.codec import Head, News
from framebus.evidence import Evidence, Meter, Reading
from framebus.messages import (
    CameraState,
    CameraStatus,
    Cause,
    ConfigChanged,
    Gone,
    Latency,
    Message,
    ServiceState,
    ServiceStats,
    ServiceStatus,
)
from framebus.stage import Stage
from framebus.topics import find_topic, topic_of
from framebus.why import Why, explain
from protocol.noticed import notice

FRONT = {"source": "rtsp://10.0.0.5/x", "detect": {"fps": 5}}


def news(message: Message, *, at_s: float = 1_000.0, up_s: float = 100.0, epoch: int = 1) -> News:
    topic = topic_of(type(message)).name(message)
    row = find_topic(topic)
    assert row is not None
    head = Head(v=1, src="x", epoch=epoch, seq=1, at_s=at_s, up_s=up_s, host="h")
    return News(topic=topic, row=row, head=head, body=codec.encode(message))


def status(**changes: Any) -> CameraStatus:
    well = CameraStatus(
        camera="front",
        state=CameraState.ONLINE,
        since_at_s=1_000.0,
        source="rtsp://10.0.0.5/x",
        codec="h264",
        width=1920,
        height=1080,
        fps_in=25.0,
        fps_out=5.0,
        is_recording=True,
    )
    return msgspec.structs.replace(well, **changes)


def service(name: str, state: ServiceState = ServiceState.READY, **more: Any) -> ServiceStatus:
    return ServiceStatus(name=name, state=state, since_at_s=1.0, **more)


def latency(p50_ms: float, p99_ms: float, count: int = 5) -> Latency:
    return Latency(count=count, p50_ms=p50_ms, p99_ms=p99_ms)


def config(cameras: dict[str, Any]) -> ConfigChanged:
    return ConfigChanged(section="cameras", revision=1, value=Raw(codec.encode(cameras)))


def well() -> Evidence:
    """A camera of 25 fps whose pictures are made at 5 fps, looked at for two seconds."""
    evidence = Evidence(camera="front")
    evidence.note(news(status()))
    evidence.note(news(config({"front": FRONT})))
    for name in ("capture@front", "enrich"):
        evidence.note(news(service(name)))
    count(evidence, "capture@front", {"frames": 50, "pictures": 10}, latencies={"packet_to_ring": latency(1.0, 2.0)})
    count(evidence, "enrich", {"frames.front": 10}, latencies={"frame.front": latency(5.0, 14.0)})
    return evidence


def count(
    evidence: Evidence,
    name: str,
    grown: dict[str, int],
    *,
    latencies: dict[str, Latency] | None = None,
    gauges: dict[str, float] | None = None,
) -> None:
    """Let a service count so much in two seconds, in place of what it counted before."""
    evidence.before.pop(name, None)
    evidence.after.pop(name, None)
    start = dict.fromkeys(grown, 1000)
    end = {counter: 1_000 + number for counter, number in grown.items()}
    told = ServiceStats(name=name, counters=end, latencies=latencies or {}, gauges=gauges or {})
    evidence.note(news(ServiceStats(name=name, counters=start), up_s=100.0))
    evidence.note(news(told, up_s=102.0))


def stage(why: Why, name: str) -> Stage:
    return next(stage for stage in why.stages if stage.name == name)


def test_a_camera_that_is_well_is_said_to_be_in_one_line_with_its_rates() -> None:
    why = explain(well())

    assert why.verdict == "front: well: detect 5.0 of 5.0 fps, p99 14 ms, 0 dropped"
    assert why.is_well
    assert [stage.name for stage in why.stages] == ["source", "decode", "ring", "enrich", "recording", "disk"]


def test_rates_are_of_the_time_between_two_stats_and_wanted_is_what_the_configuration_says() -> None:
    why = explain(well())

    assert stage(why, "decode").rate_hz == 25.0
    ring = stage(why, "ring")
    assert (ring.rate_hz, ring.wanted_hz, ring.p50_ms, ring.p99_ms) == (5.0, 5.0, 1.0, 2.0)


def test_thinning_and_scaling_are_told_as_what_the_configuration_asked_for() -> None:
    evidence = well()
    evidence.note(news(notice(width=1280, height=720)))

    notes = stage(explain(evidence), "ring").notes

    assert notes == [
        "thinned from 25.0 to 5 fps, as detect.fps says",
        "scaled from 1920x1080 to 1280x720, at most 1280x720 unless detect.width says else",
    ]


def test_thinning_that_no_setting_asked_for_names_the_setting_that_ends_it() -> None:
    evidence = well()
    evidence.note(news(config({"front": {"source": "rtsp://10.0.0.5/x"}})))

    notes = stage(explain(evidence), "ring").notes

    assert notes == ["thinned from 25.0 to 5 fps, as for every video unless detect.fps says else"]


def test_a_camera_that_is_offline_is_explained_by_its_cause_and_by_nothing_that_follows_from_it() -> None:
    evidence = well()
    count(evidence, "capture@front", {"frames": 0, "pictures": 0})
    fault = {"cause": Cause.AUTH, "detail": "401 Unauthorized", "source": "rtsp://***@10.0.0.5/x"}
    away = status(state=CameraState.OFFLINE, fps_in=0.0, retry_at_s=1_020.0, **fault)
    evidence.note(news(away, at_s=1_008.0))

    why = explain(evidence)

    assert why.verdict == "front: offline for 8 s: wrong user or password (401 Unauthorized); next try in 12 s"
    assert [stage.name for stage in why.stages if stage.trouble] == ["source"]


def test_frames_that_enrich_missed_are_told_with_what_keeps_it_busy() -> None:
    evidence = well()
    evidence.note(news(config({"front": {**FRONT, "detect": {"fps": 25}}})))
    count(evidence, "capture@front", {"frames": 50, "pictures": 50})
    busy = {"processor.slow": latency(40.0, 41.0, count=24), "motion": latency(0.4, 0.5, count=24)}
    count(evidence, "enrich", {"frames.front": 44, "missed.front": 6}, latencies=busy)

    why = explain(evidence)

    assert why.verdict == (
        "front: enrich: missed 3.0 of 25.0 fps: it is busy 96 % with processor slow (p99 41 ms); "
        "make it a DeferredProcessor, or set detect.fps lower"
    )
    assert stage(why, "enrich").drops == {"missed": 6}


def test_work_on_a_worker_is_not_what_keeps_the_loop_busy() -> None:
    evidence = well()
    parts = {"processor.slow.task": latency(190.0, 200.0), "processor.slow.age": latency(900.0, 990.0)}
    count(evidence, "enrich", {"frames.front": 5, "missed.front": 5}, latencies=parts)

    assert "none of its parts is slow" in explain(evidence).verdict


def test_what_a_deferred_processor_leaves_out_is_told_with_its_reasons_in_words() -> None:
    evidence = well()
    counted = {
        "processor.plates.tasks": 10,
        "processor.plates.done": 4,
        "processor.plates.dropped.replaced.front": 6,
        "processor.plates.dropped.replaced.yard": 99,
        "findings.plates.front": 2,
        "frames.front": 10,
    }
    times = {"processor.plates.task": latency(400.0, 480.0, 2), "processor.plates.age": latency(210.0, 260.0)}
    count(evidence, "enrich", counted, latencies=times, gauges={"processor.plates.queued": 1.0})

    why = explain(evidence)
    plates = stage(why, "processor plates")

    text = "left out 3.0 frames/s: a task takes 400 ms; 6 gave way to newer ones"
    assert why.verdict == f"front: processor plates: {text}"
    assert (plates.rate_hz, plates.wanted_hz, plates.p99_ms) == (2.0, 5.0, 480.0)
    assert plates.notes == ["1.0 findings/s", "1 wait", "its frames are 210 ms old (p99 260)"]


def test_a_processor_that_fails_says_where_to_look() -> None:
    evidence = well()
    count(evidence, "enrich", {"frames.front": 10, "processor.faulty.errors": 3})

    verdict = explain(evidence).verdict

    assert verdict == "front: processor faulty: failed 3 times while we looked; framebus logs enrich shows where"


def test_what_does_not_work_at_all_goes_before_what_works_badly() -> None:
    evidence = well()
    count(evidence, "enrich", {"frames.front": 5, "missed.front": 5})
    evidence.note(news(status(is_recording=False)))

    why = explain(evidence)

    assert why.verdict == "front: recording: nothing is recorded; framebus logs capture@front"


def test_a_disk_without_space_is_the_disks_trouble() -> None:
    evidence = well()
    evidence.note(
        news(status(state=CameraState.DEGRADED, cause=Cause.NO_SPACE, detail="3 MB free", is_recording=False))
    )
    count(evidence, "capture@front", {"frames": 50}, gauges={"disk_free_bytes": 3e6, "disk_floor_bytes": 2e9})

    why = explain(evidence)

    assert why.verdict.startswith("front: disk: 3 MB free; make room")
    assert stage(why, "disk").notes == ["3.0 MB free; recording pauses below 2.0 GB"]


def test_memory_without_space_is_the_rings_trouble_and_not_the_disks() -> None:
    evidence = well()
    detail = "the ring needs more than /dev/shm has"
    evidence.note(news(status(state=CameraState.DEGRADED, cause=Cause.NO_SPACE, detail=detail)))
    count(evidence, "capture@front", {"frames": 50, "dropped.no_ring": 10})

    why = explain(evidence)

    assert why.verdict == f"front: ring: {detail}"
    assert stage(why, "disk").trouble == ""


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"enabled": False}, "switched off by record.enabled"),
        ({"encoder": "none"}, "its pictures are not recorded, as record.encoder says"),
    ],
)
def test_a_recording_that_is_switched_off_is_no_trouble(record: dict[str, Any], said: str) -> None:
    evidence = well()
    evidence.note(news(config({"front": {**FRONT, "record": record}})))
    evidence.note(news(status(is_recording=False)))

    why = explain(evidence)

    assert why.is_well
    assert stage(why, "recording").notes == [said]


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        (ServiceState.SUSPECTED, "no beat for 3 s", "enrich is suspected: no beat for 3 s"),
        (ServiceState.BROKEN, "exit code 70", "enrich is broken: exit code 70; framebus start enrich"),
        (ServiceState.STOPPED, "", "enrich is stopped; framebus start enrich"),
    ],
)
def test_a_service_that_is_silent_is_explained_by_what_its_launcher_says(
    state: ServiceState, reason: str, said: str
) -> None:
    evidence = well()
    del evidence.before["enrich"], evidence.after["enrich"]
    evidence.note(news(service("enrich", state, reason=reason)))

    assert explain(evidence).verdict == f"front: {said}"


def test_a_group_without_enrich_is_well_and_the_row_says_that_it_does_not_run() -> None:
    evidence = well()
    del evidence.before["enrich"], evidence.after["enrich"], evidence.services["enrich"]

    why = explain(evidence)

    assert why.verdict == "front: well: detect 5.0 of 5.0 fps, p99 2 ms, 0 dropped"
    assert stage(why, "enrich").notes == ["it does not run in this group (enrich: off, or up --only)"]


def test_without_a_launcher_what_is_missing_is_said_and_the_rest_shown() -> None:
    evidence = well()
    evidence.services.clear()
    evidence.settings = None

    why = explain(evidence)

    assert why.is_well
    assert "what is wanted is not known: no launcher told the settings" in stage(why, "ring").notes


def test_a_camera_whose_process_died_is_never_called_well() -> None:
    evidence = well()
    evidence.note(news(Gone(src="capture@front", incarnation=7)))
    evidence.note(news(service("capture@front", ServiceState.RESTARTING, reason="killed by SIGKILL", restarts=1)))

    why = explain(evidence)

    assert why.verdict == "front: capture@front is restarting: killed by SIGKILL"


def test_of_a_service_that_began_anew_no_rate_is_made_up() -> None:
    first = Reading(stats=ServiceStats(name="x", counters={"frames": 1_000}), epoch=1, up_s=1.0)
    second = Reading(stats=ServiceStats(name="x", counters={"frames": 3}), epoch=2, up_s=2.0)

    meter = Meter(first, second)

    assert (meter.rate_hz("frames"), meter.grown("frames")) == (None, 0)


def test_a_replay_of_the_same_stats_is_not_a_second_reading() -> None:
    evidence = Evidence(camera="front")
    told = news(ServiceStats(name="enrich", counters={"frames.front": 5}), up_s=5.0)

    evidence.note_all([told, told])

    assert evidence.meter("enrich").span_s is None
    assert not evidence.has_rates
    assert well().has_rates


def test_nothing_at_all_is_explained_too() -> None:
    why = explain(Evidence(camera="front"))

    assert why.verdict == "front: nothing is heard of capture@front; no launcher runs here that would know why"
    assert not why.is_well


def test_the_detector_has_a_row_with_its_looks_at_this_camera_and_what_it_left_out() -> None:
    evidence = well()
    counters = {"frames.front": 10, "detector.looks.front": 6, "detector.dropped.replaced.front": 4}
    times = {"detector.run": latency(300.0, 400.0), "detector.front": latency(350.0, 500.0)}
    count(evidence, "enrich", counters, latencies=times, gauges={"detector.working": 1.0})

    row = stage(explain(evidence), "detector")

    assert (row.rate_hz, row.p50_ms, row.p99_ms, row.drops) == (3.0, 300.0, 400.0, {"replaced": 4})
    assert row.trouble.startswith("left out 2.0 frames/s: 4 gave way to newer ones")
    assert "seen 350 ms after capture (p99 500)" in row.notes


def test_a_detector_that_does_not_work_is_never_called_well() -> None:
    evidence = well()
    count(evidence, "enrich", {"frames.front": 10}, gauges={"detector.working": 0.0})

    why = explain(evidence)

    assert not why.is_well
    assert why.verdict.startswith("front: detector: it does not work, objects come of motion alone; framebus logs")


def test_a_processor_on_the_loop_is_timed_by_its_calls_though_its_tasks_are_counted_too() -> None:
    evidence = well()
    counters = {"frames.front": 10, "processor.brightness.tasks": 10, "processor.brightness.done": 10}
    count(evidence, "enrich", counters, latencies={"processor.brightness": latency(0.1, 0.5)})

    row = stage(explain(evidence), "processor brightness")

    assert (row.rate_hz, row.wanted_hz, row.p50_ms, row.p99_ms) == (5.0, 5.0, 0.1, 0.5)


def test_a_camera_of_uploads_is_explained_as_one_and_not_by_frames_that_it_never_has() -> None:
    evidence = Evidence(camera="front")
    evidence.note(news(status(state=CameraState.UPLOAD, source="", is_recording=False)))
    evidence.note(news(service("ingest")))

    why = explain(evidence)

    assert why.is_well
    assert why.verdict.endswith("its pictures come as files, not as video; framebus uploads front lists them")
    assert [stage.name for stage in why.stages] == ["uploads"]


def test_uploads_are_not_well_while_nobody_takes_them() -> None:
    evidence = Evidence(camera="front")
    evidence.note(news(status(state=CameraState.UPLOAD)))
    evidence.note(news(service("ingest", ServiceState.STOPPED)))

    why = explain(evidence)

    assert not why.is_well
    assert why.verdict == "front: ingest is stopped; framebus start ingest"


def test_a_camera_that_comes_and_goes_is_not_well_because_it_is_online_just_now() -> None:
    evidence = well()
    away = status(state=CameraState.OFFLINE, cause=Cause.UNKNOWN, detail="bench.py:18: OSError: the cable fell out")
    evidence.note(news(away))
    evidence.note(news(status()))

    why = explain(evidence)

    assert not why.is_well
    assert why.verdict == "front: was offline while we looked: bench.py:18: OSError: the cable fell out"


def test_pictures_that_could_not_be_encoded_in_time_are_told_by_the_recording() -> None:
    evidence = well()
    count(evidence, "capture@front", {"frames": 50, "pictures": 10, "dropped.not_encoded": 7})

    assert stage(explain(evidence), "recording").drops == {"not_encoded": 7}


def test_a_service_that_was_killed_since_it_hung_is_told_as_that_in_the_words_of_status() -> None:
    evidence = well()
    evidence.note(news(service("enrich", restarts=1, signal=9, hung_s=6.0)))
    evidence.note(news(ServiceStats(name="enrich", counters={}), epoch=2, up_s=103.0))

    why = explain(evidence)

    assert why.verdict.endswith("enrich began anew while we looked, last when it hung: no beat for 6.0 s")


@pytest.mark.parametrize(("name", "counters"), [("capture@front", {"frames": 3}), ("enrich", {"frames.front": 3})])
def test_a_service_that_began_anew_while_we_looked_is_named_and_nothing_is_called_slow(
    name: str, counters: dict[str, int]
) -> None:
    evidence = well()
    evidence.note(news(service(name, restarts=1, signal=9)))
    evidence.note(news(ServiceStats(name=name, counters={}), epoch=2, up_s=103.0))
    evidence.note(news(ServiceStats(name=name, counters=counters), epoch=2, up_s=104.0))

    why = explain(evidence)

    assert not why.is_well
    assert why.verdict.endswith(f"{name} began anew while we looked, last after signal 9")


def test_what_enrich_complains_of_is_never_called_well() -> None:
    evidence = well()
    evidence.note(news(service("enrich", reason="detector: /m.onnx is no ONNX model")))

    why = explain(evidence)

    assert (why.is_well, why.verdict) == (False, "front: enrich: detector: /m.onnx is no ONNX model")


def test_the_end_of_a_life_long_past_which_is_told_each_second_is_nothing_of_the_living_one() -> None:
    evidence = well()
    evidence.note(news(Gone(src="capture@front", incarnation=7), epoch=1))
    evidence.note(news(status(), epoch=8))
    evidence.note(news(Gone(src="capture@front", incarnation=7), epoch=1))

    assert explain(evidence).is_well

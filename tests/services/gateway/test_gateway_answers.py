"""What comes back: files in ranges, lists, numbers, and refusals with the status that says what to do."""

import gzip
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gateway_rig import Rig
from msgspec import Raw

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.events import EndedObject
from framebus.messages import Box, JobState, JobView, ServiceState, ServiceStats, ServiceStatus
from framebus.requests import GetJob, PlanExport, SubmitJob
from framebus.service_requests import Snapshot, TakeSnapshot
from framebus_services.gateway.page_files import FOLDER
from framebus_services.gateway.refusals import STATUS
from framebus_services.gateway.table import ROUTES

MOST_PAGE_BYTES = 60_000
"""of script and style, as the gateway sends them; 54,000 when this was written"""

CLIP = {"type": "export", "params": {"camera": "front", "start": 1.0, "end": 2.0}}
HOUR_S = 1_790_000_000 // 3_600 * 3_600


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A gateway over folders with recordings, events and clips of `front`."""
    rig = Rig(tmp_path_factory.mktemp("filled"))
    for start_s, length_s in ((0, 10), (10, 10), (25, 10), (600, 10)):
        segment(rig, HOUR_S + start_s, length_s)
    events = [event(HOUR_S + 5.0, 4.0, "drive"), event(HOUR_S + 7.0, 6.0), event(HOUR_S + 100.0, 1.0, "drive")]
    day = rig.data / "events/front" / f"{day_of(HOUR_S)}.jsonl"
    write(day, b"".join(msgspec.json.encode(one) + b"\n" for one in events) + b'{"torn')
    write(rig.data / f"events/front/{events[0].id}.jpg", b"jpeg")
    for name in ("a.mp4", "b.mp4"):
        write(rig.data / "exports/front" / name, b"0123456789")
    os.utime(rig.data / "exports/front/a.mp4", (0, 0))
    write(rig.data / "exports/front/b.jpg", b"jpeg")
    write(rig.data / "exports/front/.c.1.0.part", b"half")
    write(rig.data / "exports/back/c.mp4", b"c")
    yield rig
    rig.close()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def day_of(at_s: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d}"


def segment(rig: Rig, start_s: float, length_s: float) -> None:
    folder = rig.data / "recordings/front" / day_of(start_s) / f"{int(start_s) // 3_600 % 24:02d}"
    write(folder / f"{round(start_s * 1_000)}_{round(length_s * 1_000)}.mp4", b"0123456789")


def event(start_s: float, length_s: float, *zones: str) -> EndedObject:
    return EndedObject(
        camera="front",
        id=f"{round(start_s * 1_000):013d}-abcdef",
        label="motion",
        score=0.5,
        start_at_s=start_s,
        end_at_s=start_s + length_s,
        ending="gone",
        zones=list(zones),
        box=Box(x=1, y=2, width=3, height=4),
        width=640,
        height=360,
        number=7,
        picture=f"events/front/{round(start_s * 1_000):013d}-abcdef.jpg",
    )


def spans_of(answer: dict[str, list[dict[str, float]]], name: str) -> list[tuple[float, float]]:
    return [(one["start_at_s"] - HOUR_S, one["end_at_s"] - HOUR_S) for one in answer[name]]


def test_recordings_are_told_with_their_gaps_and_where_to_get_them(filled: Rig) -> None:
    told = filled.get(f"/api/recordings?camera=front&start={HOUR_S}&end={HOUR_S + 40}")

    assert spans_of(told, "segments") == [(0, 10), (10, 20), (25, 35)]
    assert spans_of(told, "spans") == [(0, 20), (25, 35)]
    assert spans_of(told, "gaps") == [(20, 25), (35, 40)]
    assert told["oldest_at_s"] == HOUR_S
    assert filled.ask(f"/{told['segments'][0]['url']}", token=filled.viewer).body == b"0123456789"


def test_recordings_come_in_pages_that_join_without_overlap(filled: Rig) -> None:
    path = f"/api/recordings?camera=front&start={HOUR_S}&end={HOUR_S + 40}&limit=2"
    first = filled.get(path)

    second = filled.get(f"{path}&next={first['next']}")

    assert spans_of(first, "segments") + spans_of(second, "segments") == [(0, 10), (10, 20), (25, 35)]
    assert spans_of(first, "gaps") + spans_of(second, "gaps") == [(20, 25), (35, 40)]
    assert second["next"] is None


def test_a_long_range_is_told_as_spans(filled: Rig) -> None:
    told = filled.get(f"/api/recordings?camera=front&start={HOUR_S - 86_400}&end={HOUR_S + 86_400}&merge_s=60")

    assert spans_of(told, "spans") == [(0, 35), (600, 610)]
    assert told["segments"] == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("camera=front&start=2&end=1", "end"),
        ("camera=front&start=0&end=9e9", "end"),
        ("camera=front&start=x&end=1", "start"),
        ("camera=Front&start=0&end=1", "camera"),
        ("camera=front&start=0&end=1&limit=0", "limit"),
        ("camera=front&start=0&end=1&next=x", "next"),
        ("camera=front&start=nan&end=1", "start"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(filled: Rig, query: str, path: str) -> None:
    answer = filled.ask(f"/api/recordings?{query}", token=filled.viewer)

    assert (answer.status, answer.json["code"], answer.json["details"]["path"]) == (422, "bad_request", path)


def test_events_come_newest_first_with_their_pictures(filled: Rig) -> None:
    path = f"/api/events?camera=front&start={HOUR_S}&end={HOUR_S + 3_600}"

    some = filled.get(f"{path}&limit=2")
    drive = filled.get(f"{path}&zone=drive")

    assert [one["start_at_s"] - HOUR_S for one in some["events"]] == [100, 7]
    assert some["more"] == 1
    oldest = drive["events"][-1]
    assert [one["start_at_s"] - HOUR_S for one in drive["events"]] == [100, 5]
    assert drive["events"][0]["picture_url"] is None
    assert filled.ask(f"/{oldest['picture_url']}", token=filled.viewer).body == b"jpeg"


def test_events_far_away_are_told_as_counts_and_seconds_in_which_there_was_any(filled: Rig) -> None:
    told = filled.get(f"/api/events?camera=front&start={HOUR_S}&end={HOUR_S + 200}&bucket_s=10")

    assert [(one["at_s"] - HOUR_S, one["count"], one["seconds"]) for one in told["buckets"]] == [
        (0, 2, 5.0),
        (10, 0, 3.0),
        (100, 1, 1.0),
    ]


def test_clips_are_listed_newest_first_and_half_made_ones_are_not(filled: Rig) -> None:
    listed = filled.get("/api/exports")
    first = filled.get("/api/exports?camera=front&limit=1")
    second = filled.get(f"/api/exports?camera=front&limit=1&next={first['next']}")

    assert {one["name"] for one in listed["exports"]} == {"a.mp4", "b.mp4", "c.mp4"}
    assert {one["camera"] for one in filled.get("/api/exports", filled.front_viewer)["exports"]} == {"front"}
    assert [first["exports"][0]["name"], second["exports"][0]["name"]] == ["b.mp4", "a.mp4"]
    thumbnails = {one["name"]: one["thumbnail_url"] for one in listed["exports"]}
    assert thumbnails == {"a.mp4": None, "b.mp4": "api/exports/front/b.jpg", "c.mp4": None}


def test_a_clip_comes_whole_in_part_as_a_download_or_not_again(filled: Rig) -> None:
    path = "/api/exports/front/a.mp4"
    whole = filled.ask(path, token=filled.viewer)
    part = filled.ask(path, token=filled.viewer, headers={"Range": "bytes=2-5"})
    beyond = filled.ask(path, token=filled.viewer, headers={"Range": "bytes=20-"})
    download = filled.ask(f"{path}?download=1", token=filled.viewer)
    head = filled.ask(path, "HEAD", token=filled.viewer)

    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, b"0123456789", "video/mp4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"2345", "bytes 2-5/10")
    assert beyond.status == 416
    assert "attachment" in download.headers["content-disposition"]
    assert (head.status, head.headers["content-length"], head.body) == (200, "10", b"")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_each_code_of_the_bus_has_a_status_and_comes_through_with_its_words(gateway: Rig, code: ErrorCode) -> None:
    def refuse(_: SubmitJob) -> JobView:
        raise RefusedError(code, "what would be right", retry_after_s=7.2, details={"field": "start"})

    gateway.bus.when_asked(SubmitJob, refuse)

    answer = gateway.ask("/api/jobs", "POST", token=gateway.admin, body=CLIP)

    assert answer.status == STATUS[code]
    assert (answer.json["code"], answer.json["message"]) == (code, "what would be right")
    assert answer.json["details"]["path"] == "params.start"
    assert answer.headers["retry-after"] == "8"


@pytest.mark.parametrize("route", ["jobs", "plan"])
@pytest.mark.parametrize(
    ("said", "details", "path"),
    [
        ("Expected `str`, got `int` - at `$.camera`", {}, "params.camera"),
        ("Object missing required field `start`", {}, "params.start"),
        ("must be number - at `$.range.seconds`", {}, "params.range.seconds"),
        ("start must be before end", {"field": "start"}, "params.start"),
        ("params is a map", {}, "params"),
    ],
)
def test_a_parameter_of_a_job_is_blamed_by_its_path_from_the_top_whoever_blames_it(
    gateway: Rig, route: str, said: str, details: dict[str, object], path: str
) -> None:
    def refuse(_: object) -> Any:
        raise RefusedError(ErrorCode.BAD_REQUEST, said, details=details)

    gateway.bus.when_asked(SubmitJob, refuse)
    gateway.bus.when_asked(PlanExport, refuse)

    answer = gateway.ask(f"/api/{route}", "POST", token=gateway.admin, body=CLIP)

    assert (answer.status, answer.json["details"]["path"]) == (422, path)
    assert "$" not in answer.json["message"]


def test_a_service_that_does_not_answer_is_a_deadline_and_not_our_fault(own_gateway: Rig) -> None:
    answer = own_gateway.ask(f"/api/jobs/{'ab' * 16}", token=own_gateway.admin)

    assert (answer.status, answer.json["code"]) == (504, "deadline")


def test_what_is_messagepack_inside_a_job_is_json_outside(own_gateway: Rig) -> None:
    result = Raw(codec.encode({"files": ["front/a.mp4"], "gaps": [[1.0, 2.0]]}))
    view = JobView(id="ab" * 16, type="export", state=JobState.SUCCEEDED, created_at_s=1.0, result=result)
    own_gateway.bus.when_asked(GetJob, lambda _: view)

    assert own_gateway.get(f"/api/jobs/{view.id}")["result"] == {"files": ["front/a.mp4"], "gaps": [[1.0, 2.0]]}


def test_a_fault_of_ours_is_an_incident_without_a_traceback(own_gateway: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: GetJob) -> JobView:
        raise KeyError("s3cret detail")

    own_gateway.bus.when_asked(GetJob, fail)

    answer = own_gateway.ask(f"/api/jobs/{'ab' * 16}", token=own_gateway.admin)

    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert "s3cret" not in answer.body.decode()
    incident = re.search(r"incident (\w+)", answer.json["message"])
    assert incident is not None
    assert incident[1] in caplog.text


def test_ready_is_said_when_the_group_is_heard(own_gateway: Rig) -> None:
    before = own_gateway.ask("/readyz")
    own_gateway.show_camera("front")

    after = own_gateway.ask("/readyz")

    assert (own_gateway.ask("/healthz").status, before.status, after.status) == (200, 503, 200)


def test_metrics_are_in_base_units_with_names_that_do_not_grow(own_gateway: Rig) -> None:
    own_gateway.show_camera("front", fps_in=12.5, drops={"late": 3})
    status = ServiceStatus(name="enrich", state=ServiceState.READY, since_at_s=1.0, cpu_percent=25.0, rss_bytes=5_000)
    own_gateway.bus.deliver(status, src="launcher")
    many = {f"frames.{number}": number for number in range(1_000)}
    own_gateway.bus.deliver(ServiceStats(name="enrich", counters=many), src="enrich")
    own_gateway.until(
        lambda: "frames.1" in own_gateway.ask("/metrics", token=own_gateway.viewer).body.decode(), "heard"
    )

    text = own_gateway.ask("/metrics", token=own_gateway.viewer).body.decode()

    assert 'framebus_camera_online{camera="front"} 1\n' in text
    assert 'framebus_camera_frames_in_per_second{camera="front"} 12.5\n' in text
    assert 'framebus_camera_dropped_total{camera="front",reason="late"} 3\n' in text
    assert 'framebus_service_cpu_ratio{service="enrich"} 0.25\n' in text
    assert 'framebus_service_resident_memory_bytes{service="enrich"} 5000\n' in text
    assert text.count("frames.") == 200
    names = set(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in names)
    assert all(re.fullmatch(r"(#.*|[a-z0-9_]+(\{[^{}]*\})? -?[0-9.e+-]+)", line) for line in text.splitlines())


def test_the_document_describes_every_route_and_every_reference_leads_somewhere(gateway: Rig) -> None:
    document = gateway.get("/api/openapi.json")

    described = {(method.upper(), path[1:]) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}
    named = set(re.findall(r"#/components/schemas/([\w.]+)", json.dumps(document)))
    assert named <= document["components"]["schemas"].keys()
    assert {"JobView", "NewJob", "ErrorBody", "QueueStatus"} <= named


def test_the_page_comes_with_its_type_and_is_asked_for_again_cheaply(gateway: Rig) -> None:
    page = gateway.ask("/")
    again = gateway.ask("/", headers={"If-None-Match": page.headers["etag"]})
    packed = gateway.ask("/", headers={"Accept-Encoding": "gzip, br"})

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body == (FOLDER / "index.html").read_bytes()
    assert page.headers["cache-control"] == "no-cache"
    assert (again.status, again.body) == (304, b"")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == page.body


def test_the_whole_page_is_light_on_the_way_and_once_it_was_fetched_nothing_of_it_travels_again(gateway: Rig) -> None:
    files = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".css", ".js"))
    first = [gateway.ask(f"/page/{name}", headers={"Accept-Encoding": "gzip"}) for name in files]
    again = [
        gateway.ask(f"/page/{name}", headers={"If-None-Match": answer.headers["etag"]})
        for name, answer in zip(files, first, strict=True)
    ]

    assert sum(len(answer.body) for answer in first) < MOST_PAGE_BYTES
    assert [(answer.status, answer.body) for answer in again] == [(304, b"")] * len(files)


def test_what_is_not_there_is_json_too(gateway: Rig) -> None:
    assert gateway.ask("/api/nothing", token=gateway.admin).json["code"] == "not_found"
    assert gateway.ask("/page/none.js").json["code"] == "not_found"
    assert gateway.ask("/api/jobs", "PUT", token=gateway.admin).json["code"] == "unknown_method"


def test_who_still_waits_when_the_gateway_stops_is_told_so_and_the_log_holds_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path)
    is_asked, may_answer = threading.Event(), threading.Event()

    def snapshot(_: TakeSnapshot) -> Snapshot:
        is_asked.set()
        may_answer.wait(20.0)
        raise RefusedError(ErrorCode.UNAVAILABLE, "too late")

    rig.bus.when_asked(TakeSnapshot, snapshot)
    rig.show_camera()
    connection = rig.open("/api/cameras/front/snapshot.jpg", rig.admin)
    assert is_asked.wait(20.0)

    rig.close()
    status = connection.getresponse().status
    may_answer.set()
    connection.close()

    assert status == 503
    assert "Traceback" not in caplog.text

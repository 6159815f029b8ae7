"""The goals, as a table: which figure of ours, beside whose, and what it should be. Scripts and report read it."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.seen import OURS

Key = tuple[str, str, str]
"""case, system, figure"""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A figure of ours against a peer's in the same run, or, without a peer, against a bound."""

    number: int
    case: str
    figure: str
    peer: str | None = None
    peer_case: str | None = None  # where it is not that of ours
    at_least: float | None = None
    at_most: float | None = None

    def value(self, medians: Mapping[Key, float]) -> float | None:
        """The ratio, or the figure itself; None where one of the two was not measured."""
        ours = medians.get((self.case, OURS, self.figure))
        if ours is None or self.peer is None:
            return ours
        theirs = medians.get((self.peer_case or self.case, self.peer, self.figure))
        return ours / theirs if theirs else None

    def is_met(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


TITLES = {
    1: "Frames, end to end",
    2: "Processor time of a frame",
    3: "Torn or wrong frames",
    4: "From the camera to the event",
    5: "Processor time of a camera",
    6: "Message codec with validation",
    7: "Proxy and retained state",
    8: "Short-lived calls",
    9: "Jobs",
    10: "Job board under 10,000 reports a second",
    11: "Export of ten minutes",
    12: "A group at rest",
    13: "Start and restart",
    14: "Growth",
}

SCRIPTS = {
    "frames": (1, 2, 3),
    "messages": (6,),
    "calls": (7, 8),
    "jobs": (9, 10, 14),
    "cameras": (4, 5, 14),
    "export": (11,),
    "processes": (12, 13),
}
"""which module of this folder measures which goals"""

BARE_RING = "bare ring"
IMAGEZMQ_REQ = "imagezmq REQ/REP"
IMAGEZMQ_PUB = "imagezmq PUB/SUB"
FRIGATE_SHM = "shm opened per frame + mp.Queue"
ICEORYX = "iceoryx2"
ONE, THREE = "1080p BGR, 1 consumer", "1080p BGR, 3 consumers"
PACED = "1080p BGR at 30 fps, 1 consumer"
ADDED = "{size} BGR at 30 fps, an added consumer"
SIZES = ("360p", "720p", "1080p")
FIVE_MEGAPIXELS = "5 MP grey at 60 fps, 1 consumer"
STOPPED = "reader stopped for 2 s, ring of 4"
FRAMES_S, CPU_FRAME_US = "frames/s", "CPU us/frame"

CAMERAS_4 = "4 cameras 720p, detection at 5 fps"
ONE_CAMERA = "1080p25 H.264, detection 640x360 at 5 fps, recording"
TWO_STREAMS = "1080p25 recorded, detection at 5 fps in its small stream"
FRIGATE_PIPE = "ffmpeg to a pipe + shm"
CPU_PERCENT = "% of a core"

JOB_STATE = "192 B job state"
HOP = "ipc, 200 B, publisher, proxy, subscriber"
C_PROXY = "zmq.proxy in C"
RETAINED = "1,000 retained values"
CALL = "one call, any thread"
NEW_CONTEXT = "REQ and Context per call"
DEAD = "nobody answers"

NO_OP = "no-op jobs, synced to disk"
RQ, HUEY, PERSIST = "RQ", "huey SQLite, fsync", "persist-queue"
GROUPED = "submits in groups"
REPORTS = "10,000 reports/s"

COPY = "ten minutes, stream copy"
FFMPEG_COPY = "ffmpeg -c copy"
TIMELAPSE = "ten minutes, instant timelapse"
FRIGATE_TIMELAPSE = "ffmpeg, setpts and encode"
CANCEL = "cancel of a copy"

IDLE = "six services, no camera"
NO_PIXELS = "a service that touches no pixels"
BARE_PROCESS = "bare process, zmq + msgspec"
UP = "framebus up to all ready"
KILLED = "killed service back"

PER_CAMERA = "CPU per camera, {count} synthetic"
SUBMIT = "submit into a ledger of {rows:,} rows"

GOALS = (
    Goal(number=1, case=ONE, figure=FRAMES_S, peer=BARE_RING, at_least=0.9),
    Goal(number=1, case=ONE, figure=FRAMES_S, peer=ICEORYX, at_least=0.8),
    Goal(number=1, case=ONE, figure=FRAMES_S, peer=IMAGEZMQ_REQ, at_least=2.5),
    Goal(number=1, case=ONE, figure=FRAMES_S, peer=IMAGEZMQ_PUB, at_least=2.5),
    Goal(number=1, case=ONE, figure=FRAMES_S, peer=FRIGATE_SHM, at_least=5),
    Goal(number=1, case=THREE, figure=FRAMES_S, peer=IMAGEZMQ_PUB, at_least=10),
    Goal(number=2, case=PACED, figure=CPU_FRAME_US, peer=BARE_RING, at_most=1.1),
    Goal(number=2, case=PACED, figure=CPU_FRAME_US, peer=IMAGEZMQ_REQ, at_most=0.33),
    Goal(number=2, case=PACED, figure=CPU_FRAME_US, peer=FRIGATE_SHM, at_most=0.3),
    *(Goal(number=2, case=ADDED.format(size=size), figure=CPU_FRAME_US, at_most=170) for size in SIZES),
    Goal(number=3, case=STOPPED, figure="wrong frames", at_most=0),
    Goal(number=4, case=CAMERAS_4, figure="packet to object p50 ms", at_most=10),
    Goal(number=4, case=CAMERAS_4, figure="packet to object p99 ms", at_most=40),
    Goal(number=5, case=ONE_CAMERA, figure=CPU_PERCENT, peer=FRIGATE_PIPE, at_most=0.6),
    Goal(number=6, case=JOB_STATE, figure="encode + decode us", peer="json", at_most=0.12),
    Goal(number=7, case=HOP, figure="messages/s", peer=C_PROXY, at_least=0.95),
    Goal(number=7, case=HOP, figure="p50 us", peer=C_PROXY, at_most=1.1),
    Goal(number=7, case=RETAINED, figure="ms to a late joiner", at_most=300),
    Goal(number=8, case=CALL, figure="calls/s", peer=NEW_CONTEXT, at_least=2),
    Goal(number=8, case=DEAD, figure="ms off the deadline", at_most=50),
    Goal(number=9, case=NO_OP, figure="submit to start p50 ms", peer=RQ, at_most=0.5),
    Goal(number=9, case=NO_OP, figure="submit to start p50 ms", peer=HUEY, at_most=0.15),
    Goal(number=9, case=NO_OP, figure="jobs/s", peer=RQ, at_least=5),
    Goal(number=9, case=GROUPED, figure="submits/s", peer=PERSIST, at_least=2),
    Goal(number=10, case=REPORTS, figure=CPU_PERCENT, at_most=25),
    Goal(number=10, case=REPORTS, figure="boards/s of a type", at_most=1.05),
    Goal(number=10, case=REPORTS, figure="age of the newest value, s", at_most=1),
    Goal(number=11, case=COPY, figure="wall s", peer=FFMPEG_COPY, at_most=0.9),
    Goal(number=11, case=COPY, figure="CPU s", peer=FFMPEG_COPY, at_most=1.0),
    Goal(number=11, case=TIMELAPSE, figure="wall s", peer=FRIGATE_TIMELAPSE, at_most=0.15),
    Goal(number=11, case=CANCEL, figure="ms to the end", at_most=100),
    Goal(number=12, case=IDLE, figure="PSS MB", at_most=110),
    Goal(number=12, case=IDLE, figure=CPU_PERCENT, at_most=0.5),
    Goal(number=12, case=NO_PIXELS, figure="PSS MB", peer=BARE_PROCESS, at_most=1.3),
    Goal(number=13, case=UP, figure="s", at_most=0.6),
    Goal(number=13, case=KILLED, figure="s", at_most=0.3),
    *(
        Goal(
            number=14,
            case=PER_CAMERA.format(count=count),
            figure=CPU_PERCENT,
            peer=OURS,
            peer_case=PER_CAMERA.format(count=1),
            at_most=1.2,
        )
        for count in (4, 16)
    ),
    Goal(
        number=14,
        case=SUBMIT.format(rows=100_000),
        figure="us",
        peer=OURS,
        peer_case=SUBMIT.format(rows=10),
        at_most=1.2,
    ),
)

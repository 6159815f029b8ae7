"""The news of the bus: one frozen Struct per message. The annotation is the schema; decoding validates.

Names are looked at where a message is made too (`framebus.names`).
Topics are in `framebus.topics`; requests and answers in `framebus.requests`.
Times that end in `_at_s` are wall clock, seconds since 1970; `_up_s` are seconds since boot, comparable on one host.
"""

from enum import StrEnum
from typing import Annotated, Self

from msgspec import Meta, Raw

from framebus.names import Named

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
INSTANCE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}(@[a-z0-9][a-z0-9_-]{0,31})?$"

END = r"(?!\n)"  # `$` alone lets one line end pass

Name = Annotated[str, Meta(pattern=NAME_PATTERN + END)]
"""A camera, job type, processor or service."""
Instance = Annotated[str, Meta(pattern=INSTANCE_PATTERN + END)]
"""A running service: `export`, or `capture@front` where each camera has one."""
JobId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$" + END)]
Count = Annotated[int, Meta(ge=0, lt=2**53)]
"""A counter or identifier; below 2^53, because JavaScript rounds above."""
Whole = Annotated[int, Meta(gt=-(2**53), lt=2**53)]
Number = Annotated[float, Meta(ge=-1e15, le=1e15)]
"""A measured value; finite, because JSON and most displays know no other."""
AtS = Annotated[float, Meta(ge=0.0, le=1e11)]
UpS = Annotated[float, Meta(ge=0.0, le=1e11)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e11)]
Percent = Annotated[float, Meta(ge=0.0, le=100.0)]
Rate = Annotated[float, Meta(ge=0.0, le=1e9)]
Pixels = Annotated[int, Meta(ge=0, le=65_535)]
Text = Annotated[str, Meta(max_length=500)]
Path = Annotated[str, Meta(max_length=4_096)]
NIL = Raw(b"\xc0")
"""MessagePack nil: the value of a `Raw` field that is not there."""


class Message(Named, frozen=True, kw_only=True):
    """News: readers ignore fields that they do not know, and take enum values that they do not know as `unknown`."""


class NewsEnum(StrEnum):
    """A closed set that may grow: a value from a newer peer is read as `unknown`."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if value != "unknown" else None


class Box(Message, frozen=True, kw_only=True):
    """A rectangle in pixels of the detect picture; the origin is its upper left corner."""

    x: Pixels
    y: Pixels
    width: Pixels
    height: Pixels


class FrameNotice(Message, frozen=True, kw_only=True):
    """A frame stands in the ring and may be read until the writer comes round again."""

    camera: Name
    ring: Path
    """absolute path of the ring file"""
    slot: Count
    number: Count
    """frame number in this ring, from 1"""
    ring_epoch: Count
    width: Pixels
    height: Pixels
    format: Count
    """1 I420, 2 BGR24, 3 GRAY8, 4 GRAY16, 5 Bayer RGGB8"""
    pts_us: Whole
    captured_at_s: AtS
    captured_up_s: UpS


class CameraState(NewsEnum):
    CONNECTING = "connecting"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    UPLOAD = "upload"
    UNKNOWN = "unknown"


class Cause(NewsEnum):
    """Why a camera is not online, in one word."""

    NONE = "none"
    AUTH = "auth"
    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CODEC = "codec"
    STALLED = "stalled"
    ENDED = "ended"
    NO_SPACE = "no_space"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


class CameraStatus(Message, frozen=True, kw_only=True):
    """How a camera is; on change and once a second."""

    camera: Name
    state: CameraState
    cause: Cause = Cause.NONE
    detail: Text = ""
    """the cause as a sentence; never with a password"""
    since_at_s: AtS
    retry_at_s: AtS | None = None
    """when the next connection is tried"""
    source: Text = ""
    """the address, user and password removed"""
    codec: Text = ""
    small_codec: Text = ""
    """of `detect.source`, where that is a stream of its own beside the recorded one"""
    width: Pixels = 0
    height: Pixels = 0
    fps_in: Rate = 0.0
    """frames a second from the source"""
    fps_out: Rate = 0.0
    """frames a second into the ring"""
    is_recording: bool = False
    drops: dict[str, Count] = {}
    """packets or frames lost since the start, by reason"""
    ring_bytes: Count = 0
    last_frame_at_s: AtS | None = None


class MotionBoxes(Message, frozen=True, kw_only=True):
    """Where the picture changed; sent only while something moves."""

    camera: Name
    number: Count
    """number of the frame"""
    captured_at_s: AtS
    width: Pixels
    """of the detect picture"""
    height: Pixels
    boxes: Annotated[list[Box], Meta(max_length=100)]
    area: Annotated[float, Meta(ge=0.0, le=1.0)]
    """changed share of the picture"""


class Phase(NewsEnum):
    START = "start"
    UPDATE = "update"
    END = "end"
    UNKNOWN = "unknown"


class ObjectEvent(Message, frozen=True, kw_only=True):
    """An object appears, moves, or is gone; box, time and number are of the frame where it was last seen."""

    camera: Name
    id: Text
    phase: Phase
    label: Text
    score: Annotated[float, Meta(ge=0.0, le=1.0)]
    box: Box
    since_at_s: AtS
    captured_at_s: AtS
    number: Count
    """number of the frame"""
    zones: Annotated[list[Name], Meta(max_length=32)] = []
    """the camera's zones that it stands in"""
    width: Pixels = 0
    """of the picture in which the box is measured; 0: not told"""
    height: Pixels = 0


class Finding(Message, frozen=True, kw_only=True):
    """What a processor or plug-in found; a picture may come as blob."""

    processor: Name
    camera: Name
    label: Text
    value: Number | None = None
    object_id: Text | None = None
    number: Count | None = None
    """number of the frame"""
    captured_at_s: AtS | None = None
    box: Box | None = None
    data: Raw = NIL
    """what else the processor has to say: any MessagePack value"""


class SegmentClosed(Message, frozen=True, kw_only=True):
    """A piece of recording is complete on disk and may be exported."""

    camera: Name
    path: Path
    """relative to the data folder"""
    start_at_s: AtS
    """wall clock of the first frame"""
    duration_s: Seconds
    size_bytes: Count


class UploadOutcome(NewsEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class UploadEvent(Message, frozen=True, kw_only=True):
    """What became of an uploaded file."""

    camera: Name
    path: Path
    """relative to the upload folder"""
    outcome: UploadOutcome
    reason: Text = ""
    job_id: JobId | None = None


class JobState(NewsEnum):
    """Where a job is; `framebus.jobs` has the moves."""

    QUEUED = "queued"
    RUNNING = "running"
    PUBLISHING = "publishing"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"
    UNKNOWN = "unknown"


class JobError(Message, frozen=True, kw_only=True):
    """Why a job failed or is tried again."""

    code: Annotated[str, Meta(max_length=32)]
    message: Text


class JobView(Message, frozen=True, kw_only=True):
    """What everybody may know of a job; its parameters stay in the ledger."""

    id: JobId
    type: Name
    state: JobState
    camera: Text | None = None
    name: Text | None = None
    case: Text | None = None
    created_at_s: AtS
    started_at_s: AtS | None = None
    ended_at_s: AtS | None = None
    attempt: Count = 0
    step: Text = ""
    percent: Percent = 0.0
    """of the whole job; never goes back within an attempt"""
    eta_s: Seconds | None = None
    next_try_at_s: AtS | None = None
    """while it is retrying"""
    cancelling: bool = False
    retry_of: JobId | None = None
    error: JobError | None = None
    result: Raw = NIL
    """the outcome, as its job type defines it; at most 4 KiB"""


class BoardStatus(NewsEnum):
    RUNNING = "running"
    QUEUED = "queued"
    IDLE = "idle"
    UNKNOWN = "unknown"


class More(Message, frozen=True, kw_only=True):
    """How many jobs a board leaves out, because it would be too large with them."""

    running: Count = 0
    waiting: Count = 0
    ended: Count = 0


class QueueStatus(Message, frozen=True, kw_only=True):
    """How full a queue is."""

    max_queued: Count
    max_running: Count
    free: Count
    """places left"""
    waiting: Count = 0
    running: Count = 0
    processed_total: Count = 0
    """that succeeded, ever"""
    failed_total: Count = 0
    avg_duration_s: Seconds = 0.0
    """of a job at work: 0.8 of the old average and 0.2 of each that succeeds"""
    estimated_wait_s: Seconds = 0.0
    """until a job that is handed in now begins"""
    resting_until_at_s: AtS | None = None
    """no job begins before"""
    worker_running: bool = False
    """a worker takes jobs of this type"""
    stuck_since_at_s: AtS | None = None
    """jobs wait, and no worker has asked for them since"""


class JobBoard(Message, frozen=True, kw_only=True):
    """All that a subscriber needs to show the jobs of one type; each board replaces the one before."""

    type: Name
    status: BoardStatus
    running: list[JobView] = []
    waiting: list[JobView] = []
    """the first 100 in line, those that wait for a retry last"""
    ended: list[JobView] = []
    """the last 50 of those that ended within 5 s"""
    more: More = More()
    counts: dict[str, Count] = {}
    """jobs in the ledger by state"""
    queue: QueueStatus


class ServiceState(NewsEnum):
    STARTING = "starting"
    READY = "ready"
    SUSPECTED = "suspected"
    RESTARTING = "restarting"
    BROKEN = "broken"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class ServiceStatus(Message, frozen=True, kw_only=True):
    """How a process is, as its launcher sees it."""

    name: Instance
    state: ServiceState
    pid: Count | None = None
    incarnation: Count = 0
    restarts: Count = 0
    """after deaths that nobody asked for"""
    since_at_s: AtS
    exit_code: Whole | None = None
    """of the last death, if it exited"""
    signal: Count | None = None
    """of the last death, if it was killed"""
    reason: Text = ""
    back_after_s: Seconds | None = None
    """from the last death to ready again"""
    hung_s: Seconds | None = None
    """for so long nothing was heard of it when its launcher ended it; None: it died of something else"""
    cpu_percent: Rate = 0.0
    """of one core"""
    rss_bytes: Count = 0
    log_tail: Annotated[list[str], Meta(max_length=200)] = []
    """its last words, when it is broken"""


class Latency(Message, frozen=True, kw_only=True):
    """Percentiles over the last second that had any."""

    count: Count
    p50_ms: Rate
    p99_ms: Rate


class ServiceStats(Message, frozen=True, kw_only=True):
    """What a service counted since it started; at most once a second."""

    name: Instance
    counters: dict[str, Count] = {}
    gauges: dict[str, Number] = {}
    latencies: dict[str, Latency] = {}


class ConfigChanged(Message, frozen=True, kw_only=True):
    """A section of the configuration has a new value."""

    section: Text
    revision: Count
    value: Raw
    """the section, secrets removed"""


class LiveKind(NewsEnum):
    INIT = "init"
    FRAGMENT = "fragment"
    UNKNOWN = "unknown"


class LiveFragment(Message, frozen=True, kw_only=True):
    """A piece of fragmented MP4 as blob; made only while somebody subscribes."""

    camera: Name
    kind: LiveKind
    codec: Text
    """RFC 6381, as in `avc1.640028`"""
    is_key: bool = False


class SmallFragment(LiveFragment, frozen=True, kw_only=True):
    """The same of `detect.source`, the small stream: for pictures of a wall, which need no more."""


class Beacon(Message, frozen=True, kw_only=True):
    """The newest `seq` of each retained topic of one publisher: who is behind subscribes again."""

    src: Instance
    epoch: Count
    topics: Annotated[dict[str, Count], Meta(max_length=500)]


class Gone(Message, frozen=True, kw_only=True):
    """A publisher died: its retained values up to that incarnation are stale."""

    src: Instance
    incarnation: Count

"""The schema of the configuration. The launcher reads and validates the file; each child gets its section as JSON."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from framebus.detector_settings import DetectorSettings
from framebus.keep_settings import Duration, KeepByKind, Recordings
from framebus.messages import END, Name

Fps = Annotated[float, Meta(gt=0.0, le=1_000.0)]
Side = Annotated[int, Meta(ge=16, le=16_384)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the configuration: a field that is not known is an error."""


DEFAULT_FPS = 5.0


class Detect(Section, frozen=True, kw_only=True):
    """The picture that processors get."""

    source: str | None = None
    """the camera's small stream; default: the main one"""
    width: Side | None = None
    """default: the source's, at most 1280; of a source of your own: as it comes"""
    height: Side | None = None
    """default: the source's, at most 720; of a source of your own: as it comes"""
    fps: Fps | None = None
    """default: 5; of a source of your own: all of them"""


class Encoder(StrEnum):
    """What records a source that gives pictures and no packets."""

    NONE = "none"
    """it is not recorded"""
    SMALL = "small"
    """H.264 as of a camera, for any player"""
    LOSSLESS = "lossless"
    """each pixel as it came: H.264, of GRAY16 PNG; large"""


class Record(Section, frozen=True, kw_only=True):
    """What is kept on disk."""

    enabled: bool = True
    keep: Duration | KeepByKind = "7d"
    """for how long: a number and s, m, h or d; or by what it shows, as in {all: 2d, motion: 7d, objects: 30d}"""
    segment_s: Annotated[float, Meta(ge=1.0, le=600.0)] = 10.0
    encoder: Encoder = Encoder.SMALL
    """only for sources that give pictures and no packets: your own, and some cameras at this machine"""


Origin = Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,255}$" + END)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Point = tuple[Share, Share]
"""across and down the picture: 0, 0 is its upper left corner, 1, 1 the lower right one"""

LEAST_AREA = 1e-5
"""of the picture: a quarter of a pixel or so at 160 x 120; less is a line"""


class Area(Section, frozen=True, kw_only=True):
    """A part of a camera's picture, by its corners in order."""

    points: Annotated[list[Point], Meta(min_length=3, max_length=64)]

    def __post_init__(self) -> None:
        if abs(_area(self.points)) < LEAST_AREA:
            raise ValueError("the points enclose nothing; give the corners of an area in order, each 0 to 1")


Zones = Annotated[dict[Name, Area], Meta(max_length=32)]
Masks = Annotated[list[Area], Meta(max_length=32)]


class Camera(Section, frozen=True, kw_only=True):
    source: str
    """rtsp://, rtsps://, http://, https://, v4l2:///dev/videoN, synthetic://, a path of a video file, or of your own:
    ./my_camera.py, plugin:NAME"""
    settings: dict[str, Any] = {}
    """of a source of your own: the keyword arguments of its constructor"""
    detect: Detect = Detect()
    record: Record = Record()
    zones: Zones = {}
    """places with a name, which events tell"""
    masks: Masks = []
    """where motion does not count: a busy road, a tree, a clock in the picture"""


class CaptureSettings(Camera, frozen=True, kw_only=True):
    """What the capture process of one camera is told."""

    camera: Name


class EnrichSettings(Section, frozen=True, kw_only=True):
    processors: list[str | dict[str, Any]] = msgspec.field(default_factory=lambda: ["brightness"])
    """names, or one-key maps of a name to its settings"""
    gone_s: Annotated[float, Meta(ge=0.2, le=60.0)] = 2.0
    """an object that was not seen for so long has ended"""
    detector: DetectorSettings | None = None
    """default: what moves has the label `motion`"""


class EnrichedCamera(Section, frozen=True, kw_only=True):
    """What the enrich process is told of a camera."""

    zones: Zones = {}
    masks: Masks = []
    keep_s: Annotated[float, Meta(ge=0.0)] = 604_800.0
    """how long its ended objects stay on disk"""


class EnrichProcessSettings(EnrichSettings, frozen=True, kw_only=True):
    """What the enrich process is told."""

    cameras: dict[Name, EnrichedCamera] = {}


Slots = Annotated[int, Meta(ge=1, le=64)]


class RunnerSettings(Section, frozen=True, kw_only=True):
    """What every service is told that does jobs; a runner with settings of its own adds fields to these."""

    slots: Slots = 1
    """jobs done at the same time"""


class HardwareEncoder(StrEnum):
    """What encodes clips before software does."""

    AUTO = "auto"
    """whichever of them this machine has"""
    NONE = "none"
    """software only"""
    NVENC = "h264_nvenc"
    QSV = "h264_qsv"
    AMF = "h264_amf"
    V4L2M2M = "h264_v4l2m2m"


class ExportSettings(RunnerSettings, frozen=True, kw_only=True):
    slots: Slots = 3
    """clips made at the same time"""
    timezone: str = ""
    """of the clips' names; default: the machine's"""
    bandwidth_bytes_per_s: Annotated[float, Meta(ge=100_000.0, le=1e12)] = 100e6
    """what all clips at work may read together, so that the disk has time for the recordings"""
    encoder: HardwareEncoder = HardwareEncoder.AUTO
    """tried before software"""


class IngestSettings(Section, frozen=True, kw_only=True):
    """Files that cameras upload into `<data>/uploads/<camera>/`."""

    polling: bool = False
    """look instead of being told: for network shares"""
    polling_s: Annotated[float, Meta(ge=0.2, le=60.0)] = 1.0
    rescan_s: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 300.0
    """how often the whole folder is looked through"""
    auto_create: bool = True
    """a new folder makes a camera"""
    max_cameras: Annotated[int, Meta(ge=1, le=1_000)] = 64
    """that new folders may make"""
    min_image_bytes: Annotated[int, Meta(ge=0)] = 1_024
    min_video_bytes: Annotated[int, Meta(ge=0)] = 1_024
    max_bytes: Annotated[int, Meta(ge=1_024)] = 4 * 1024**3
    """of one file"""
    max_total_bytes: Annotated[int, Meta(ge=1_024)] = 20 * 1024**3
    """of all uploads and the quarantine: beyond it the oldest that are done with go before their time"""
    max_files: Annotated[int, Meta(ge=1)] = 100_000
    """as above"""
    keep: Duration = "30d"
    """for how long uploads stay in their folder, and what was rejected in the quarantine"""


class IngestProcessSettings(IngestSettings, frozen=True, kw_only=True):
    """What the ingest process is told."""

    cameras: list[Name] = []
    """of the configuration: a folder of such a name delivers for it"""


class AnalysisSettings(RunnerSettings, frozen=True, kw_only=True):
    """Slow looks at uploaded files; how gently is a matter of `jobs: {analysis: ...}`."""

    analyser: Name = "objects"
    """of jobs that name none"""
    analysers: dict[Name, dict[str, Any]] = {}
    """settings of the analysers, by name"""


DISCOVERY_PREFIX = "homeassistant"


class MqttSettings(Section, frozen=True, kw_only=True):
    """The MQTT broker that is told what happens at the cameras; needs the extra `mqtt`."""

    url: str
    """mqtt://user:${MQTT_PASSWORD}@10.0.0.7:1883, or mqtts:// with TLS"""
    topic: str = "framebus"
    """what all its topics begin with; two groups at one broker need two"""
    discovery: str | bool = DISCOVERY_PREFIX
    """the prefix of Home Assistant's discovery; off: its entities are not told"""
    ca: str | None = None
    """of mqtts://: a file with the certificate of who signed the broker's; default: whom the system trusts"""


class MqttProcessSettings(MqttSettings, frozen=True, kw_only=True):
    """What the mqtt process is told."""

    cameras: dict[Name, list[Name]] = {}
    """each with its zones"""


STDOUT = "stdout"
Notify = bool | Literal["stdout"]


class Plugin(Section, frozen=True, kw_only=True):
    """A service of the user's own: any program."""

    command: Annotated[list[str], Meta(min_length=1)]
    notify: Notify = True
    """whether it speaks sd_notify; `stdout`: by lines of output; if not, it counts as ready when it has run for 1 s"""
    env: dict[str, str] = {}
    settings: dict[str, Any] = {}


MaxQueued = Annotated[int, Meta(ge=1, le=1_000_000)]
AtMost = Annotated[int, Meta(ge=1, le=1_000)]
FirstBackoff = Annotated[float, Meta(gt=0.0, le=3_600.0)]
BackoffLimit = Annotated[float, Meta(gt=0.0, le=86_400.0)]
Expiry = Annotated[float, Meta(gt=0.0, le=31_536_000.0)]
Rest = Annotated[float, Meta(ge=0.0, le=86_400.0)]


class QueuePolicy(Section, frozen=True, kw_only=True):
    """How a queue of jobs treats its jobs."""

    max_queued: MaxQueued = 100
    max_running: AtMost = 1
    max_failures: AtMost = 5
    backoff_s: FirstBackoff = 1.0
    """before the first retry; doubles with each"""
    backoff_limit_s: BackoffLimit = 300.0
    expires_s: Expiry = 86_400.0
    """a job that has not ended by then fails"""
    pause_s: Rest = 0.0
    """between the end of a job and the begin of the next"""
    rest_s: Rest = 0.0
    """of the whole type after the second transient or rate-limited failure in a row; doubles with each further one"""
    rest_limit_s: Rest = 300.0


class JobSettings(Section, frozen=True, kw_only=True):
    """What differs from the policy of a job type; names a type whose workers are in another language, too."""

    max_queued: MaxQueued | None = None
    max_running: AtMost | None = None
    max_failures: AtMost | None = None
    backoff_s: FirstBackoff | None = None
    backoff_limit_s: BackoffLimit | None = None
    expires_s: Expiry | None = None
    pause_s: Rest | None = None
    rest_s: Rest | None = None
    rest_limit_s: Rest | None = None
    schema: dict[str, Any] | None = None
    """JSON schema of the parameters; None: any map"""

    def policy(self, default: QueuePolicy) -> QueuePolicy:
        """The policy of a type whose own is `default`."""
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        given.pop("schema", None)
        return msgspec.structs.replace(default, **given)


class DispatcherSettings(Section, frozen=True, kw_only=True):
    cameras: list[Name] = []
    jobs: dict[Name, JobSettings] = {}


class Restart(Section, frozen=True, kw_only=True):
    """How soon a dead service is started again."""

    base_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 0.1
    factor: Annotated[float, Meta(ge=1.0, le=10.0)] = 2.0
    """by which the wait grows with each early death in a row"""
    limit_s: Annotated[float, Meta(gt=0.0, le=3_600.0)] = 30.0
    deaths: Annotated[int, Meta(ge=1)] = 5
    """that many early deaths ..."""
    within_s: Annotated[float, Meta(gt=0.0)] = 30.0
    """... within this time make a service `broken`"""


class LauncherSettings(Section, frozen=True, kw_only=True):
    restart: Restart = Restart()


class HttpSettings(Section, frozen=True, kw_only=True):
    """Where browsers and curl find the group."""

    bind: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    """the address that it listens at; 0.0.0.0 for the whole network; default: $FRAMEBUS_HTTP_BIND, else 127.0.0.1"""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8480
    """one that is taken: the next free one"""
    prefix: Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~-]{1,64}){0,8}$" + END)] = ""
    """path before all others, as in /cameras, behind a proxy"""
    origins: Annotated[list[Origin], Meta(max_length=16)] = []
    """other addresses whose pages may talk to it, as in https://cams.example.org; links name the first"""
    max_clients: Annotated[int, Meta(ge=1, le=10_000)] = 128
    """WebSockets and streams at once"""


class GatewaySettings(HttpSettings, frozen=True, kw_only=True):
    """What the gateway process is told."""

    cameras: list[Name] = []
    timezone: str = ""


class Settings(Section, frozen=True, kw_only=True):
    """The whole file."""

    data: str = "data"
    """recordings, exports, ledger"""
    recordings: Recordings = Recordings()
    run: str | None = None
    """sockets and locks; default: a folder per user"""
    shm: str | None = None
    """rings; default: a folder in /dev/shm"""
    timezone: str = ""
    http: HttpSettings | bool | None = None
    """the page and the API; off leaves them out; by default on where the extra `web` is installed"""
    cameras: dict[Name, Camera] = {}
    services: dict[Name, Any] = {}
    jobs: dict[Name, JobSettings] = {}
    launcher: LauncherSettings = LauncherSettings()


def _area(points: list[Point]) -> float:
    """The area of a polygon, by Gauss; negative where its corners run the other way round."""
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2.0

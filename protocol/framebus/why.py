"""Why a camera is as it is: each stage of its way with rate, latency and drops, and a verdict in one sentence.

No sockets and no clock here: from `framebus.evidence.Evidence` to rows, for the command line and for a web page alike.
"""

import msgspec
from msgspec import Struct

from framebus.addresses import Kind, parse_address
from framebus.causes import said_of
from framebus.errors import ConfigError
from framebus.evidence import Evidence, Meter
from framebus.messages import CameraState, CameraStatus, Cause, ServiceState
from framebus.settings import DEFAULT_FPS, Camera, Encoder
from framebus.stage import Stage, drop_words, is_slow, last_end, renewal, silence, timed, times
from framebus.why_enrich import enrich_stage, part_stages


class Why(Struct, frozen=True, kw_only=True):
    """A camera explained."""

    camera: str
    verdict: str
    is_well: bool
    stages: list[Stage]


def explain(evidence: Evidence) -> Why:
    """All stages of a camera in the order of the frames, and what matters most in one sentence."""
    if evidence.status is not None and evidence.status.state is CameraState.UPLOAD:
        return _explain_uploads(evidence)
    source, decode, ring = _source(evidence), _decode(evidence), _ring(evidence)
    capture = evidence.meter(evidence.capture)
    if source.is_broken:  # what follows from it is no news
        decode, ring = (msgspec.structs.replace(stage, trouble="") for stage in (decode, ring))
    enrich = enrich_stage(evidence, ring)
    stages = [source, decode, ring, enrich, *part_stages(evidence), _recording(evidence, capture), _disk(evidence)]
    worst = next((stage for stage in stages if stage.is_broken), None)
    worst = worst or next((stage for stage in stages if stage.trouble), None)
    if worst is not None:
        where = "" if worst.name == "source" or worst.trouble.startswith(worst.name) else f"{worst.name}: "
        verdict = f"{evidence.camera}: {where}{worst.trouble}"
    else:
        verdict = f"{evidence.camera}: well: {_summary(stages, enrich if enrich.rate_hz is not None else ring)}"
    return Why(camera=evidence.camera, verdict=verdict, is_well=worst is None, stages=stages)


def _explain_uploads(evidence: Evidence) -> Why:
    """A camera whose pictures come as files has no capture process, no ring and no frames to count."""
    camera, ingest = evidence.camera, evidence.services.get("ingest")
    stage = Stage(name="uploads", notes=["each file becomes a job of type analysis"])
    if evidence.is_stale or (ingest is not None and ingest.state is not ServiceState.READY):
        stage = msgspec.structs.replace(stage, trouble=silence(evidence, "ingest"), is_broken=True)
    elif ingest is not None and ingest.reason:
        stage = msgspec.structs.replace(stage, trouble=ingest.reason)
    words = stage.trouble or f"well: its pictures come as files, not as video; framebus uploads {camera} lists them"
    return Why(camera=camera, verdict=f"{camera}: {words}", is_well=not stage.trouble, stages=[stage])


def _summary(stages: list[Stage], detect: Stage) -> str:
    wanted = "" if detect.wanted_hz is None else f" of {detect.wanted_hz:.1f}"
    rate = "" if detect.rate_hz is None else f"detect {detect.rate_hz:.1f}{wanted} fps, "
    p99 = "" if detect.p99_ms is None else f"p99 {detect.p99_ms:.0f} ms, "
    return f"{rate}{p99}{sum(sum(stage.drops.values()) for stage in stages)} dropped"


def _source(evidence: Evidence) -> Stage:
    status, service = evidence.status, evidence.services.get(evidence.capture)
    notes = []
    if service is not None and service.restarts:
        notes.append(f"{evidence.capture} was started again {times(service.restarts)}{last_end(service)}")
    if status is None or evidence.is_stale:
        return Stage(name="source", notes=notes, trouble=silence(evidence, evidence.capture), is_broken=True)
    if status.codec:
        notes.insert(0, f"{status.codec} {status.width}x{status.height} from {status.source}")
    trouble = ""
    is_elsewhere = status.cause is Cause.NO_SPACE  # the disk's own row says it
    if status.state is not CameraState.ONLINE and not is_elsewhere:
        retry_s = None if status.retry_at_s is None else status.retry_at_s - evidence.told_at_s
        again = "" if retry_s is None else f"; next try in {max(0.0, retry_s):.0f} s"
        lasts = f"{status.state.value} for {max(0.0, evidence.told_at_s - status.since_at_s):.0f} s"
        trouble = f"{lasts}{_cause_words(status)}{again}"
    is_broken = bool(trouble) and status.state is not CameraState.DEGRADED
    if not trouble and evidence.fault is not None:  # it comes and goes
        trouble = f"was offline while we looked{_cause_words(evidence.fault)}"
    trouble = trouble or renewal(evidence, evidence.capture)
    return Stage(name="source", rate_hz=status.fps_in, notes=notes, trouble=trouble, is_broken=is_broken)


def _cause_words(status: CameraStatus) -> str:
    said = said_of(status.cause, status.detail, status.source)
    return f": {said}" if said else ""


def _decode(evidence: Evidence) -> Stage:
    meter = evidence.meter(evidence.capture)
    rate_hz, drops = meter.rate_hz("frames"), {}
    for reason in ("decode", "late"):
        if number := meter.grown(f"dropped.{reason}"):
            drops[reason] = number
    if number := meter.grown("corrupt.frames"):
        drops["corrupt"] = number
    notes = []
    wanted_hz = evidence.status.fps_in if evidence.status is not None else None
    if evidence.settings is not None and evidence.settings.detect.source is not None:
        notes, wanted_hz = ["the small stream, detect.source"], None
    trouble = ""
    if "late" in drops:
        trouble = f"this machine is too slow for the stream: {drop_words(drops)}; set detect.source to a smaller one"
    elif drops:
        trouble = f"{drop_words(drops)}; look at the network, and at the camera's settings"
    return Stage(name="decode", rate_hz=rate_hz, wanted_hz=wanted_hz, drops=drops, notes=notes, trouble=trouble)


def _asked_fps(settings: Camera) -> float | None:
    """What `detect.fps` says or means; None: every picture."""
    try:
        is_own = parse_address(settings.detect.source or settings.source).kind is Kind.PLUGIN
    except ConfigError:  # `${NAME}` stands for it
        is_own = False
    return settings.detect.fps or (None if is_own else DEFAULT_FPS)


def _asked_by(settings: Camera) -> str:
    return "as detect.fps says" if settings.detect.fps else "as for every video unless detect.fps says else"


def _ring(evidence: Evidence) -> Stage:
    meter = evidence.meter(evidence.capture)
    rate_hz, decoded_hz = meter.rate_hz("pictures"), meter.rate_hz("frames")
    settings = evidence.settings
    notes, wanted_hz = [], decoded_hz
    if settings is None:
        notes.append("what is wanted is not known: no launcher told the settings")
        wanted_hz = None
    else:
        fps = _asked_fps(settings)
        wanted_hz = min((rate for rate in (fps, decoded_hz) if rate is not None), default=None)
        if fps is not None and decoded_hz is not None and decoded_hz > fps + 0.5:
            notes.append(f"thinned from {decoded_hz:.1f} to {fps:g} fps, {_asked_by(settings)}")
    if scaled := _scaled(evidence):
        notes.append(scaled)
    drops = {"no_ring": number} if (number := meter.grown("dropped.no_ring")) else {}
    trouble = ""
    if drops:
        status = evidence.status
        trouble = f"{drop_words(drops)}; free memory in /dev/shm, or set detect.width smaller"
        if status is not None and status.cause is Cause.NO_SPACE:
            trouble = status.detail
    elif is_slow(rate_hz, wanted_hz):
        trouble = f"{rate_hz:.1f} of {wanted_hz:.1f} fps reach it; the processor of this machine may be too slow"
    return timed(
        Stage(name="ring", rate_hz=rate_hz, wanted_hz=wanted_hz, drops=drops, notes=notes, trouble=trouble),
        meter.latencies.get("packet_to_ring"),
    )


def _scaled(evidence: Evidence) -> str:
    status, settings = evidence.status, evidence.settings
    if evidence.picture is None or status is None or not status.width:
        return ""
    if evidence.picture == (status.width, status.height) or (settings is not None and settings.detect.source):
        return ""
    asked = settings is not None and (settings.detect.width or settings.detect.height)
    why = "as detect.width and detect.height say" if asked else "at most 1280x720 unless detect.width says else"
    return f"scaled from {status.width}x{status.height} to {evidence.picture[0]}x{evidence.picture[1]}, {why}"


def _recording(evidence: Evidence, meter: Meter) -> Stage:
    settings, status = evidence.settings, evidence.status
    if settings is not None and not settings.record.enabled:
        return Stage(name="recording", notes=["switched off by record.enabled"])
    reasons = ("no_dts", "not_recorded", "not_encoded", "before_key_frame", "refused_by_file", "audio")
    drops = {reason: number for reason in reasons if (number := meter.grown(f"dropped.{reason}"))}
    if status is None or evidence.is_stale:
        return Stage(name="recording", notes=["nothing is heard of it"])
    is_unrecorded = not status.is_recording and status.state is CameraState.ONLINE
    if settings is not None and is_unrecorded and settings.record.encoder is Encoder.NONE:
        return Stage(name="recording", drops=drops, notes=["its pictures are not recorded, as record.encoder says"])
    is_lost = settings is not None and is_unrecorded
    trouble = f"packets: {drop_words(drops)}" if drops.keys() & {"not_recorded", "refused_by_file"} else ""
    if is_lost:
        trouble = f"nothing is recorded{f'; {drop_words(drops)}' if drops else ''}; framebus logs {evidence.capture}"
    segments = meter.counters.get("recorded.segments", 0)
    closed = f"{segments} segment{'' if segments == 1 else 's'} closed since its start"
    notes = [closed] if status.is_recording else ["not recording now"]
    return Stage(name="recording", drops=drops, notes=notes, trouble=trouble, is_broken=is_lost)


def _disk(evidence: Evidence) -> Stage:
    meter, status = evidence.meter(evidence.capture), evidence.status
    gauges, notes = meter.gauges, []
    if "disk_free_bytes" in gauges:
        free, floor = (_size(gauges.get(f"disk_{which}_bytes", 0.0)) for which in ("free", "floor"))
        notes.append(f"{free} free; recording pauses below {floor}")
    is_full = status is not None and status.cause is Cause.NO_SPACE and not evidence.is_stale
    if status is not None and is_full and not meter.grown("dropped.no_ring"):  # of memory the ring's own row says it
        mend = "make room, or keep recordings for less long (record.keep, recordings.max)"
        return Stage(name="disk", notes=notes, trouble=f"{status.detail}; {mend}", is_broken=True)
    return Stage(name="disk", notes=notes)


def _size(number: float) -> str:
    """
    >>> _size(74.1e9), _size(2.1e6)
    ('74.1 GB', '2.1 MB')
    """
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"

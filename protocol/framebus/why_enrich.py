"""The part of `framebus.why` that is about enrich: what it sees, what keeps it busy, and each of its processors."""

from framebus.evidence import Evidence, Meter
from framebus.messages import Latency
from framebus.stage import Stage, drop_words, is_slow, last_end, renewal, silence, timed, times

BUSY = 0.5
"""of a second: from here on a part of the loop is named as what keeps it busy"""


def enrich_stage(evidence: Evidence, ring: Stage) -> Stage:
    """What enrich sees of the frames in the ring."""
    meter, camera = evidence.meter("enrich"), evidence.camera
    if not meter.is_heard:
        if evidence.services and "enrich" not in evidence.services:
            return Stage(name="enrich", notes=["it does not run in this group (enrich: off, or up --only)"])
        return Stage(name="enrich", trouble=silence(evidence, "enrich"), is_broken=True)
    drops = {"missed": missed} if (missed := meter.grown(f"missed.{camera}")) else {}
    drops |= meter.reasons("dropped.", f".{camera}")
    rate_hz = meter.rate_hz(f"frames.{camera}")
    service = evidence.services.get("enrich")
    trouble = renewal(evidence, "enrich")  # then rates are of other seconds than those of the ring
    if trouble or evidence.capture in evidence.renewed:
        pass
    elif drops and meter.span_s is not None and ring.rate_hz is not None:
        lost_hz = sum(drops.values()) / meter.span_s
        trouble = f"missed {lost_hz:.1f} of {ring.rate_hz:.1f} fps: {busy_words(meter)}"
    elif is_slow(rate_hz, ring.rate_hz):
        trouble = f"sees {rate_hz:.1f} of {ring.rate_hz:.1f} fps: {busy_words(meter)}"
    notes = []
    if meter.span_s is None and not trouble:
        notes.append("it spoke only once while we looked; --seconds looks for longer")
    if service is not None and service.restarts:
        notes.append(f"started again {times(service.restarts)}{last_end(service)}")
    if service is not None and service.reason:  # its complaint, also of what is not this camera's
        notes, trouble = notes + [service.reason] * bool(trouble), trouble or service.reason
    latency = meter.latencies.get(f"frame.{camera}")
    stage = Stage(name="enrich", rate_hz=rate_hz, wanted_hz=ring.rate_hz, drops=drops, notes=notes, trouble=trouble)
    return timed(stage, latency)


def busy_words(meter: Meter) -> str:
    """What keeps the loop of enrich busy, with the mend."""
    shares = {
        part: latency.count * latency.p50_ms / 1e3 for part in meter.latencies if (latency := _on_loop(meter, part))
    }
    part = max(shares, key=lambda name: shares[name], default="")
    if not part or shares[part] < BUSY:
        return "none of its parts is slow; the machine may be busy (framebus status shows who takes it)"
    what = part.replace(".", " ")
    mend = "make it a DeferredProcessor, or set detect.fps lower" if "processor" in part else "set detect.fps lower"
    share = min(1.0, shares[part])
    return f"it is busy {100 * share:.0f} % with {what} (p99 {meter.latencies[part].p99_ms:.0f} ms); {mend}"


def _on_loop(meter: Meter, part: str) -> Latency | None:
    """The latency of what is done on the loop; what workers do, and ages, keep nobody waiting."""
    names = part.split(".")
    is_part = part in ("motion", "objects") or (names[0] == "processor" and len(names) == 2)
    return meter.latencies[part] if is_part else None


def part_stages(evidence: Evidence) -> list[Stage]:
    """Motion, the detector, and each processor, as far as they are told."""
    meter, stages = evidence.meter("enrich"), []
    if (latency := meter.latencies.get("motion")) is not None:
        stages.append(timed(Stage(name="motion", rate_hz=float(latency.count), notes=of_all(meter)), latency))
    if "detector.working" in meter.gauges:
        stages.append(_detector(evidence, meter))
    words = (name.split(".") for name in (*meter.latencies, *meter.counters))
    names = {parts[1] for parts in words if parts[0] == "processor" and len(parts) > 1}
    return stages + [_processor(meter, name, evidence.camera) for name in sorted(names)]


def _detector(evidence: Evidence, meter: Meter) -> Stage:
    """How many frames of this camera it looked at, of those in which something moved."""
    path, camera = "detector", evidence.camera
    rate_hz, run = meter.rate_hz(f"{path}.looks.{camera}"), meter.latencies.get(f"{path}.run")
    drops = meter.reasons(f"{path}.dropped.", f".{camera}")
    notes, trouble = ["it looks only at what moves"], ""
    if run is not None and len(_cameras(meter)) > 1:
        notes.append("the times are of all cameras")
    if (whole := meter.latencies.get(f"{path}.{camera}")) is not None:
        notes.append(f"seen {whole.p50_ms:.0f} ms after capture (p99 {whole.p99_ms:.0f})")
    if not meter.gauges["detector.working"]:
        trouble = "it does not work, objects come of motion alone; framebus logs enrich shows why"
    elif drops and meter.span_s is not None:
        mend = "a smaller model, more threads, or a lower detect.fps would help"
        trouble = f"left out {sum(drops.values()) / meter.span_s:.1f} frames/s: {drop_words(drops)}; {mend}"
    return timed(Stage(name=path, rate_hz=rate_hz, drops=drops, notes=notes, trouble=trouble), run)


def _processor(meter: Meter, name: str, camera: str) -> Stage:
    path = f"processor.{name}"
    drops = meter.reasons(f"{path}.dropped.", f".{camera}")
    errors = meter.grown(f"{path}.errors") + meter.grown(f"errors.{path}")
    restarts = meter.counters.get(f"{path}.restarts", 0)
    is_deferred = f"{path}.queued" in meter.gauges  # what works on the loop has no queue
    latency = meter.latencies.get(f"{path}.task" if is_deferred else path)
    rate_hz, wanted_hz = meter.rate_hz(f"{path}.done"), meter.rate_hz(f"{path}.tasks")
    notes = of_all(meter)
    notes += [f"{found:.1f} findings/s"] if (found := meter.rate_hz(f"findings.{name}.{camera}")) else []
    if restarts:
        notes.append(f"its worker was started again {times(restarts)}")
    if queued := meter.gauges.get(f"{path}.queued"):
        notes.append(f"{queued:.0f} wait")
    if (age := meter.latencies.get(f"{path}.age")) is not None:
        notes.append(f"its frames are {age.p50_ms:.0f} ms old (p99 {age.p99_ms:.0f})")
    trouble = ""
    if errors:
        trouble = f"failed {times(errors)} while we looked; framebus logs enrich shows where"
    elif drops and meter.span_s is not None:
        slow = f"a task takes {latency.p50_ms:.0f} ms; " if latency is not None else ""
        trouble = f"left out {sum(drops.values()) / meter.span_s:.1f} frames/s: {slow}{drop_words(drops)}"
    stage = Stage(
        name=f"processor {name}", rate_hz=rate_hz, wanted_hz=wanted_hz, drops=drops, notes=notes, trouble=trouble
    )
    return timed(stage, latency)


def of_all(meter: Meter) -> list[str]:
    """Motion and processors count for all of their cameras together; say so where there are others."""
    return ["of all its cameras"] if len(_cameras(meter)) > 1 else []


def _cameras(meter: Meter) -> list[str]:
    return [counter for counter in meter.counters if counter.startswith("frames.")]

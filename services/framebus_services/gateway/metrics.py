"""The group in numbers, as Prometheus reads them: base units; labels are names of cameras, services and job types."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from framebus_services.gateway.hub import Hub

MAX_NAMES = 200
"""counters of one service that are told; their names are the service's own"""
MEDIA = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[dict[str, str], float]


@dataclass
class Metric:
    name: str
    kind: str
    help: str
    samples: list[Sample] = field(default_factory=list)


def render(hub: Hub) -> str:
    """All metrics as text."""
    lines = []
    for metric in (*_cameras(hub), *_services(hub), *_jobs(hub), *_stats(hub)):
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {_number(value)}" for labels, value in metric.samples]
    return "\n".join(lines) + "\n"


def _cameras(hub: Hub) -> Iterator[Metric]:
    online = Metric("framebus_camera_online", "gauge", "1 while the camera gives pictures.")
    recording = Metric("framebus_camera_recording", "gauge", "1 while it is recorded.")
    rate_in = Metric("framebus_camera_frames_in_per_second", "gauge", "Frames from the source.")
    rate_out = Metric("framebus_camera_frames_out_per_second", "gauge", "Frames into the ring.")
    dropped = Metric("framebus_camera_dropped_total", "counter", "Packets or frames lost, by reason.")
    for item in hub.under("camera/"):
        camera = {"camera": item.topic.split("/")[1]}
        is_online = not item.is_stale and item.body.get("state") in ("online", "degraded")
        online.samples.append((camera, float(is_online)))
        recording.samples.append((camera, float(not item.is_stale and bool(item.body.get("is_recording")))))
        rate_in.samples.append((camera, 0.0 if item.is_stale else float(item.body.get("fps_in", 0.0))))
        rate_out.samples.append((camera, 0.0 if item.is_stale else float(item.body.get("fps_out", 0.0))))
        drops = sorted(item.body.get("drops", {}).items())[:MAX_NAMES]
        dropped.samples += [({**camera, "reason": reason}, float(count)) for reason, count in drops]
    yield from (online, recording, rate_in, rate_out, dropped)


def _services(hub: Hub) -> Iterator[Metric]:
    ready = Metric("framebus_service_ready", "gauge", "1 while the service is ready.")
    restarts = Metric("framebus_service_restarts_total", "counter", "Starts after deaths that nobody asked for.")
    cpu = Metric("framebus_service_cpu_ratio", "gauge", "Share of one core.")
    memory = Metric("framebus_service_resident_memory_bytes", "gauge", "Resident memory.")
    for item in hub.under("service/"):
        service = {"service": item.topic.split("/")[1]}
        ready.samples.append((service, float(not item.is_stale and item.body.get("state") == "ready")))
        restarts.samples.append((service, float(item.body.get("restarts", 0))))
        cpu.samples.append((service, float(item.body.get("cpu_percent", 0.0)) / 100.0))
        memory.samples.append((service, float(item.body.get("rss_bytes", 0))))
    yield from (ready, restarts, cpu, memory)


def _jobs(hub: Hub) -> Iterator[Metric]:
    jobs = Metric("framebus_jobs", "gauge", "Jobs in the ledger, by state.")
    waiting = Metric("framebus_jobs_waiting", "gauge", "Jobs in line.")
    wait = Metric("framebus_jobs_estimated_wait_seconds", "gauge", "Until a job that is handed in now begins.")
    done = Metric("framebus_jobs_processed_total", "counter", "Jobs that ended, by outcome.")
    for item in hub.under("job_state/"):
        kind = {"type": item.topic.split("/")[1]}
        queue = item.body.get("queue", {})
        counts = sorted(item.body.get("counts", {}).items())[:MAX_NAMES]
        jobs.samples += [({**kind, "state": state}, float(count)) for state, count in counts]
        waiting.samples.append((kind, float(queue.get("waiting", 0))))
        wait.samples.append((kind, float(queue.get("estimated_wait_s", 0.0))))
        for outcome, name in (("succeeded", "processed_total"), ("failed", "failed_total")):
            done.samples.append(({**kind, "outcome": outcome}, float(queue.get(name, 0))))
    yield from (jobs, waiting, wait, done)


def _stats(hub: Hub) -> Iterator[Metric]:
    counted = Metric("framebus_service_counted_total", "counter", "What a service counts, by its own name for it.")
    gauges = Metric("framebus_service_gauge", "gauge", "What a service measures, by its own name; the unit is in it.")
    p99 = Metric("framebus_service_latency_p99_seconds", "gauge", "99 of 100 took no longer, over the last second.")
    for item in hub.under("stats/"):
        if item.is_stale:
            continue
        service = {"service": item.topic.split("/")[1]}
        for metric, values in ((counted, "counters"), (gauges, "gauges")):
            named = sorted(item.body.get(values, {}).items())[:MAX_NAMES]
            metric.samples += [({**service, "name": name}, float(value)) for name, value in named]
        latencies = sorted(item.body.get("latencies", {}).items())[:MAX_NAMES]
        p99.samples += [({**service, "name": name}, float(one.get("p99_ms", 0.0)) / 1_000) for name, one in latencies]
    yield from (counted, gauges, p99)


def _labels(labels: dict[str, str]) -> str:
    def quoted(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{quoted(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)

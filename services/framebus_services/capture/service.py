"""The process of one camera: its settings become connections, recorder and ring; its news go to the bus."""

import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

from framebus.addresses import Kind
from framebus.bus import Bus
from framebus.door import Reply
from framebus.errors import ConfigError, ErrorCode, RefusedError
from framebus.keep import Keep, write_keep
from framebus.messages import CameraState, CameraStatus, Cause, FrameNotice
from framebus.requests import Snapshot, TakeSnapshot
from framebus.retention import Retention
from framebus.ring import RingReader, RingSpaceError, sweep_rings
from framebus.settings import CaptureSettings, Encoder
from framebus_services.capture.disk import Disk
from framebus_services.capture.encoding import Encoding
from framebus_services.capture.feed import space_detail
from framebus_services.capture.links import Links, shown_address
from framebus_services.capture.live import Live
from framebus_services.capture.pictures import Pictures
from framebus_services.capture.recorder import Recorder
from framebus_services.capture.sampling import picture_size
from framebus_services.capture.shots import Shots
from framebus_services.capture.status import LinkReport, Rate, Verdict, judge

log = logging.getLogger(__name__)

STATUS_S = 1.0
RETENTION_S = 30.0
RETENTION_SOON_S = 0.1
STOP_S = 4.0
OLD_S = 5.0
"""age from which the newest frame is no picture of the present any more"""
TEXT_LENGTH = 500


class Capture:
    """Records one camera and shows its pictures."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._settings = bus.settings(CaptureSettings)
        self._camera = self._settings.camera
        self._verdict = Verdict(state=CameraState.CONNECTING)
        self._since_at_s = bus.clock.wall_s()
        self._is_stopped = False
        self._fps_in, self._fps_out = Rate(), Rate()
        self._frames, self._broken = Rate(10.0), Rate(10.0)
        data = bus.place.data
        shown = Shots if shown_address(self._settings).kind is Kind.PLUGIN else Pictures
        self._pictures = shown(
            self._camera, self._settings.detect, bus.place.shm, bus.epoch, bus.clock, self._note_picture
        )
        self._disk = disk = Disk(data / "recordings")
        self._recorder: Recorder | None = None
        self._encoding: Encoding | None = None
        if self._settings.record.enabled:
            segment_s, encoder = self._settings.record.segment_s, self._settings.record.encoder
            self._recorder = Recorder(data, self._camera, segment_s, bus.clock, disk, bus.publish)
            self._encoding = Encoding(self._recorder, encoder) if encoder is not Encoder.NONE else None
        self._live = Live(self._camera, bus.publish)
        self._small = Live(self._camera, bus.publish, is_small=True)
        bus.on_watched(f"live/{self._camera}/", self._live.watch)
        bus.on_watched(f"live_small/{self._camera}/", self._small.watch)
        keep = Keep.of(self._settings.record.keep)
        self._retention = Retention(data, self._camera, keep, bus.clock, lambda: disk.space().is_getting_short)
        self._note_keep(data)
        on_change = partial(bus.call_soon, self._tell)
        lives = (self._live, self._small)
        links = Links(self._settings, bus.clock, self._pictures, lives, self._recorder, self._encoding, on_change)
        self._readers = links.make_readers()
        sweep_rings(bus.place.shm, self._camera, None)
        self._make_ring_if_size_is_known()
        bus.answer(TakeSnapshot, self._take_snapshot)
        bus.every(STATUS_S, self._tell)
        bus.after(RETENTION_SOON_S, self._delete_old)
        self._publish()
        for reader in self._readers.values():
            reader.start()

    def is_healthy(self) -> bool:
        """False when a reader's thread died or hangs."""
        return all(reader.is_healthy() for reader in self._readers.values())

    def stop(self) -> None:
        """Close the segment and remove the ring, within 5 s."""
        self._is_stopped = True
        for reader in self._readers.values():
            reader.stop(STOP_S / len(self._readers))
        self._verdict = Verdict(state=CameraState.OFFLINE)
        self._since_at_s = self._bus.clock.wall_s()
        self._publish()
        log.info("%s: stopped", self._camera)

    # How it is put together ------------------------------------------------------------------------------------------

    def _make_ring_if_size_is_known(self) -> None:
        detect, address = self._settings.detect, shown_address(self._settings)
        is_known = address.kind is Kind.SYNTHETIC or (detect.width and detect.height)
        if isinstance(self._pictures, Shots) or not is_known:
            return
        try:
            self._pictures.make_ring(*picture_size(address.screen.width, address.screen.height, detect))
        except RingSpaceError as error:
            raise ConfigError([space_detail(error)]) from None

    # What it tells ---------------------------------------------------------------------------------------------------

    def _note_picture(self, notice: FrameNotice, latency_s: float) -> None:
        self._bus.call_soon(partial(self._publish_picture, notice, latency_s))

    def _publish_picture(self, notice: FrameNotice, latency_s: float) -> None:
        self._bus.stats.observe("packet_to_ring", latency_s)
        self._bus.publish(notice)

    def _tell(self) -> None:
        if self._is_stopped:
            return
        self._count()
        verdict = self._judge()
        if (verdict.state, verdict.trouble.cause) != (self._verdict.state, self._verdict.trouble.cause):
            self._since_at_s = self._bus.clock.wall_s()
            self._log(verdict)
        self._verdict = verdict
        self._publish()

    def _judge(self) -> Verdict:
        now_s = self._bus.clock.boot_s()

        def age_s(at_s: float | None) -> float | None:
            return None if at_s is None else now_s - at_s

        reports = [
            LinkReport(
                purpose=purpose,
                link=reader.link,
                frame_age_s=age_s(reader.frame_at_s),
                idle_packets=reader.idle_packets,
            )
            for purpose, reader in self._readers.items()
        ]
        parts = (self._recorder, self._encoding, self._pictures)
        troubles = [part.trouble for part in parts if part is not None and part.trouble is not None]
        return judge(reports, troubles, self._broken.grown / max(1, self._frames.grown))

    def _log(self, verdict: Verdict) -> None:
        trouble = verdict.trouble
        if verdict.state is CameraState.ONLINE:
            link = next(iter(self._readers.values())).link
            log.info("%s: online, %s %dx%d", self._camera, link.codec, link.width, link.height)
            return
        retry = ""
        if verdict.retry_at_s is not None:
            retry = f"; next try in {max(0.0, verdict.retry_at_s - self._bus.clock.wall_s()):.0f} s"
        cause = "" if trouble.cause is Cause.UNKNOWN else f"{trouble.cause}: "
        log.warning("%s: %s, %s%s%s", self._camera, verdict.state, cause, trouble.detail, retry)

    def _tallies(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for part in (self._recorder, self._pictures, self._live, self._small, self._retention):
            if part is not None:
                total.update(part.tally.copy())
        return total

    def _count(self) -> None:
        now_s, stats, tally = self._bus.clock.boot_s(), self._bus.stats, self._tallies()
        self._fps_in.note(now_s, next(iter(self._readers.values())).packets)
        self._fps_out.note(now_s, tally["pictures"])
        self._broken.note(now_s, tally["corrupt.frames"] + tally["dropped.decode"])
        self._frames.note(now_s, tally["frames"] + tally["dropped.decode"])
        for what, count in tally.items():
            stats.counters[what] = count
        if isinstance(self._pictures, Shots):
            for name, value in self._pictures.meta.copy().items():
                stats.gauge(f"source.{name}", value)
        stats.gauge("fps_in", self._fps_in.per_s)
        stats.gauge("fps_out", self._fps_out.per_s)
        if self._recorder is not None:
            with suppress(OSError):  # the recorder says what is wrong with the disk
                space = self._disk.space()
                stats.gauge("disk_free_bytes", space.free_bytes)
                stats.gauge("disk_floor_bytes", space.floor_bytes)

    def _publish(self) -> None:
        reader, *more = self._readers.values()
        ring = self._pictures.ring
        frame_at_s = max((each.frame_at_s or 0.0 for each in self._readers.values()), default=0.0)
        clock = self._bus.clock
        drops = {
            what.removeprefix("dropped."): count
            for what, count in self._tallies().items()
            if what.startswith(("dropped.", "corrupt.")) and count
        }
        self._bus.publish(
            CameraStatus(
                camera=self._camera,
                state=self._verdict.state,
                cause=self._verdict.trouble.cause,
                detail=self._verdict.trouble.detail[:TEXT_LENGTH],
                since_at_s=self._since_at_s,
                retry_at_s=self._verdict.retry_at_s,
                source=reader.address.shown[:TEXT_LENGTH],
                codec=reader.link.codec,
                small_codec=more[0].link.codec if more else "",
                width=reader.link.width,
                height=reader.link.height,
                fps_in=self._fps_in.per_s,
                fps_out=self._fps_out.per_s,
                is_recording=self._recorder is not None and self._recorder.is_recording,
                drops=drops,
                ring_bytes=ring.size_bytes if ring is not None else 0,
                last_frame_at_s=frame_at_s - clock.boot_s() + clock.wall_s() if frame_at_s else None,
            )
        )

    def _take_snapshot(self, _: TakeSnapshot) -> Reply:
        from framebus_services.video.jpeg import encode_jpeg  # noqa: PLC0415  OpenCV: 16 MB that most cameras never need

        ring = self._pictures.ring
        if ring is None:
            raise RefusedError(ErrorCode.UNAVAILABLE, "there is no frame yet", retry_after_s=1.0)
        try:
            with RingReader.open(ring.path) as reader:
                newest = reader.latest(camera=self._camera)
                frame = newest.copy() if newest is not None else None
        except FileNotFoundError:
            frame = None  # the size of the pictures has just changed
        if frame is None:
            raise RefusedError(ErrorCode.UNAVAILABLE, "there is no frame yet", retry_after_s=1.0)
        age_s = self._bus.clock.boot_s() - frame.captured_boot_ns / 1e9
        if age_s > OLD_S:
            raise RefusedError(ErrorCode.UNAVAILABLE, f"the newest frame is {age_s:.0f} s old", retry_after_s=5.0)
        snapshot = Snapshot(
            camera=self._camera,
            number=frame.number,
            captured_at_s=frame.captured_at_s,
            width=frame.width,
            height=frame.height,
        )
        return Reply(snapshot, encode_jpeg(frame))

    def _note_keep(self, data: Path) -> None:
        """For the time when this camera is configured no more, and its recordings grow old without it."""
        if not self._settings.record.enabled:
            return
        try:
            write_keep(data, self._camera, self._settings.record.keep)
        except OSError as error:
            log.warning("%s: how long recordings are kept can't be noted: %s", self._camera, error)

    def _delete_old(self) -> None:
        may_be_more = False
        try:
            may_be_more = self._retention.step()
        except OSError as error:
            log.warning("%s: old recordings can't be deleted: %s", self._camera, error)
        finally:
            self._bus.after(RETENTION_SOON_S if may_be_more else RETENTION_S, self._delete_old)

"""Which connections a camera has, and what becomes of what each of them brings: by its settings alone."""

from collections.abc import Callable
from typing import Any

from framebus.addresses import Address, Kind, parse_address
from framebus.clock import Clock
from framebus.settings import CaptureSettings
from framebus_services.capture.device import DeviceSource
from framebus_services.capture.encoding import Encoding
from framebus_services.capture.live import Live
from framebus_services.capture.pictures import Pictures
from framebus_services.capture.plugin import PluginCamera, PluginSource, Shot
from framebus_services.capture.reader import Reader, Sink
from framebus_services.capture.recorder import Recorder
from framebus_services.capture.recording import PacketRecorder, ShotRecorder
from framebus_services.capture.shots import Shots
from framebus_services.capture.source import FileSource, NetworkSource, PacketSource, Wait, resolve
from framebus_services.capture.web import WebSource
from framebus_services.video.packets import AnyPacket

AnyReader = Reader[Any, Any]


def shown_address(settings: CaptureSettings) -> Address:
    """Where the pictures come from that processors get."""
    if settings.detect.source is not None:
        return parse_address(settings.detect.source, "detect.source")
    return parse_address(settings.source, "source")


class Links:
    """Makes the readers of a camera."""

    def __init__(
        self,
        settings: CaptureSettings,
        clock: Clock,
        pictures: Pictures | Shots,
        lives: tuple[Live, Live],
        recorder: Recorder | None,
        encoding: Encoding | None,
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._pictures = pictures
        self._live, self._small = lives
        self._recorder = recorder
        self._encoding = encoding
        self._on_change = on_change

    def make_readers(self) -> dict[str, AnyReader]:
        """The readers by what they are for; raises ConfigError for an address that is none."""
        main = parse_address(self._settings.source, "source")
        is_recorded = self._recorder is not None and (main.kind is not Kind.PLUGIN or self._encoding is not None)
        if self._settings.detect.source is None:
            return {"stream": self._make(main, shows=True, live=self._live, records=is_recorded)}
        shown_live = self._small if is_recorded else self._live
        small = self._make(shown_address(self._settings), shows=True, live=shown_live, records=False)
        if not is_recorded:
            return {"detect stream": small}
        return {"main stream": self._make(main, shows=False, live=self._live, records=True), "detect stream": small}

    def _make(self, address: Address, *, shows: bool, live: Live, records: bool) -> AnyReader:
        recorder = self._recorder if records else None
        if address.kind is Kind.PLUGIN:
            return self._make_pictured(address, shows, recorder)
        return self._make_packeted(address, shows, live, recorder)

    def _make_packeted(self, address: Address, shows: bool, live: Live, recorder: Recorder | None) -> AnyReader:
        # The pictures come first, then live video: they need the packets unchanged.
        sinks: list[Sink[PacketSource, AnyPacket]] = []
        if shows and isinstance(self._pictures, Pictures):
            sinks.append(self._pictures)
        sinks.append(live)
        if recorder is not None:
            sinks.append(PacketRecorder(recorder, self._encoding))
        return Reader(address, self._connect, sinks, self._clock, self._on_change)

    def _make_pictured(self, address: Address, shows: bool, recorder: Recorder | None) -> AnyReader:
        sinks: list[Sink[PluginSource, Shot]] = []
        if shows and isinstance(self._pictures, Shots):
            sinks.append(self._pictures)
        if recorder is not None and self._encoding is not None:
            sinks.append(ShotRecorder(recorder, self._encoding))
        plugin = PluginCamera(address, self._settings.settings, self._clock)
        return Reader(address, lambda _, wait: plugin.connect(wait), sinks, self._clock, self._on_change)

    def _connect(self, address: Address, wait: Wait) -> PacketSource:
        return open_packets(self._settings.camera, address, self._clock, wait)


def open_packets(camera: str, address: Address, clock: Clock, wait: Wait) -> PacketSource:
    """Connect to a source that sends packets; raises OSError, ValueError, av.FFmpegError or a SourceError."""
    if address.kind is Kind.SYNTHETIC:
        from framebus_services.capture.synthetic import SyntheticSource  # noqa: PLC0415  OpenCV, as for a snapshot

        return SyntheticSource(camera, address.screen, clock, wait)
    if address.kind is Kind.FILE:
        return FileSource(address, clock, wait)
    if address.kind is Kind.DEVICE:
        return DeviceSource(address)
    resolve(address)
    if address.kind is Kind.WEB:
        return WebSource(address, clock, wait)
    return NetworkSource(address)

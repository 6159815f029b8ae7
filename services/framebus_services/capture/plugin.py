"""Runs a source of the user's own: what it gives is checked, what it raises is told with file and line of its code."""

import inspect
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

import numpy as np

from framebus.addresses import Address
from framebus.arguments import convert_arguments, find_argument_problems
from framebus.clock import Clock
from framebus.errors import ConfigError
from framebus.frame import PixelFormat, Pixels
from framebus.source import CameraSource, Picture
from framebus.source_plugins import load_source, where_of
from framebus_services.capture.feed import Shape
from framebus_services.capture.source import StreamKind, Wait
from framebus_services.capture.trouble import EndedError, PluginError

log = logging.getLogger(__name__)

TURN_S = 0.001
"""rest of a source that has nothing yet, so that it takes no whole core by saying so"""
LOG_AGAIN_S = 60.0
TEXT_LENGTH = 300
NUMBERS = (int, float, np.integer, np.floating)
PTS_LIMIT_US = 2**53
"""what a notice may hold"""
SHAPES = {
    PixelFormat.I420: "uint8 (height * 3 // 2, width), both sides even",
    PixelFormat.BGR24: "uint8 (height, width, 3)",
    PixelFormat.GRAY8: "uint8 (height, width)",
    PixelFormat.GRAY16: "uint16 (height, width)",
    PixelFormat.BAYER_RGGB8: "uint8 (height, width), both sides even",
}


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture whose shape is what its format wants."""

    shape: Shape
    pixels: Pixels
    pts_us: int | None
    captured_at_s: float | None
    meta: Mapping[str, float]


class PluginCamera:
    """What an address and its settings name; makes a source of it for each connection."""

    def __init__(self, address: Address, settings: Mapping[str, Any], clock: Clock) -> None:
        self._address = address
        self._settings = settings
        self._clock = clock
        self._told_s: dict[tuple[str, str], float] = {}

    def connect(self, wait: Wait) -> "PluginSource":
        """Make and open the source; raises PluginError."""
        try:
            kind = load_source(self._address)
            if problems := find_argument_problems(kind, self._settings, "settings"):
                raise PluginError("; ".join(problems))
            source = kind(**convert_arguments(kind, self._settings))
        except ConfigError as error:
            cause = error.__cause__
            raise self.wrong(cause, str(error)) if cause is not None else PluginError(str(error)) from None
        except PluginError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  the user's code may fail in any way; its camera says so
            raise self.wrong(error) from None
        return PluginSource(self, source, wait)

    def wrong(self, error: BaseException, text: str | None = None) -> PluginError:
        """What to raise for an error of the user's code, which is logged: each kind and place once a minute."""
        where = where_of(error, self._file())
        kind = (type(error).__name__, where)
        now_s = self._clock.boot_s()
        if now_s - self._told_s.get(kind, float("-inf")) >= LOG_AGAIN_S:
            self._told_s[kind] = now_s
            own = error.with_traceback(error.__traceback__.tb_next if error.__traceback__ is not None else None)
            log.error("source %s: %s at %s: %s", self._address.shown, *kind, error, exc_info=own)
        name = f"{os.path.basename(where.rpartition(':')[0])}:{where.rpartition(':')[2]}"
        return PluginError((text or f"{name}: {kind[0]}: {error}")[:TEXT_LENGTH])

    def _file(self) -> str | None:
        if self._address.url:
            return self._address.url
        try:
            return inspect.getsourcefile(load_source(self._address))
        except (ConfigError, TypeError, OSError):
            return None


class PluginSource:
    """A source that is open."""

    def __init__(self, camera: PluginCamera, source: CameraSource, wait: Wait) -> None:
        self._camera = camera
        self._source = source
        self._wait = wait
        self._shape: Shape = (0, 0, PixelFormat.BGR24)
        try:
            self._pictures: Iterator[Picture | None] = iter(source.open())
        except (Exception, SystemExit) as error:  # noqa: BLE001  as above
            failure = camera.wrong(error)
            self.close()
            raise failure from None

    @property
    def kind(self) -> StreamKind:
        width, height, pixel_format = self._shape
        return StreamKind(pixel_format.name.lower(), width, height)

    def items(self) -> Iterator[Shot]:
        while True:
            try:
                picture = next(self._pictures)
            except StopIteration:
                raise EndedError("the source gives no more pictures") from None
            except (Exception, SystemExit) as error:  # noqa: BLE001  as above
                raise self._camera.wrong(error) from None
            if picture is not None:
                yield self._checked(picture)
            elif self._wait(TURN_S):
                return

    def is_video(self, item: Shot) -> bool:
        return True

    def interrupt(self) -> None:
        """Close it beside its waiting thread, in one that may hang as well."""
        threading.Thread(target=self.close, name="closing", daemon=True).start()

    def close(self) -> None:
        try:
            self._source.close()
        except (Exception, SystemExit) as error:  # noqa: BLE001  as above
            self._camera.wrong(error)

    def _checked(self, picture: object) -> Shot:
        pixel_format = self._source.pixel_format
        if not isinstance(picture, Picture):
            raise self._refused(f"gave {type(picture).__name__}; yield framebus.Picture(pixels), or None")
        if not isinstance(pixel_format, PixelFormat):
            raise self._refused(f"its pixel_format is {pixel_format!r}; it must be a framebus.PixelFormat")
        shape = shape_of(picture.pixels, pixel_format)
        if shape is None:
            given = f"{getattr(picture.pixels, 'dtype', type(picture.pixels).__name__)} "
            given += f"{getattr(picture.pixels, 'shape', '')}"
            raise self._refused(f"gave {given.strip()}; {pixel_format.name} is {SHAPES[pixel_format]}")
        if odd := _find_odd(picture):
            raise self._refused(odd)
        self._shape = shape
        pts_us = None if picture.pts_us is None else int(picture.pts_us)
        return Shot(shape, picture.pixels, pts_us, picture.captured_at_s, picture.meta)

    def _refused(self, text: str) -> PluginError:
        """As if its own code had raised it."""
        kind = type(self._source)
        file = os.path.basename(inspect.getfile(kind))
        frame = self._pictures.gi_frame if isinstance(self._pictures, GeneratorType) else None
        line = frame.f_lineno if frame is not None else inspect.getsourcelines(kind.open)[1]
        return PluginError(f"{file}:{line}: {text}"[:TEXT_LENGTH])


def _find_odd(picture: Picture) -> str:
    """What of a picture's numbers is none; annotations bind nobody, and the reader must not end by them."""
    pts_us: object = picture.pts_us
    at_s: object = picture.captured_at_s
    meta: object = picture.meta
    if pts_us is not None and not (isinstance(pts_us, NUMBERS) and -PTS_LIMIT_US < pts_us < PTS_LIMIT_US):
        return f"its pts_us is {pts_us!r:.40}; it must be a whole number below 2**53, or None"
    if at_s is not None and not isinstance(at_s, NUMBERS):
        return f"its captured_at_s is {at_s!r:.40}; it must be seconds since 1970, or None"
    if not isinstance(meta, Mapping):
        return f"its meta is {meta!r:.40}; it must be a mapping of names to numbers"
    return ""


def shape_of(pixels: object, pixel_format: PixelFormat) -> Shape | None:
    """Width, height and format of a picture; None when it can't be one of this format."""
    if not isinstance(pixels, np.ndarray) or pixels.ndim != (3 if pixel_format is PixelFormat.BGR24 else 2):
        return None
    if pixels.dtype != (np.uint16 if pixel_format is PixelFormat.GRAY16 else np.uint8):
        return None
    rows, width = pixels.shape[:2]
    height = rows * 2 // 3 if pixel_format is PixelFormat.I420 else rows
    try:
        size_bytes = pixel_format.payload_bytes(width, height)
    except ValueError:
        return None
    return (width, height, pixel_format) if size_bytes == pixels.nbytes else None

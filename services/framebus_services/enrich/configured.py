"""What changes in the configuration while enrich runs: the cameras, which are told, and its own section, a file."""

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from framebus.errors import MalformedError
from framebus.keep import Keep
from framebus.keep_settings import KeepByKind
from framebus.messages import ConfigChanged, Name
from framebus.settings import EnrichedCamera, EnrichProcessSettings, Masks, Record, Zones

log = logging.getLogger(__name__)

DEFAULT_KEEP_S = Keep.of(Record().keep).longest_s


class SettingsFile:
    """Enrich's own section, which its launcher writes anew when a setting changes that is taken live.

    `config/services/` would not do: there `${NAME}` is not replaced, and passwords do not stand.
    """

    def __init__(self, path: Path | None) -> None:
        """None: there is none, and nothing changes."""
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._complaint = ""

    def look(self) -> EnrichProcessSettings | None:
        """What stands there, if it was written since it was read last; costs next to nothing if it was not."""
        if self._path is None:
            return None
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) == self._seen:
                return None
            written = self._path.read_bytes()
            self._seen, self._complaint = (found.st_ino, found.st_mtime_ns), ""
            return msgspec.json.decode(written, type=EnrichProcessSettings)
        except FileNotFoundError:  # the group is being tidied up
            return None
        except (OSError, msgspec.MsgspecError) as error:
            if str(error) != self._complaint:  # what could not be read is tried again at each look
                self._complaint = str(error)
                log.error("the settings in %s cannot be read, and stay as they are: %s", self._path, error)
            return None


class _Record(msgspec.Struct):
    keep: str | dict[str, str | None] = str(Record().keep)


class _Camera(msgspec.Struct):
    """A camera as it is written; what is not for enrich is passed over."""

    zones: Zones = {}
    masks: Masks = []
    record: _Record = msgspec.field(default_factory=_Record)


def cameras_of(changed: ConfigChanged, known_keep_s: Mapping[str, float]) -> dict[str, EnrichedCamera]:
    """The cameras of a new section `cameras`; raises MalformedError when it is none.

    The section is as it is written: where `${NAME}` says how long a camera is kept, what is known so far stands.
    """
    try:
        cameras = msgspec.msgpack.decode(changed.value, type=dict[Name, _Camera])
        return {
            name: EnrichedCamera(
                zones=camera.zones,
                masks=camera.masks,
                keep_s=_longest_s(camera.record.keep, known_keep_s.get(name, DEFAULT_KEEP_S)),
            )
            for name, camera in cameras.items()
        }
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedError("body", f"config/cameras/: {error}") from None


def _longest_s(keep: str | dict[str, str | None], known_s: float) -> float:
    if "${" in str(keep):
        return known_s
    return Keep.of(keep if isinstance(keep, str) else msgspec.convert(keep, KeepByKind)).longest_s

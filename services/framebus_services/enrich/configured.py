"""What the configuration says of the cameras, as enrich hears it while it runs."""

from collections.abc import Mapping

import msgspec

from framebus.errors import MalformedError
from framebus.messages import ConfigChanged, Name
from framebus.settings import EnrichedCamera, Masks, Record, Zones, seconds

DEFAULT_KEEP_S = seconds(Record().keep)


class _Record(msgspec.Struct):
    keep: str = Record().keep


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
                keep_s=known_keep_s.get(name, DEFAULT_KEEP_S)
                if "${" in camera.record.keep
                else seconds(camera.record.keep),
            )
            for name, camera in cameras.items()
        }
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedError("body", f"config/cameras/: {error}") from None

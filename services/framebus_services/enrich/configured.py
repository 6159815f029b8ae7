"""What the configuration says of the cameras, as enrich hears it while it runs."""

import msgspec

from framebus.errors import MalformedError
from framebus.messages import ConfigChanged, Name
from framebus.settings import EnrichedCamera, Masks, Record, Zones, seconds


class _Record(msgspec.Struct):
    keep: str = Record().keep


class _Camera(msgspec.Struct):
    """A camera as it is written; what is not for enrich is passed over."""

    zones: Zones = {}
    masks: Masks = []
    record: _Record = msgspec.field(default_factory=_Record)


def cameras_of(changed: ConfigChanged) -> dict[str, EnrichedCamera]:
    """The cameras of a new section `cameras`; raises MalformedError when it is none."""
    try:
        cameras = msgspec.msgpack.decode(changed.value, type=dict[Name, _Camera])
        return {
            name: EnrichedCamera(zones=camera.zones, masks=camera.masks, keep_s=seconds(camera.record.keep))
            for name, camera in cameras.items()
        }
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedError("body", f"config/cameras/: {error}") from None

"""The names of things at the broker: the table of topics, and what is made of labels that MQTT does not allow."""

import re
import zlib
from dataclasses import dataclass

MAX_LABEL = 64
UNNAMED = "unnamed"
_NOT_IN_TOPIC = re.compile(r"[^\w.-]+")
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class TopicRow:
    """What is published under one pattern; `*` is the `topic` of the settings."""

    pattern: str
    payload: str
    is_retained: bool = True
    qos: int = 0


TABLE = (
    TopicRow(pattern="*/available", payload="`online`, or `offline`, which the broker says too when the bridge dies"),
    TopicRow(pattern="*/<camera>/state", payload="JSON: state, cause, detail, fps, recording"),
    TopicRow(pattern="*/<camera>/motion", payload="`ON`; `OFF` when nothing has moved for 10 s"),
    TopicRow(pattern="*/<camera>/objects/<label>", payload="how many objects of this label are there now"),
    TopicRow(pattern="*/<camera>/zones/<zone>/<label>", payload="how many of them stand in this zone"),
    TopicRow(pattern="*/<camera>/pictures/<label>", payload="JPEG: the newest good picture"),
    TopicRow(pattern="*/events", payload="JSON: an object starts or ends", is_retained=False, qos=1),
    TopicRow(pattern="*/jobs", payload="JSON: jobs of each type that wait, run, were done, failed"),
)
"""the words between names keep apart what users call alike: a zone `person`, a label `state`"""


@dataclass(frozen=True)
class Topics:
    """The topics of one group; labels come as `segment` made them."""

    base: str

    @property
    def available(self) -> str:
        return f"{self.base}/available"

    @property
    def events(self) -> str:
        return f"{self.base}/events"

    @property
    def jobs(self) -> str:
        return f"{self.base}/jobs"

    def camera(self, camera: str) -> str:
        """What all topics of a camera begin with."""
        return f"{self.base}/{camera}/"

    def state(self, camera: str) -> str:
        return f"{self.base}/{camera}/state"

    def motion(self, camera: str) -> str:
        return f"{self.base}/{camera}/motion"

    def objects(self, camera: str, label: str) -> str:
        return f"{self.base}/{camera}/objects/{label}"

    def zone(self, camera: str, zone: str, label: str) -> str:
        return f"{self.base}/{camera}/zones/{zone}/{label}"

    def picture(self, camera: str, label: str) -> str:
        return f"{self.base}/{camera}/pictures/{label}"


def segment(label: str) -> str:
    """A label as one level of a topic: letters and digits of any language, `_`, `-` and `.`; labels that come to the
    same are one there.

    >>> segment("traffic light"), segment("a/b+c#"), segment("?")
    ('traffic_light', 'a_b_c', 'unnamed')
    """
    return _NOT_IN_TOPIC.sub("_", label)[:MAX_LABEL].strip("_") or UNNAMED


def ascii_id(name: str) -> str:
    """A name in the few characters that Home Assistant takes in a discovery topic; another name is another id.

    >>> ascii_id("person"), ascii_id("été")
    ('person', '_t_-44d16cd4')
    """
    plain = _NOT_IN_ID.sub("_", name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"

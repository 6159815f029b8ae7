"""What of a message somebody may see: whole, in part, or not at all."""

from typing import Any

from framebus.access import Role
from framebus_services.gateway.authority import Subject

RETAINED = ("camera/", "service/", "job_state/", "stats/", "config/")
PASSING = ("motion/", "object/", "finding/", "recording/", "upload/", "job/")
WORDS = (*RETAINED, *PASSING)
"""what topics begin with that may be had over HTTP; frames, live video, beacons are not among them"""

Body = dict[str, Any]


def seen_by(subject: Subject, topic: str, body: Body) -> Body | None:
    """The body as this subject may see it; None: not at all.

    A viewer of some cameras is told of no other camera, whatever the message is about.
    """
    word, _, rest = topic.rstrip("/").partition("/")
    if word == "config":
        return body if subject.role is Role.ADMIN else None
    if word in ("service", "stats"):
        return _of_service(subject, word, rest, body)
    if word == "job_state":
        return _board(subject, body) if subject.is_restricted else body
    return body if subject.sees(_camera_of(word, rest, body)) else None


def _camera_of(word: str, rest: str, body: Body) -> str | None:
    if word == "finding":
        return rest.partition("/")[2]
    if word == "job":
        return body.get("camera")
    return rest


def _of_service(subject: Subject, word: str, name: str, body: Body) -> Body | None:
    camera = name.partition("@")[2]
    if subject.is_restricted and camera and not subject.sees(camera):
        return None
    if word == "stats":
        return None if subject.is_restricted and not camera else body
    if subject.role is Role.ADMIN:
        return body
    hidden: Body = {"log_tail": []}
    if subject.is_restricted and not camera:
        hidden["reason"] = ""  # it may name a camera
    return {**body, **hidden}


def _board(subject: Subject, body: Body) -> Body:
    """A board without the jobs of other cameras, and without the counts that would tell of them."""
    lists = {
        name: [job for job in body.get(name, []) if subject.sees(job.get("camera"))]
        for name in ("running", "waiting", "ended")
    }
    return {**body, **lists, "more": {}, "counts": {}}

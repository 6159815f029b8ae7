"""The contract of analysis jobs: what is refused at once. The dispatcher loads this: no pictures here."""

import os
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated

from msgspec import Meta, Struct

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import CheckContext, JobType
from framebus.messages import END, Name
from framebus.settings import QueuePolicy
from framebus_services.below import NotPlainError, open_below
from framebus_services.video.formats import IMAGES


class Source(StrEnum):
    """The folder of the data that the path is below."""

    UPLOADS = "uploads"
    EXPORTS = "exports"


class AnalysisParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file to look at."""

    path: Annotated[str, Meta(min_length=1, max_length=4_096)]
    """below `source`"""
    source: Source = Source.UPLOADS
    camera: Name | None = None
    analyser: Name | None = None
    """default: the one of the configuration"""
    kind: str | None = None
    """image or video; default: by the ending of the name"""
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$" + END)] | None = None
    """of the content; a file that was replaced since is not looked at"""


class AnalysisResult(Struct, frozen=True, kw_only=True):
    """What the analyser said."""

    analyser: str
    values: dict[str, object]
    picture: str | None = None
    """below the exports folder"""


def check(params: AnalysisParams, context: CheckContext) -> None:
    """Refuse what lies nowhere, or outside."""
    if params.kind not in (None, "image", "video"):
        raise RefusedError(ErrorCode.BAD_REQUEST, f"kind: {params.kind!r}; it is image or video")
    os.close(open_source(context.data, params))


def open_source(data: Path, params: AnalysisParams) -> int:
    """A descriptor of the file, which lies in its folder whatever is put at its name meanwhile; raises RefusedError."""
    what = f"{params.path!r} in {params.source.value}"
    try:
        return open_below(data / params.source.value, params.path)
    except NotPlainError as error:
        raise RefusedError(ErrorCode.BAD_REQUEST, f"path: {what}: {error}") from None
    except FileNotFoundError:
        raise RefusedError(ErrorCode.NO_SOURCE, f"path: there is no file {what}") from None
    except OSError as error:
        raise RefusedError(ErrorCode.NO_SOURCE, f"path: {what} can't be read: {error.strerror}") from None


def is_video(params: AnalysisParams) -> bool:
    if params.kind is not None:
        return params.kind == "video"
    return PurePosixPath(params.path).suffix.lower() not in IMAGES


ANALYSIS = JobType(
    name="analysis",
    params=AnalysisParams,
    check=check,
    policy=QueuePolicy(max_queued=50, max_running=1, pause_s=10.0, rest_s=15.0, rest_limit_s=300.0, max_failures=5),
    stall_s=120.0,
)

"""What is asked of single services: retained state of the dispatcher, pictures, plans of clips, processors, uploads."""

from typing import Annotated

from msgspec import Meta, Raw

from framebus.asking import MAX_ROWS, Answer, Request
from framebus.messages import NIL, AtS, Count, Instance, JobId, Message, Name, Path, Seconds, Text

# Dispatcher: retained state ----------------------------------------------------------------------------------------


class StateRow(Message, frozen=True, kw_only=True):
    """The last value of one retained topic."""

    topic: Text
    src: Instance
    epoch: Count
    seq: Count
    at_s: AtS
    body: Raw
    is_stale: bool = False
    """its publisher died and has not spoken since"""


class StateRows(Answer, frozen=True, kw_only=True):
    rows: list[StateRow]
    next: Text | None = None
    """ask again with `after` set to this"""


class GetState(Request[StateRows], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The retained topics under a prefix, at most 500 at once."""

    prefix: Text = ""
    after: Text | None = None


# Capture ------------------------------------------------------------------------------------------------------------


class Snapshot(Answer, frozen=True, kw_only=True):
    """A JPEG of the newest frame comes as blob."""

    camera: Name
    number: Count
    captured_at_s: AtS
    width: Count
    height: Count


class TakeSnapshot(Request[Snapshot], frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


# Export -------------------------------------------------------------------------------------------------------------


class PlannedSegment(Message, frozen=True, kw_only=True):
    """A piece of recording that a clip would be made of."""

    path: Path
    """relative to the data folder"""
    start_at_s: AtS
    end_at_s: AtS
    size_bytes: Count


class Gap(Message, frozen=True, kw_only=True):
    """A time of which nothing was recorded."""

    start_at_s: AtS
    end_at_s: AtS


class ExportPlan(Answer, frozen=True, kw_only=True):
    """What a clip would contain."""

    segments: Annotated[list[PlannedSegment], Meta(max_length=MAX_ROWS)]
    more_segments: Count = 0
    """beyond the first 500"""
    gaps: Annotated[list[Gap], Meta(max_length=MAX_ROWS)] = []
    start_at_s: AtS
    """where the clip would begin: at a key frame, not after the start that is asked for"""
    end_at_s: AtS
    duration_s: Seconds
    size_bytes: Count
    """about"""
    parts: Count = 1
    """files, where codec or size change within the range"""


class PlanExport(Request[ExportPlan], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What would this clip contain? Refused as the job would be; gaps are listed, not refused."""

    params: Raw
    """those of an export job"""


# Enrich -------------------------------------------------------------------------------------------------------------


class ProcessorAnswer(Answer, frozen=True, kw_only=True):
    processor: Name
    data: Raw


class AskProcessor(Request[ProcessorAnswer], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reaches the first processor that handles `topic`. `busy` when too many wait there; `unavailable` when it ends."""

    topic: Annotated[str, Meta(min_length=1, max_length=500)]
    data: Raw = NIL
    processor: Name | None = None
    """only this one; None: each in the order of the configuration"""


# Ingest -------------------------------------------------------------------------------------------------------------


class UploadRow(Message, frozen=True, kw_only=True):
    """What became of an uploaded file."""

    path: Path
    """below the upload folder"""
    camera: Name | None = None
    state: Annotated[str, Meta(max_length=32)]
    """claimed: its job waits to be handed in; done: handed in; duplicate, rejected, refused, gone"""
    reason: Text = ""
    job_id: JobId | None = None
    at_s: AtS
    size_bytes: Count = 0


class Uploads(Answer, frozen=True, kw_only=True):
    rows: Annotated[list[UploadRow], Meta(max_length=MAX_ROWS)]
    """newest first"""
    next: Count | None = None
    """ask again with `before` set to this"""
    on_their_way: Count = 0
    """files that are seen, and not yet decided on"""
    held: list[Text] = []
    """why files of some folders wait"""


class ListUploads(Request[Uploads], frozen=True, kw_only=True, forbid_unknown_fields=True):
    camera: Name | None = None
    before: Count | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100

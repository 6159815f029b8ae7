"""What an export job gives back; it is small enough for the ledger, however much there is to tell."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from framebus import codec
from framebus.jobs import MAX_RESULT_BYTES
from framebus.messages import AtS, Count, Seconds
from framebus_services.export.plan import Gap

MAX_GAPS_TOLD = 100
MAX_WARNINGS_TOLD = 10
NAME_BYTES = 24
"""what the dispatcher may add to each name, and the names' own place in the result"""


class Part(Struct, frozen=True, kw_only=True):
    """One of several files; in the order of time."""

    start_at_s: AtS
    end_at_s: AtS
    frames: Count
    width: Count
    height: Count
    codec: str


class ClipResult(Struct, frozen=True, kw_only=True):
    """The clip that was made; the dispatcher adds the names of its `files`."""

    mode: str
    start_at_s: AtS
    """wall clock of the first frame that is shown"""
    end_at_s: AtS
    """wall clock at which the last frame ends"""
    duration_s: Seconds
    """how long it plays, all parts together"""
    starts_earlier_s: Seconds
    """how long before the start that was asked for: what is copied begins with a key frame"""
    cut_at_s: AtS | None = None
    """up to where there were recordings, when the range reached beyond them into now"""
    frames: Count
    """that are shown"""
    hidden_frames: Count = 0
    """that stand in the file before the exact start and are not shown: who gets the file can get at them"""
    hidden_s: Seconds = 0.0
    speed: float = 1.0
    encoder: str | None = None
    """what encoded the pictures; none when they were copied"""
    size_bytes: Count
    width: Count
    height: Count
    codec: str
    has_audio: bool
    parts: list[Part] = []
    """when the clip is more than one file: in `files` the thumbnail stands before theirs"""
    gaps: list[Gap] = []
    """what was not recorded, from and to, the first 100"""
    more_gaps: Count = 0
    warnings: list[str] = []
    """what was left out, and why"""
    more_warnings: Count = 0


def fitted(result: ClipResult, gaps: Sequence[Gap], warnings: Sequence[str], files: Sequence[str]) -> ClipResult:
    """`result` with as many of the gaps and warnings as the ledger takes beside the names of the files."""
    room = MAX_RESULT_BYTES - sum(len(name) + NAME_BYTES for name in files) - NAME_BYTES
    told_gaps, told_warnings = list(gaps[:MAX_GAPS_TOLD]), list(warnings[:MAX_WARNINGS_TOLD])
    while True:
        made = replace(
            result,
            gaps=told_gaps,
            more_gaps=len(gaps) - len(told_gaps),
            warnings=told_warnings,
            more_warnings=len(warnings) - len(told_warnings),
        )
        if len(codec.encode(made)) <= room:
            return made
        if not (told_gaps or told_warnings):
            return replace(made, parts=[])  # the names of many long files leave no room for more
        del told_gaps[len(told_gaps) // 2 :]
        if len(told_gaps) < 8:
            del told_warnings[len(told_warnings) // 2 :]

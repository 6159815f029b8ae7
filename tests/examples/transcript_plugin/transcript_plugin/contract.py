"""What a transcript job asks for and gives back. The dispatcher loads this: no video here."""

from typing import Annotated

from msgspec import Meta, Struct

from framebus import JobType, QueuePolicy
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import CheckContext

Word = Annotated[str, Meta(min_length=1, max_length=40)]


class TranscriptParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    words: Annotated[list[Word], Meta(min_length=1, max_length=1_000)]
    seconds_per_word: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0


class TranscriptResult(Struct, frozen=True, kw_only=True):
    words: int
    language: str


def check(params: TranscriptParams, context: CheckContext) -> None:
    """Refuse what cannot be transcribed."""
    if "unspeakable" in params.words:
        raise RefusedError(ErrorCode.BAD_REQUEST, "words: 'unspeakable' can't be transcribed; leave it out")


TRANSCRIPT = JobType(
    name="transcript",
    params=TranscriptParams,
    check=check,
    policy=QueuePolicy(max_queued=2, max_running=1),
    stall_s=5.0,
)

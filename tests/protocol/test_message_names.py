"""A wrong name is refused where a message is made and where one is read; names are remembered within limits."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from framebus import codec, names
from framebus.errors import MalformedError
from framebus.messages import (
    BoardStatus,
    JobBoard,
    JobState,
    JobView,
    Message,
    Name,
    QueueStatus,
    SegmentClosed,
    SmallFragment,
)
from spec.samples import sample, structs
from spec.tables import NAMED, range_of

ID = "00112233445566778899aabbccddeeff"
VIEW = JobView(id=ID, type="export", state=JobState.QUEUED, created_at_s=1.0)
FIELDS = [
    (kind, field.name)
    for _, kind in structs()
    for field in msgspec.structs.fields(kind)
    if range_of(field.type) in NAMED.values()
]


class Pair(Message, frozen=True, kw_only=True):
    left: Name
    right: Name

    def __post_init__(self) -> None:
        if self.left == self.right:
            raise ValueError("a pair is of two")


def told(value: Message, **changed: object) -> bytes:
    return codec.encode(msgspec.msgpack.decode(codec.encode(value)) | changed)


def reason_of(data: bytes, kind: Any) -> str:
    with pytest.raises(MalformedError) as caught:
        codec.decode_body(data, kind)
    return str(caught.value)


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_whoever_reads_a_wrong_name_refuses_it_and_says_in_which_field(kind: Any, field: str) -> None:
    whole = sample(kind, is_full=True)

    for wrong in ("", "No Name", "../up", "export\n", "x" * 66, "ä", 7):
        assert f"`$.{field}`" in reason_of(told(whole, **{field: wrong}), kind)


def test_a_wrong_name_within_a_message_is_told_with_its_path() -> None:
    queue = QueueStatus(max_queued=1, max_running=1, free=1)
    board = JobBoard(type="export", status=BoardStatus.QUEUED, waiting=[VIEW, VIEW], queue=queue)
    wrong = msgspec.msgpack.decode(codec.encode(board))["waiting"]
    wrong[1]["type"] = "No Name"

    said = reason_of(told(board, waiting=wrong), JobBoard)

    assert "`$.type`" in said
    assert "`$.waiting[1]`" in said


def test_a_wrong_name_is_refused_where_the_message_is_made() -> None:
    with pytest.raises(ValueError, match=r"`\$\.id`"):
        msgspec.structs.replace(VIEW, id="1")
    with pytest.raises(ValueError, match=r"`\$\.camera`"):
        SmallFragment(camera="Front door", kind="init", codec="")  # type: ignore[arg-type]


def test_what_is_right_for_one_kind_of_name_is_not_for_another() -> None:
    assert "`$.id`" in reason_of(told(VIEW, id=VIEW.type), JobView)


def test_a_message_may_look_at_more_than_its_names() -> None:
    assert codec.decode_body(codec.encode(Pair(left="a", right="b")), Pair).right == "b"
    assert "a pair is of two" in reason_of(codec.encode({"left": "a", "right": "a"}), Pair)
    assert "`$.left`" in reason_of(codec.encode({"left": "A", "right": "A"}), Pair)


def test_a_name_that_has_other_limits_too_keeps_them_all() -> None:
    class Short(Message, frozen=True, kw_only=True):
        name: Annotated[str, Meta(pattern="^[a-z]*$", max_length=3)]

    assert "length <= 3" in reason_of(codec.encode({"name": "abcd"}), Short)
    assert "regex" in reason_of(codec.encode({"name": "ABC"}), Short)


def test_the_schema_tells_the_patterns_that_msgspec_does_not_see_to() -> None:
    fields = msgspec.json.schema(SegmentClosed)["$defs"]["SegmentClosed"]["properties"]

    assert fields["camera"] == msgspec.json.schema(Name)


def test_names_without_end_good_or_bad_take_no_more_memory() -> None:
    for number in range(3 * names.KNOWN_NAMES):
        codec.decode_body(told(VIEW, id=f"{number:032x}", type=f"t{number}"), JobView)
        reason_of(told(VIEW, id=f"no {number}"), JobView)

    assert max(map(len, names._known.values())) <= names.KNOWN_NAMES
    held = [one if isinstance(one, tuple) else (one,) for known in names._known.values() for one in known]
    assert not any(" " in name for one in held for name in one)

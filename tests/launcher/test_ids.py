"""How jobs are named on the command line: by as many digits as tell them apart."""

import pytest

from framebus.errors import RefusedError
from framebus_launcher.ids import ambiguity, clean_id, digits_needed, matching

TIMED = [f"019ab3c4d5e67{number:019x}" for number in (7, 8, 9)]
"""as clients draw them whose ids begin with the time"""


def test_four_digits_are_shown_where_they_tell_the_ids_apart() -> None:
    assert digits_needed(["7f3a" + 28 * "0", "c539" + 28 * "0"]) == 4


def test_more_digits_are_shown_where_ids_begin_alike() -> None:
    needed = digits_needed(TIMED)

    assert len({one[:needed] for one in TIMED}) == len(TIMED)
    assert len({one[: needed - 1] for one in TIMED}) < len(TIMED)


def test_ids_that_are_not_shown_count_only_against_those_that_are() -> None:
    assert digits_needed(["7f3a" + 28 * "0"], TIMED) == 4
    assert digits_needed([TIMED[0]], TIMED) == 32


def test_the_first_digits_win_over_the_last() -> None:
    ids = ["7f3a" + 28 * "0", "0000" + 24 * "1" + "7f3a"]

    assert matching("7f3a", ids) == ids[:1]
    assert matching("17f3a", ids) == ids[1:]


def test_capitals_and_dashes_of_a_uuid_are_fine() -> None:
    assert clean_id(" 019AB3C4-D5E6-7000 ") == "019ab3c4d5e67000"


@pytest.mark.parametrize("text", ["", "xyz", "7f3a!", "7" * 33])
def test_what_is_no_id_is_refused_in_plain_words(text: str) -> None:
    with pytest.raises(RefusedError, match="0 to 9 and a to f"):
        clean_id(text)


def test_digits_of_several_jobs_are_answered_with_digits_that_tell_them_apart() -> None:
    text = str(ambiguity("019a", TIMED))

    assert all(one[: digits_needed(TIMED)] in text for one in TIMED)
    assert "more digits" in text

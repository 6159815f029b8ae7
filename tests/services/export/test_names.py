"""Names of clips: readable, and never a way out of the folder."""

import re
from datetime import UTC
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from framebus_services.export.names import clip_name, slug

START_S = 1_795_269_731.0
SAFE = re.compile(r"front/front_2026-11-21_14-02-11_14-02-21(_[a-z0-9]+(-[a-z0-9]+)*)?")


def test_a_clip_is_named_by_camera_and_local_time_and_its_job() -> None:
    assert clip_name("front", START_S, START_S + 10, "My clip!", UTC) == (
        "front/front_2026-11-21_14-02-11_14-02-21_my-clip"
    )
    assert clip_name("front", START_S, START_S + 10, None, ZoneInfo("Asia/Tokyo")) == (
        "front/front_2026-11-21_23-02-11_23-02-21"
    )


def test_letters_with_accents_keep_their_letter() -> None:
    assert slug("Küche, 2. Stock") == "kuche-2-stock"
    assert slug("门口") == ""


@given(st.one_of(st.text(), st.text(alphabet="./\\~\0 \n-_%a:")))
def test_no_name_leads_out_of_the_folder_or_breaks_it(name: str) -> None:
    made = clip_name("front", START_S, START_S + 10, name, UTC)

    assert SAFE.fullmatch(made)
    assert len(PurePosixPath(made).name) < 110

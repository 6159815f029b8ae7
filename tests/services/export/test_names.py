"""Names of clips: readable, and never a way out of the folder."""

import atexit
import os
import re
import shutil
import tempfile
from datetime import UTC
from functools import cache
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from framebus_services.export.names import clip_name, slug
from media import make_video
from services.export.clipping import WatchedReport, make_clip
from services.export.recorded import START_S as RECORDED_S
from services.export.recorded import record

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


def test_the_hour_that_comes_twice_when_clocks_are_set_back_sorts_in_the_order_of_time() -> None:
    first_s = 1_792_884_600.0  # 2026-10-25 01:30 in Berlin, summer time
    starts_s = [first_s + 900.0 * number for number in range(14)]

    names = [clip_name("front", start_s, start_s + 10, None, ZoneInfo("Europe/Berlin")) for start_s in starts_s]

    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert names[2] == "front/front_2026-10-25_02a-00-00_02a-00-10"
    assert names[6] == "front/front_2026-10-25_02b-00-00_02b-00-10"
    assert names[10] == "front/front_2026-10-25_03-00-00_03-00-10"


def test_the_day_of_an_hour_that_is_left_out_needs_no_letters() -> None:
    before_s = 1_774_745_990.0  # 2026-03-29 01:59:50 in Berlin

    name = clip_name("front", before_s, before_s + 20, None, ZoneInfo("Europe/Berlin"))

    assert name == "front/front_2026-03-29_01-59-50_03-00-10"


@settings(max_examples=int(os.environ.get("FRAMEBUS_NAMES", "500")))
@given(st.one_of(st.text(), st.text(alphabet="./\\~\0 \n-_%a:")))
def test_no_name_leads_out_of_the_folder_or_breaks_it(name: str) -> None:
    made = clip_name("front", START_S, START_S + 10, name, UTC)

    assert SAFE.fullmatch(made)
    assert len(PurePosixPath(made).name) < 110


@settings(max_examples=int(os.environ.get("FRAMEBUS_TITLES", "40")), deadline=None)
@given(st.one_of(st.text(max_size=300), st.text(alphabet="./\\~\0 \n-_%a:;='\"", max_size=300)))
def test_no_name_or_title_of_a_job_leads_out_of_the_folder(hostile: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fbn") as folder:
        data = Path(folder) / "data"
        record(data, _short_video())

        made = make_clip(
            data, RECORDED_S, RECORDED_S + 1.0, report=WatchedReport(data, hostile[:200]), title=hostile[:200]
        )

        assert made.path.resolve().parent == (data / "exports" / "front").resolve()
        assert sorted(path.name for path in Path(folder).iterdir()) == ["data"]
        assert sorted(path.name for path in data.iterdir()) == ["exports", "recordings"]
        assert [path.name for path in (data / "exports").iterdir()] == ["front"]


@cache
def _short_video() -> Path:
    path = Path(tempfile.mkdtemp(prefix="fbv")) / "short.mp4"
    make_video(path, seconds=1)
    atexit.register(shutil.rmtree, path.parent)
    return path

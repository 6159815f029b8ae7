"""Addresses of cameras as people type them: passwords go out of them, small streams are guessed from them."""

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framebus.errors import ConfigError, RefusedError
from framebus_launcher.credentials import Vault
from framebus_launcher.secrets_file import SecretsFile
from framebus_launcher.small_stream import SHAPES, guess_small
from framebus_launcher.variables import substitute


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("rtsp://viewer:s3@10.0.0.5/1", "rtsp://viewer:${DOOR_PASSWORD}@10.0.0.5/1"),
        ("rtsp://viewer@10.0.0.5/1", "rtsp://viewer@10.0.0.5/1"),
        ("rtsp://viewer:${MINE}@10.0.0.5/1", "rtsp://viewer:${MINE}@10.0.0.5/1"),
        ("rtsp://viewer:%24%7BMINE%7D@10.0.0.5/1", "rtsp://viewer:${DOOR_PASSWORD}@10.0.0.5/1"),
        ("http://h/a?user=me&password=s3", "http://h/a?user=me&password=${DOOR_PASSWORD}"),
        ("rtsp://u:s3@h/a?token=t0", "rtsp://u:${DOOR_PASSWORD}@h/a?token=${DOOR_PASSWORD_2}"),
        ("videos/street.mp4", "videos/street.mp4"),
        ("synthetic://?fps=5", "synthetic://?fps=5"),
    ],
)
def test_a_password_becomes_a_variable_wherever_it_stands(source: str, written: str) -> None:
    assert Vault("door", {}).take_out(source) == written


def test_a_variable_that_has_another_value_already_is_not_used_for_this_one() -> None:
    vault = Vault("door", {"DOOR_PASSWORD": "of another"})

    written = vault.take_out("rtsp://viewer:s3@10.0.0.5/1")

    assert (written, vault.new) == ("rtsp://viewer:${DOOR_PASSWORD_2}@10.0.0.5/1", {"DOOR_PASSWORD_2": "s3"})


def test_main_and_small_stream_share_a_password() -> None:
    vault = Vault("2nd-door", {})

    vault.take_out("rtsp://viewer:s3@10.0.0.5/1")
    vault.take_out("rtsp://viewer:s3@10.0.0.5/2")

    assert vault.new == {"CAMERA_2ND_DOOR_PASSWORD": "s3"}


def test_what_is_written_is_what_is_opened_again(tmp_path: Path) -> None:
    vault = Vault("door", {})
    source = "rtsp://viewer:a%27%22%24b%40c%20d%5C@10.0.0.5/1"

    written = vault.take_out(source)
    SecretsFile(tmp_path).add(vault.new)

    assert substitute(written, SecretsFile(tmp_path).values(), []) == source


@settings(deadline=None)  # each example is written to the disk for good
@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True),
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])),
        max_size=5,
    )
)
def test_secrets_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    file = SecretsFile(tmp_path_factory.mktemp("s"))

    file.add(values)

    assert file.values() == values


def test_secrets_are_their_user_s_alone_and_others_lines_stay(tmp_path: Path) -> None:
    file = SecretsFile(tmp_path)
    file.path.write_text("# mine\nexport A=b # why\n")

    file.add({"C": "d"})

    assert file.path.read_text() == "# mine\nexport A=b # why\nC='d'\n"
    assert file.values() == {"A": "b", "C": "d"}
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_what_is_taken_back_leaves_what_others_have_added_meanwhile(tmp_path: Path) -> None:
    file = SecretsFile(tmp_path)
    file.add({"A": "b"})
    file.add({"C": "d"})

    file.take_back(["A"])

    assert file.values() == {"C": "d"}
    file.take_back(["C"])
    assert not file.path.exists()


def test_of_a_link_the_file_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = SecretsFile(tmp_path)
    file.path.symlink_to("elsewhere/mine.env")

    file.add({"A": "b"})

    assert file.path.is_symlink()
    assert (tmp_path / "elsewhere/mine.env").read_text().endswith("A='b'\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else_is_passed_over_and_never_replaced(tmp_path: Path) -> None:
    file = SecretsFile(tmp_path)
    file.add({"A": "b"})
    file.path.chmod(0)

    assert file.values() == {}
    with pytest.raises(RefusedError, match="cannot be read: Permission denied"):
        file.add({"C": "d"})


def test_a_folder_in_the_place_of_the_file_is_told_as_any_mistake_of_the_configuration(tmp_path: Path) -> None:
    SecretsFile(tmp_path).path.mkdir()

    with pytest.raises(ConfigError, match=r"secrets.env: cannot be read: Is a directory"):
        SecretsFile(tmp_path).values()


@pytest.mark.parametrize("password", ["line%0Aend", "no%FFtext", "nul%00"])
def test_a_password_that_no_line_can_hold_is_refused_without_being_shown(tmp_path: Path, password: str) -> None:
    vault = Vault("door", {})
    vault.take_out(f"rtsp://viewer:{password}@10.0.0.5/1")

    with pytest.raises(RefusedError, match="DOOR_PASSWORD: a line of") as refused:
        SecretsFile(tmp_path).add(vault.new)

    assert "line\n" not in str(refused.value)
    assert not SecretsFile(tmp_path).path.exists()


def test_values_are_read_with_and_without_quotes_and_with_a_comment_behind(tmp_path: Path) -> None:
    text = """A='a b' # why\nB="c \\"d\\"" # why\nC=e#f # why\r\nD=it's\nE=\n"""
    SecretsFile(tmp_path).path.write_text(text)

    assert SecretsFile(tmp_path).values() == {"A": "a b", "B": 'c "d"', "C": "e#f", "D": "it's", "E": ""}


def test_a_line_that_is_no_secret_is_named_and_not_shown(tmp_path: Path) -> None:
    SecretsFile(tmp_path).path.write_text("A='b'\nc4nary\n")

    with pytest.raises(ConfigError, match=r"secrets.env:2: is no NAME='value'") as refused:
        SecretsFile(tmp_path).values()

    assert "c4nary" not in str(refused.value)


SMALL = [
    ("rtsp://u:p@h:554/Streaming/Channels/101", "rtsp://u:p@h:554/Streaming/Channels/102"),
    (
        "rtsp://h/Streaming/Channels/1601?transportmode=unicast",
        "rtsp://h/Streaming/Channels/1602?transportmode=unicast",
    ),
    ("rtsp://h/h264/ch1/main/av_stream", "rtsp://h/h264/ch1/sub/av_stream"),
    ("rtsp://h/cam/realmonitor?channel=1&subtype=0", "rtsp://h/cam/realmonitor?channel=1&subtype=1"),
    ("rtsp://h/h264Preview_01_main", "rtsp://h/h264Preview_01_sub"),
    ("http://h/flv?app=bcs&stream=channel0_main.bcs", "http://h/flv?app=bcs&stream=channel0_sub.bcs"),
    ("rtsp://h/stream1", "rtsp://h/stream2"),
    ("rtsp://h/unicast/c1/s0/live", "rtsp://h/unicast/c1/s1/live"),
    ("rtsp://h/media/video1", "rtsp://h/media/video2"),
    ("rtsp://h/videoMain", "rtsp://h/videoSub"),
    ("rtsp://h/profile2/media.smp", "rtsp://h/profile3/media.smp"),
    ("rtsp://h/live.sdp", "rtsp://h/live2.sdp"),
    ("rtsp://h/user=a_password=b_channel=1_stream=0.sdp", "rtsp://h/user=a_password=b_channel=1_stream=1.sdp"),
    ("rtsp://h/11", "rtsp://h/12"),
    ("rtsp://h/live/ch00_0", "rtsp://h/live/ch00_1"),
    ("rtsp://h/axis-media/media.amp", "rtsp://h/axis-media/media.amp?videocodec=h264&resolution=640x360"),
]


@pytest.mark.parametrize(("main", "small"), SMALL)
def test_a_small_stream_is_guessed_as_its_maker_writes_it(main: str, small: str) -> None:
    assert guess_small(main) == small


def test_every_maker_of_the_table_has_an_example() -> None:
    unused = [shape for shape in SHAPES if not any(re.search(shape.main, main.partition("h")[2]) for main, _ in SMALL)]

    assert [shape.maker for shape in unused if shape.main[0] != "^"] == []


@pytest.mark.parametrize("source", ["rtsp://stream1.local/x", "rtsp://u:stream1@h/y", "/stream1", "synthetic://"])
def test_nothing_is_guessed_where_nothing_is_known(source: str) -> None:
    assert guess_small(source) is None

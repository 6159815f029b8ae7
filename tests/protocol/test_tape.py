"""The file of a recorded bus: what was written is read, a torn end is left out, what is broken says where."""

from pathlib import Path

import pytest

from framebus import codec
from framebus.codec import Head
from framebus.messages import Finding, Message
from framebus.tape import LENGTH, MAGIC, Taped, TapeError, TapeFullError, TapeHead, TapeReader, TapeWriter
from framebus.testing import FakeBus
from framebus.topics import topic_of

HEAD = TapeHead(made_at_s=1.5, host="abcd1234", topics=[""])
LATER = codec.encode({"v": 2, "made_at_s": 1.5, "host": "", "topics": []})


def frames_of(message: Message, seq: int = 1, epoch: int = 1) -> list[bytes]:
    head = Head(v=1, src="peer", epoch=epoch, seq=seq, at_s=1.0, up_s=1.0, host="abcd1234")
    return codec.encode_news(topic_of(type(message)).name(message), head, message, b"blob")


def finding(value: float) -> Finding:
    return Finding(processor="p", camera="front", label="x", value=value)


def write(path: Path, *messages: Taped, max_bytes: int = 1_000_000) -> None:
    with TapeWriter(path, HEAD, max_bytes=max_bytes) as tape:
        for message in messages:
            tape.add(message)


def read(path: Path) -> list[Taped]:
    with TapeReader(path) as tape:
        return list(tape)


def test_what_was_written_is_read_with_its_times_and_the_head(tmp_path: Path) -> None:
    messages = [Taped(10.0, frames_of(finding(1.0))), Taped(10.5, [b"junk"]), Taped(11.0, [])]
    write(tmp_path / "a.tape", *messages)

    with TapeReader(tmp_path / "a.tape") as tape:
        assert tape.head == HEAD
        assert list(tape) == messages
        assert not tape.is_torn


def test_a_tape_is_for_its_user_alone_and_never_written_over(tmp_path: Path) -> None:
    write(tmp_path / "a.tape")

    assert (tmp_path / "a.tape").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write(tmp_path / "a.tape")


def test_a_tape_torn_at_any_byte_has_all_messages_before(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    write(whole, Taped(1.0, [b"first/"]))
    least = whole.stat().st_size
    whole.unlink()
    write(whole, Taped(1.0, [b"first/"]), Taped(2.0, frames_of(finding(2.0))))
    data = whole.read_bytes()

    for size in range(least, len(data)):
        torn.write_bytes(data[:size])
        with TapeReader(torn) as tape:
            assert list(tape) == [Taped(1.0, [b"first/"])]
            assert tape.is_torn == (size > least)


def test_a_tape_that_is_full_refuses_and_what_is_there_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    message = Taped(1.0, [b"x" * 1_000])

    with pytest.raises(TapeFullError):
        write(path, *[message] * 100, max_bytes=10_000)

    assert 5_000 < path.stat().st_size <= 10_000
    assert set(map(repr, read(path))) == {repr(message)}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no tape"),
        (b"FBTAPE2\n", "is no tape"),
        (MAGIC, "without a beginning"),
        (MAGIC + LENGTH.pack(2**31), "broken at byte 8: a record of 2147483648 bytes"),
        (MAGIC + LENGTH.pack(1) + b"\xc1", "broken at byte 8"),
        (MAGIC + LENGTH.pack(len(LATER)) + LATER, "version 2"),
    ],
)
def test_what_is_no_tape_is_refused_with_the_place(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.tape"
    path.write_bytes(data)

    with pytest.raises(TapeError, match=said):
        read(path)


def test_a_tape_that_is_broken_in_its_middle_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    write(path)
    offset = path.stat().st_size
    with path.open("ab") as file:
        file.write(LENGTH.pack(1) + b"\x01")

    with pytest.raises(TapeError, match=f"broken at byte {offset}"):
        read(path)


def test_a_test_plays_a_tape_into_its_bus_at_the_tapes_own_times(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    write(path, *(Taped(100.0 + at_s, frames_of(finding(at_s), seq)) for seq, at_s in enumerate((0.0, 0.5, 7.0), 1)))
    bus = FakeBus()
    heard: list[tuple[float, float | None]] = []
    start_s = bus.clock.boot_s()
    bus.on(Finding, lambda found: heard.append((round(bus.clock.boot_s() - start_s, 6), found.value)))

    assert bus.play(path) == 3
    assert bus.play(path, "object/") == 0

    assert heard == [(0.0, 0.0), (0.5, 0.5), (7.0, 7.0)]

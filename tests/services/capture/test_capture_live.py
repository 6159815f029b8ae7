"""Live video: pieces of fragmented MP4 out of the camera's own packets, only while somebody wants them."""

import io
from pathlib import Path

import av
import pytest
from capture_rig import CAMERA, CaptureProcess, Played

from framebus.codec import News
from framebus.messages import LiveFragment, LiveKind
from framebus_services.capture.live import Live
from media import make_video

Told = list[tuple[LiveFragment, bytes]]


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / "movie.mp4"
    make_video(path, seconds=6.0, b_frames=2, gop_frames=20)
    return path


def play(live: Live, path: Path, *, first: int = 0, last: int = 10_000) -> None:
    """Packets of a file, those with numbers from `first` to `last`."""
    played = Played(path)
    live.begin(played)
    for number, packet in enumerate(played.packets()):
        if first <= number <= last:
            live.take(packet, played.arrival())
    played.close()


def pictures(pieces: Told) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(b"".join(data for _, data in pieces))) as container:
        container.streams.video[0].codec_context.thread_count = 1  # else threads outlive the test
        return list(container.decode(video=0))


def test_nothing_is_made_while_nobody_watches(movie: Path) -> None:
    told: Told = []
    live = Live(CAMERA, lambda message, data: told.append((message, data)))

    play(live, movie)

    assert told == []
    assert not live.tally


def test_what_is_shown_begins_with_its_init_and_a_key_frame_in_pieces_of_about_a_fifth_of_a_second(movie: Path) -> None:
    told: Told = []
    live = Live(CAMERA, lambda message, data: told.append((message, data)))
    live.watch(True)

    play(live, movie, first=5)

    kinds = [message.kind for message, _ in told]
    assert kinds[0] is LiveKind.INIT
    assert kinds.count(LiveKind.INIT) == 1
    assert told[1][0].is_key
    assert told[0][0].codec.startswith("avc1.")
    shown = pictures(told)
    assert shown[0].key_frame
    seconds = float((shown[-1].time or 0.0) - (shown[0].time or 0.0))
    assert len(told) - 1 >= seconds / 0.35


def test_who_joins_at_any_key_frame_sees_whole_pictures_from_there_on(movie: Path) -> None:
    told: Told = []
    live = Live(CAMERA, lambda message, data: told.append((message, data)))
    live.watch(True)
    play(live, movie)

    keys = [number for number, (message, _) in enumerate(told) if message.is_key]

    assert len(keys) >= 3
    for key in keys:
        late = pictures([told[0], *told[key:]])
        assert late[0].key_frame
        assert not any(frame.is_corrupt for frame in late)


def test_a_connection_that_is_made_again_begins_with_an_init_of_its_own(movie: Path) -> None:
    told: Told = []
    live = Live(CAMERA, lambda message, data: told.append((message, data)))
    live.watch(True)

    play(live, movie)
    live.end()
    play(live, movie)

    inits = [data for message, data in told if message.kind is LiveKind.INIT]
    assert len(inits) == 2
    assert inits[0] != inits[1], "a reader could not tell a new beginning from one that is told again"


def test_one_more_who_watches_is_told_the_same_init_again(movie: Path) -> None:
    told: Told = []
    live = Live(CAMERA, lambda message, data: told.append((message, data)))
    live.watch(True)
    played = Played(movie)
    live.begin(played)
    for number, packet in enumerate(played.packets()):
        if number == 40:
            live.watch(True)
        live.take(packet, played.arrival())
    played.close()

    inits = [data for message, data in told if message.kind is LiveKind.INIT]
    assert len(inits) == 2
    assert inits[0] == inits[1]


def test_the_recorder_gets_the_packets_as_they_came(movie: Path) -> None:
    live = Live(CAMERA, lambda message, data: None)
    live.watch(True)
    played = Played(movie)
    live.begin(played)

    for packet in played.packets():
        before = (bytes(packet), packet.pts, packet.dts, packet.stream.index)
        live.take(packet, played.arrival())
        assert (bytes(packet), packet.pts, packet.dts, packet.stream.index) == before
    assert live.tally["live.fragments"] > 0
    played.close()


def test_a_capture_process_shows_video_while_somebody_subscribes_and_only_then() -> None:
    with CaptureProcess("synthetic://?width=320&height=240&fps=10") as capture:
        capture.until(lambda: len(capture.stats) >= 2)
        live: list[News] = []
        assert made(capture) == 0
        assert not [news for news in capture.news if news.topic.startswith("live/")], "a tap of everything counts not"

        capture.bus.on_news(f"live/{CAMERA}/", live.append)
        capture.until(lambda: len(live) >= 5, 4.0)
        capture.bus.off_news(f"live/{CAMERA}/", live.append)
        so_far = len(capture.stats)
        capture.until(lambda: len(capture.stats) >= so_far + 2)
        after = made(capture)
        capture.until(lambda: len(capture.stats) >= so_far + 4)

        first = [news.decode() for news in live[:2]]
        assert [getattr(one, "kind", None) for one in first] == [LiveKind.INIT, LiveKind.FRAGMENT]
        assert after > 0
        assert made(capture) == after


def test_the_small_stream_is_shown_beside_the_recorded_one_by_a_topic_of_its_own() -> None:
    small = "synthetic://?width=160&height=120&fps=10"
    with CaptureProcess("synthetic://?width=320&height=240&fps=10", detect={"source": small}) as capture:
        live: list[News] = []
        capture.bus.on_news(f"live_small/{CAMERA}/", live.append)
        capture.until(lambda: len(live) >= 3, 6.0)
        capture.bus.off_news(f"live_small/{CAMERA}/", live.append)
        shown = pictures([(news.decode(), news.blob or b"") for news in live])  # type: ignore[misc]

    assert capture.statuses[-1].small_codec == "h264"
    assert (shown[0].width, shown[0].height) == (160, 120)
    assert not [news for news in capture.news if news.topic.startswith("live/")], "nobody watches the main one"


def made(capture: CaptureProcess) -> int:
    """How many fragments it says that it made."""
    return capture.stats[-1].counters.get("live.fragments", 0)

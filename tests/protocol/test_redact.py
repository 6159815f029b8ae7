"""P24: no password leaves in text, however people write their addresses."""

import logging
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framebus.redact import RedactingFormatter, redact

CANARY = "c4n4ry"
PASSWORDS = [
    CANARY,
    f"{CANARY}@home",
    f"@{CANARY}",
    f"a@b@{CANARY}",
    f"a:{CANARY}",
    f"a/{CANARY}",
    f"/{CANARY}/",
    f"1234/{CANARY}",
    f"a?{CANARY}",
    f"a#{CANARY}",
    f"a%40{CANARY}%2F",
    f"100%{CANARY}",
    f"ä世界{CANARY}",
    f"a&b={CANARY}",
    f"a\"'{CANARY}",
    f"a;{CANARY}",
    f"a,{CANARY}",
    f"a\\{CANARY}",
    f"(a){CANARY}[0]",
    quote(f"a@:/?#{CANARY}", safe=""),
]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("user", ["admin", "", "me@mail.com", "DOMAIN\\me", "ad%40min"])
@pytest.mark.parametrize("rest", ["10.0.0.5/1", "cam.local:554/h264?x=1#y", "[fe80::1]:554/", "host"])
def test_a_password_in_an_address_is_hidden(user: str, password: str, rest: str) -> None:
    text = f"cannot open 'rtsp://{user}:{password}@{rest}': refused"

    hidden = redact(text)

    assert CANARY not in hidden
    assert hidden.startswith("cannot open 'rtsp://***@")
    assert hidden.endswith(": refused")


@given(
    st.sampled_from(["rtsp", "RTSPS", "http", "h264+tcp", "rtmp"]),
    st.text(st.characters(exclude_categories=("Z", "C"), exclude_characters="/?#"), max_size=10),
    st.text(st.characters(exclude_categories=("Z", "C")), max_size=20),
    st.text(st.characters(exclude_categories=("Z", "C")), max_size=20),
)
def test_no_password_without_blanks_gets_through(scheme: str, user: str, before: str, after: str) -> None:
    hidden = redact(f"{scheme}://{user}:{before}{CANARY}{after}@host/path")

    assert CANARY not in hidden
    assert hidden.endswith("@host/path")


@pytest.mark.parametrize(
    "name", ["password", "PWD", "pass", "pass1", "token", "access_token", "api-key", "auth", "secret"]
)
@pytest.mark.parametrize("before", ["?", "?user=admin&", "?a=1;"])
def test_a_secret_value_of_a_query_is_hidden(name: str, before: str) -> None:
    hidden = redact(f"http://host/snap{before}{name}={CANARY}&channel=1")

    assert CANARY not in hidden
    assert hidden.endswith(f"{name}=***&channel=1")


def test_several_addresses_in_one_line_are_all_hidden() -> None:
    hidden = redact(f"rtsp://a:{CANARY}@one/1 and rtsp://b:{CANARY}@two/2,rtsp://c:{CANARY}@three/3")

    assert CANARY not in hidden


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://10.0.0.5:554/stream1",
        "http://host/a?channel=1&subtype=0",
        "mail me@example.com, see http://host/1",
        "file:///data/recordings/front/1_2.mp4",
        "ipc:///run/framebus/pub",
        "front: 12:30:01 50% done",
        "",
    ],
)
def test_text_without_credentials_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=300))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text", ["://" * 30_000, "://a:" * 20_000, "?pass" * 20_000, "?" + "pass" * 20_000, "a.b+c-" * 20_000, "@" * 99_999]
)
@pytest.mark.timeout(10)
def test_hostile_text_does_not_take_long(text: str) -> None:
    assert len(redact(text)) <= len(text) + 99


def test_whatever_is_logged_leaves_without_credentials_tracebacks_too() -> None:
    formatter = RedactingFormatter("%(levelname)s %(message)s")
    try:
        raise OSError(f"rtsp://admin:{CANARY}@host/1")
    except OSError:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "lost %s", (f"http://u:{CANARY}@h",), sys.exc_info()
        )

    text = formatter.format(record)

    assert CANARY not in text
    assert "OSError: rtsp://***@host/1" in text


def test_a_password_in_the_path_as_some_cameras_want_it_is_hidden() -> None:
    shown = redact("rtsp://10.0.0.5:554/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp")

    assert "tlJwpbo6" not in shown
    assert shown.startswith("rtsp://10.0.0.5:554/user=admin_password=***")


def test_words_that_only_look_like_secrets_stay() -> None:
    text = "segment keyframe=2 of monkey=3"

    assert redact(text) == text

"""The configuration as others see it, and how a password that they could not see gets back into it."""

from typing import Any

import pytest

from framebus_launcher.redaction import restored, shown

CANARY = "hunter2canary"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("rtsp://me:${P}@h/1", "rtsp://me:${P}@h/1"),
        ("rtsp://${U}:${P}@h/1?token=x", "rtsp://${U}:${P}@h/1?token=***"),
        (f"rtsp://me:{CANARY}@h/1", "rtsp://***@h/1"),
        (f"rtsp://me:{CANARY}${{P}}@h/1", "rtsp://***@h/1"),
        (f"rtsp://me:${{P}}@{CANARY}:x@h/1", "rtsp://me:${P}@***@h/1"),
        ({"password": CANARY, "pin_token": 1234, "auth": True}, {"password": "***", "pin_token": "***", "auth": True}),
        ({"API_KEY": "${KEY}", "auth": ""}, {"API_KEY": "${KEY}", "auth": ""}),
        ({"pass": "a", "access-key": "b", "keyframe": "c"}, {"pass": "***", "access-key": "***", "keyframe": "c"}),
        (["x", "--key", CANARY, "--monkey", "y"], ["x", "--key", "***", "--monkey", "y"]),
        (["curl", "--password", CANARY, "-v"], ["curl", "--password", "***", "-v"]),
        ([f"--token={CANARY}", "--auth=${A}"], ["--token=***", "--auth=${A}"]),
        (["sh", "-c", f"run --password {CANARY} -v"], ["sh", "-c", "run --password *** -v"]),
        (["sh", "-c", f"API_KEY='{CANARY} x' run; TOKEN={CANARY};b"], ["sh", "-c", "API_KEY=*** run; TOKEN=***;b"]),
        (["sh", "-c", "run --password ${P} --monkey y"], ["sh", "-c", "run --password ${P} --monkey y"]),
        (
            {"tokens": {"hub": CANARY, "old": "${T}"}, "credentials": {"a": CANARY}},
            {"tokens": {"hub": "***", "old": "${T}"}, "credentials": {"a": "***"}},
        ),
        ({"jobs": {"tokens": {"max_running": 2}}}, {"jobs": {"tokens": {"max_running": 2}}}),
        ({"secrets": [CANARY, 1]}, {"secrets": ["***", "***"]}),
        ({"fps": 5, "off": None, "password": None}, {"fps": 5, "off": None, "password": None}),
    ],
)
def test_passwords_go_and_variables_stay(written: Any, seen: Any) -> None:
    assert shown(written) == seen


def test_what_was_hidden_comes_back_where_it_stood() -> None:
    written: dict[str, Any] = {
        "source": f"rtsp://me:{CANARY}@h/1",
        "settings": {"password": CANARY, "a": 1},
        "many": [{"token": "x"}],
    }
    written["settings"] |= {"tokens": {"hub": CANARY}, "line": f"run --token {CANARY}"}

    seen = shown(written)
    seen["settings"]["a"] = 2

    assert restored(seen, written) == {**written, "settings": {**written["settings"], "a": 2}}


@pytest.mark.parametrize("new", ["rtsp://***@other/1", {"password": "***"}, ["***"]])
def test_stars_without_a_password_behind_them_are_refused(new: Any) -> None:
    with pytest.raises(ValueError, match="not known here"):
        restored(new, f"rtsp://me:{CANARY}@h/1")

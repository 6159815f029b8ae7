"""What the gateway refuses, from whomever it comes."""

import http.client
import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from gateway_rig import Answer, Rig, read_until
from websockets.exceptions import ConnectionClosed

from framebus.access import Role
from framebus.messages import JobState
from framebus.requests import JobAccepted, SubmitJob
from framebus_services.gateway import impatient, ws_news

CLIP = {"type": "export", "params": {"camera": "front", "start": 1.0, "end": 2.0}}
WRITES = [
    ("POST", "/api/jobs"),
    ("DELETE", f"/api/jobs/{'ab' * 16}"),
    ("POST", f"/api/jobs/{'ab' * 16}/retry"),
    ("POST", "/api/services/export/restart"),
    ("POST", "/api/session"),
    ("DELETE", "/api/session"),
]


def session(rig: Rig, token: str) -> str:
    """The cookie that a token is traded for."""
    answer = rig.ask("/api/session", "POST", body={"token": token})
    assert answer.status == 204
    return answer.headers["set-cookie"]


def code_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:1", "file://", "http://["]
)
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_page_of_another_address_changes_nothing_even_with_a_token(
    gateway: Rig, method: str, path: str, origin: str
) -> None:
    answer = gateway.ask(path, method, token=gateway.admin, body={}, headers={"Origin": origin})

    assert code_of(answer) == (403, "denied")
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_another_address_reads_nothing_either(gateway: Rig) -> None:
    by_origin = gateway.ask("/api/cameras", token=gateway.admin, headers={"Origin": "http://evil.example"})
    by_fetch = gateway.ask("/api/cameras", token=gateway.admin, headers={"Sec-Fetch-Site": "cross-site"})
    preflight = gateway.ask("/api/jobs", "OPTIONS", headers={"Origin": "http://evil.example"})

    assert (by_origin.status, by_fetch.status, preflight.status) == (403, 403, 405)
    assert "access-control-allow-origin" not in preflight.headers


def test_our_own_page_and_those_that_the_configuration_names_may_ask(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rig = Rig(tmp_path, origins=["https://cams.example.org"], port=port)
    rig.host = f"127.0.0.1:{port}"

    own = rig.ask("/api/cameras", token=rig.admin, headers={"Origin": f"http://{rig.host}", "Host": rig.host})
    named = rig.ask("/api/cameras", token=rig.admin, headers={"Origin": "https://cams.example.org"})

    rig.close()
    assert (own.status, named.status) == (200, 200)
    assert rig.address == "https://cams.example.org"


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_could_send_is_no_request(gateway: Rig, media: str) -> None:
    body = json.dumps(CLIP)

    answer = gateway.ask("/api/jobs", "POST", token=gateway.admin, body=body, headers={"Content-Type": media})

    assert code_of(answer) == (415, "bad_request")


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        (b"{", 400, None),
        (b"\xff", 400, None),
        (b"[" * 100_000, 422, None),
        (b"[]", 422, None),
        (b'{"type": "export"}', 422, "params"),
        (b'{"type": 7, "params": {}}', 422, "type"),
        (b'{"type": "export", "params": []}', 422, "params"),
        (b'{"type": "export", "params": {}, "nam": "x"}', 422, "nam"),
        (b'{"type": "EXPORT", "params": {}}', 422, "type"),
        (b'{"type": "export", "params": {"start": 99999999999999999999}}', 422, "params"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_the_path_of_what_is_wrong(
    gateway: Rig, body: bytes, status: int, path: str | None
) -> None:
    headers = {"Content-Type": "application/json"}

    answer = gateway.ask("/api/jobs", "POST", token=gateway.admin, body=body, headers=headers)

    assert code_of(answer) == (status, "bad_request")
    assert answer.json.get("details", {}).get("path") == path


def test_a_body_of_more_than_a_mebibyte_is_refused_told_or_not(gateway: Rig) -> None:
    headers = {"Content-Type": "application/json"}
    large = b" " * (1024 * 1024 + 1)

    told = gateway.ask("/api/jobs", "POST", token=gateway.admin, body=large, headers=headers)
    untold = gateway.ask("/api/jobs", "POST", token=gateway.admin, body=iter([large[:600_000]] * 2), headers=headers)

    assert code_of(told) == code_of(untold) == (413, "too_large")


@pytest.mark.parametrize(
    "path",
    [
        "/api/exports/front/..%2f..%2faccess.json",
        "/api/exports/front/%2e%2e%2f%2e%2e%2faccess.json",
        "/api/exports/front/../../access.json",
        "/api/exports/%2e%2e/access.json",
        "/api/exports/../access.json",
        "/api/exports/front/link.mp4",
        "/api/exports/front/.hidden.mp4",
        "/api/exports/front/a%00.mp4",
        "/api/exports/front/folder.mp4",
        "/api/recordings/front/..%2f1_1.mp4",
        "/api/recordings/front/99999999999999999999_1.mp4",
        "/api/recordings/..%2fx/1_1.mp4",
        "/api/events/front/..%2f..%2faccess.jpg",
        "/page/../service.py",
        "/page/%2e%2e/service.py",
        "/page/..%2fservice.py",
        "/page//etc/passwd",
        "/page/.secret.js",
    ],
)
def test_no_path_leads_out_of_its_folder_or_through_a_link(gateway: Rig, path: str) -> None:
    clips = gateway.data / "exports" / "front"
    (clips / "folder.mp4").mkdir(parents=True, exist_ok=True)
    if not (clips / "link.mp4").is_symlink():
        (clips / "link.mp4").symlink_to(gateway.data / "access.json")

    answer = gateway.ask(path, token=gateway.admin)

    assert answer.status == 404, answer
    assert gateway.admin.encode() not in answer.body


def test_a_cookie_is_kept_from_scripts_and_other_sites_and_holds_as_long_as_its_token(own_gateway: Rig) -> None:
    rig = own_gateway
    set_cookie = session(rig, rig.viewer)
    cookie = {"Cookie": set_cookie.partition(";")[0]}

    before = rig.ask("/api/me", headers=cookie)
    rig.access.revoke(Role.VIEWER)
    after = rig.ask("/api/me", headers=cookie)

    assert "HttpOnly" in set_cookie
    assert "SameSite=strict" in set_cookie
    assert rig.viewer not in set_cookie
    assert (before.status, before.json["role"], after.status) == (200, "viewer", 401)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_cookie_that_was_changed_is_none(gateway: Rig, part: int) -> None:
    name, _, value = session(gateway, gateway.viewer).partition(";")[0].partition("=")
    parts = value.split(".")
    parts[part] = str(int(parts[part]) + 1) if part == 1 else parts[part][::-1]

    answer = gateway.ask("/api/me", headers={"Cookie": f"{name}={'.'.join(parts)}"})

    assert answer.status == 401


def test_tokens_stand_in_a_file_for_its_user_alone(gateway: Rig) -> None:
    mode = stat.S_IMODE((gateway.data / "access.json").stat().st_mode)

    assert mode == 0o600


def test_who_guesses_tokens_is_slowed_down_and_others_are_not(own_gateway: Rig) -> None:
    guesses = [own_gateway.ask("/api/me", token=f"guess-{number}") for number in range(30)]

    statuses = [answer.status for answer in guesses]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert int(guesses[-1].headers["retry-after"]) >= 1
    assert own_gateway.ask("/api/me", token=own_gateway.viewer).status == 200


def test_who_asks_too_often_is_told_when_to_come_again(own_gateway: Rig) -> None:
    connection = http.client.HTTPConnection(own_gateway.host, timeout=10)
    statuses: list[int] = []
    retry_after = None
    while 429 not in statuses and len(statuses) < 3_000:
        connection.request("GET", "/api/me", headers={"Authorization": f"Bearer {own_gateway.viewer}"})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        retry_after = response.headers["Retry-After"]
    connection.close()

    assert statuses.index(429) >= 300
    assert retry_after == "1"
    assert own_gateway.ask("/api/me", token=own_gateway.admin).status == 200


@pytest.mark.parametrize("path", ["/", "/api/me", "/nothing", "/healthz"])
def test_every_answer_carries_the_headers_that_keep_a_browser_from_harm(gateway: Rig, path: str) -> None:
    headers = gateway.ask(path, token=gateway.admin).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "'unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("token", "origin", "code"),
    [(None, None, 4401), ("wrong", None, 4401), ("admin", "http://evil.example", 4403), ("admin", "http://[", 4403)],
)
@pytest.mark.parametrize("path", ["/ws", "/live/front"])
def test_a_websocket_is_refused_with_a_code_that_a_page_can_read(
    own_gateway: Rig, path: str, token: str | None, origin: str | None, code: int
) -> None:
    headers: dict[str, Any] = {} if origin is None else {"Origin": origin}
    given = own_gateway.admin if token == "admin" else token

    with own_gateway.socket(path, given, **headers) as opened, pytest.raises(ConnectionClosed) as closed:
        opened.recv(10)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code
    assert closed.value.rcvd.reason


def test_who_is_revoked_is_sent_away_from_an_open_websocket(own_gateway: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_news, "CHECK_S", 0.2)
    with own_gateway.socket("/ws", own_gateway.viewer) as opened:
        read_until(opened, lambda message: "hello" in message)
        own_gateway.access.revoke(Role.VIEWER)
        with pytest.raises(ConnectionClosed) as closed:
            read_until(opened, lambda message: False)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("path", ["/api/exports?next=%C2%B2", "/api/recordings?camera=front&start=1&end=2&next=%C2%B2"])
def test_a_digit_that_is_no_number_is_the_askers_fault(gateway: Rig, path: str) -> None:
    assert gateway.ask(path, token=gateway.admin).status == 422


WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("said", [b"", b"GET /api/me HTT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_who_only_holds_the_line_is_cut_and_who_has_a_websocket_is_not(
    own_gateway: Rig, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(impatient, "HEAD_S", 0.2)
    host, _, port = own_gateway.host.partition(":")
    with own_gateway.socket("/ws", own_gateway.viewer) as opened:
        read_until(opened, lambda message: "hello" in message)
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            slow.sendall(said)
            try:
                left = slow.recv(100)
            except ConnectionResetError:
                left = b""
        opened.send('{"subscribe": ["camera/"]}')
        read_until(opened, lambda message: "snapshot_done" in message)

    assert left == b""


def test_who_only_holds_the_line_after_an_answer_is_cut_too(own_gateway: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _, port = own_gateway.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as slow:
        slow.sendall(WHOLE)
        answer = b""
        while not answer.endswith(b"}"):
            answer += slow.recv(10_000)
        monkeypatch.setattr(impatient, "HEAD_S", 0.3)
        slow.sendall(WHOLE[:10])
        try:
            left = slow.recv(10_000)
        except ConnectionResetError:
            left = b""

    assert b" 200 OK" in answer
    assert left == b""


def test_everything_works_behind_a_prefix_that_the_proxy_keeps_or_takes_off(tmp_path: Path) -> None:
    rig = Rig(tmp_path, prefix="/cams/north")
    kept = rig.ask("/cams/north/api/me", token=rig.admin)
    taken = rig.ask("/api/me", token=rig.admin)
    bare = rig.ask("/cams/north")
    page = rig.ask("/cams/north/")
    cookie = rig.ask("/cams/north/api/session", "POST", body={"token": rig.admin}).headers["set-cookie"]
    rig.bus.when_asked(SubmitJob, lambda _: JobAccepted(id="ab" * 16, state=JobState.QUEUED, position=1, created=True))
    job = rig.ask("/cams/north/api/jobs", "POST", token=rig.admin, body=CLIP)
    with rig.socket("/cams/north/ws", rig.admin) as opened:
        hello = read_until(opened, lambda message: "hello" in message)
    rig.close()

    assert (kept.status, taken.status, bare.status, page.status) == (200, 200, 307, 200)
    assert bare.headers["location"] == "/cams/north/"
    assert "Path=/cams/north/" in cookie
    assert job.headers["location"] == f"/cams/north/api/jobs/{'ab' * 16}"
    assert hello
    assert rig.address.endswith("/cams/north")

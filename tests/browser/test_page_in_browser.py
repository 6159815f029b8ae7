"""The page in a real browser, on a real group: what is seen there is what is."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from browsing import CHROMIUM, HEAVIEST_BYTES, LIMIT_S, MOVING, Visit, link_to, open_browser
from msgspec import Raw

from framebus import codec
from framebus.messages import CameraState
from framebus.recordings import closed_name, hour_folder
from framebus.requests import ChangeConfig, Config, ConfigApplied, GetConfig
from groups import SYNTHETIC, RunningGroup, running_group, wait_until
from services.gateway.gateway_rig import Rig, camera_status

pytest.importorskip("starlette", reason="the gateway's libraries are not installed")
pytest.importorskip("playwright", reason="Playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

SHEET = [(size, scheme) for size in ("desktop", "phone") for scheme in ("light", "dark")]
NOBODY = "rtsp://127.0.0.1:9/stream"
"""where nobody listens"""
SMALL = "synthetic://?width=160&height=120&fps=10"
WIDTH = "document.querySelector('{where} video.moving').videoWidth"
RECORDED_S = 5.0
OLD_S = 86_400.0
TOO_SMALL = (
    "[...document.querySelectorAll('#tabs button, .icon-button')]"
    ".filter(button => button.offsetWidth && button.offsetHeight < {least}).map(button => button.ariaLabel)"
)
"""the names of the buttons that a finger, or a pointer, would miss"""
LOADED_BYTES = (
    "performance.getEntriesByType('resource').filter(one => /\\.(js|css)$/.test(one.name) && one.startTime < 5000)"
    ".reduce((sum, one) => sum + one.decodedBodySize, 0)"
)
"""script and style of the first view; what it does not need comes later"""
FOCUSED = "document.activeElement.ariaLabel"
GLIDING = (
    "[...document.querySelectorAll('*')].filter(one => parseFloat(getComputedStyle(one).transitionDuration) > 0).length"
)
WATCH_BARS = """
window.bars = [];
new MutationObserver(() => document.querySelectorAll('.bar:not([hidden])').forEach(
  (bar) => window.bars.push(Number(bar.ariaValueNow)),
)).observe(document.querySelector('#jobs'), {subtree: true, childList: true, attributes: true});
"""
WATCH_STATUS = """
window.told = [];
new MutationObserver(([{target}]) => window.told.push(target.textContent))
  .observe(document.querySelector('#top [role=status]'), {childList: true});
"""
"""what a screen reader speaks of the top line"""


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small = {**SYNTHETIC.get("detect", {}), "source": SMALL}
    cameras = {"garden": {**SYNTHETIC, "detect": small}, "shed": {"source": NOBODY}}
    with running_group({"http": {"port": port}, "cameras": cameras}) as running:
        running.await_ready()
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def visit(browser: Any, group: RunningGroup) -> Iterator[Visit]:
    """Somebody who stays for all of the tests: the page is never loaded again."""
    opened = Visit(browser, link_to(group))
    yield opened
    opened.close()
    assert opened.complaints == []


def is_live(camera: str) -> str:
    return f"[...document.querySelectorAll('.tile')].some(t => t.ariaLabel === '{camera}: live')"


def drag(visit: Visit, from_s: float, to_s: float) -> None:
    """Mark a range that lies so many seconds back, on the first lane, with the timeline a minute long."""
    visit.page.click(".chip >> text='1 min'")
    visit.until("document.querySelector('#timeline .chip[aria-pressed=true]').textContent === '1 min'", "a minute")
    drag_over(visit, "#timeline canvas", 1 - from_s / 60, 1 - to_s / 60)


def drag_over(visit: Visit, canvas: str, *shares: float) -> None:
    """From one share of its width to another."""
    box = visit.page.locator(canvas).bounding_box()
    x = [box["x"] + box["width"] * share for share in shares]
    y = box["y"] + 40
    visit.page.mouse.move(x[0], y)
    visit.page.mouse.down()
    visit.page.mouse.move(x[1], y, steps=4)
    visit.page.mouse.up()


def await_recording(group: RunningGroup, seconds: float) -> None:
    """So much of the camera stands in closed segments."""
    folder = group.place.data / "recordings" / "garden"

    def recorded() -> bool:
        return sum(int(path.stem.split("_")[1].split("-")[0]) for path in folder.rglob("*_*.mp4")) >= 1_000 * seconds

    wait_until(recorded, "recordings", LIMIT_S)


def test_the_link_opens_the_page_and_its_token_leaves_the_address(visit: Visit) -> None:
    visit.until("document.querySelectorAll('.service').length > 3", "services are shown")

    assert "token" not in visit.page.url
    assert visit.find("document.cookie") == "", "no script can read the session"
    assert 0 < visit.find(LOADED_BYTES) <= HEAVIEST_BYTES


def test_the_picture_of_a_camera_moves_and_only_then_is_called_live(visit: Visit) -> None:
    visit.until(is_live("garden"), "garden is live")
    before = visit.find("document.querySelector('video.moving').currentTime")

    visit.until(f"document.querySelector('video.moving').currentTime > {before} + 0.3", "the picture moves")

    assert visit.find(WIDTH.format(where="#wall")) == 160, "the small stream is enough for a tile"


def test_a_camera_that_is_offline_says_why_and_the_top_line_names_it(visit: Visit) -> None:
    visit.until("document.querySelector('#summary').innerText.includes('Shed offline')", "the worst thing is named")

    assert "refuses the connection" in visit.tile("shed")
    assert "live" not in visit.tile("shed")


def test_a_range_that_is_dragged_becomes_a_clip_that_plays(visit: Visit, group: RunningGroup) -> None:
    await_recording(group, RECORDED_S)
    drag(visit, 5.0, 2.5)
    visit.until("document.querySelector('.panel .primary:not(:disabled)') !== null", "what the clip would contain")
    told = visit.text(".panel")
    visit.picture("range")
    visit.page.keyboard.press("Enter")
    visit.until("document.querySelector('.job.state-succeeded') !== null", "the clip is made")
    visit.page.click("[aria-label='Play the clip of garden']")
    visit.until("document.querySelector('.clip video')?.currentTime > 0.3", "the clip plays")
    visit.page.keyboard.press("1")
    behind = visit.find("document.querySelector('#large').hidden")
    visit.page.click(".clip .seek")
    visit.page.keyboard.press("Escape")

    assert behind, "the page behind the card takes no keys"
    assert visit.page.locator(".clip").is_hidden(), "from its slider, too"
    assert visit.find(FOCUSED) == "Play the clip of garden"
    assert "Length" in told
    assert "Gaps\nnone" in told
    assert len(group.clips()) == 1


def test_the_bar_of_a_job_at_work_never_goes_back_and_ends(visit: Visit, group: RunningGroup) -> None:
    visit.find(WATCH_BARS)

    export = psutil.Process(group.services()["export"].pid)
    export.suspend()  # the job is leased to it, and stands until it goes on: else it may end before it is drawn
    now_s = time.time()
    group.submit(now_s - 6.0, now_s - 1.0, "garden", mode="encode", preset="quality")
    visit.until("window.bars.length > 0", "there is a bar")
    export.resume()
    visit.until("document.querySelectorAll('.job.state-succeeded').length === 2", "the job ends")
    bars = visit.find("window.bars")

    assert bars == sorted(bars)
    assert visit.find("document.querySelectorAll('.bar:not([hidden])').length") == 0


def test_a_moment_that_is_clicked_is_played_from_the_recording(visit: Visit) -> None:
    box = visit.page.locator("#timeline canvas").bounding_box()

    visit.page.mouse.click(box["x"] + box["width"] * (1 - 6 / 60), box["y"] + 40)
    visit.until("document.querySelector('video.past')?.currentTime > 0.2", "the recording plays")

    assert visit.text(".where").startswith("recorded ")
    visit.page.keyboard.press("Escape")
    visit.until(is_live("garden"), "the wall is live again")


def let_a_job_fail(group: RunningGroup, ago_s: float) -> None:
    """Ask for a clip of a recording that is no video."""
    start_s = time.time() - ago_s
    folder = hour_folder(group.place.data, "garden", start_s)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / closed_name(round(1_000 * start_s), 10_000)).write_bytes(b"no video")
    group.submit(start_s, start_s + 10.0, "garden", allow_gaps=False)


def test_a_job_that_fails_tells_its_reason(visit: Visit, group: RunningGroup) -> None:
    let_a_job_fail(group, OLD_S)

    visit.until("document.querySelector('.job.state-failed') !== null", "a failed job")

    assert visit.text(".job.state-failed .code") == "no_source"
    assert len(visit.text(".job.state-failed .state")) > 10
    assert visit.page.locator(".job.state-failed [aria-label^='Try the job']").count() == 1


def test_a_service_is_seen_to_die_and_to_come_back_and_its_picture_is_not_called_live(
    visit: Visit, group: RunningGroup
) -> None:
    old = group.kill("capture@garden")

    visit.until("document.querySelector('.service.is-down .counter')?.textContent.endsWith(' s')", "it counts", 2.0)
    dead = visit.tile("garden")
    group.await_back("capture@garden", old)
    note = visit.until(
        "[...document.querySelectorAll('.service.is-back')].map(s => s.innerText).find(t => t.includes('back'))", "back"
    )
    visit.picture("back")
    visit.until(is_live("garden"), "live again")

    assert "live" not in dead
    assert "signal 9" in note
    assert " 0.0 s" not in note, "it took some time"


def test_the_page_stays_while_the_gateway_is_away_and_goes_on_by_itself(visit: Visit, group: RunningGroup) -> None:
    visit.find("window.isTheSamePage = true")

    old = group.kill("gateway")
    visit.until("document.body.classList.contains('is-away')", "it greys", 3.0)
    visit.until(f"!({is_live('garden')})", "no picture is called live", 1.0)
    group.await_back("gateway", old)
    visit.until("!document.body.classList.contains('is-away')", "it is back")
    visit.until(is_live("garden"), "live again")

    assert visit.find("window.isTheSamePage") is True


def test_the_keys_open_a_camera_and_the_help_and_go_back(visit: Visit) -> None:
    visit.page.keyboard.press("1")
    visit.until("document.querySelector('.where')?.textContent === 'live'", "the first camera, large")
    why, width = visit.text(".why"), visit.find(WIDTH.format(where="#large"))
    visit.page.keyboard.press("?")
    visit.until("document.querySelector('.help')?.checkVisibility()", "the keys are told")
    visit.page.keyboard.press("Escape")
    drag_over(visit, ".strip canvas", 0.9, 0.95)
    visit.until("document.querySelector('.panel').checkVisibility()", "a range of its strip")
    visit.page.click("[aria-label='Back to all cameras']")

    assert "320 × 240" in why
    assert width == 320, "large, it is the recorded stream"
    assert "dropped" in why
    assert visit.page.locator(".help").is_hidden()
    assert visit.page.locator(".panel").is_hidden(), "a range goes with its strip"
    visit.until(is_live("garden"), "the wall is live again")


def test_who_may_only_look_is_offered_nothing_else(browser: Any, group: RunningGroup) -> None:
    let_a_job_fail(group, 2 * OLD_S)
    viewer = Visit(browser, link_to(group, "--role", "viewer"))
    try:
        viewer.until("document.querySelector('.job.state-failed') !== null", "jobs are shown")
        drag(viewer, 8.0, 6.0)
        viewer.until("document.querySelector('.panel .said').textContent.includes('not make clips')", "said why")

        assert viewer.page.locator(".panel .primary").is_hidden()
        assert viewer.page.locator(".job [aria-label^='Try the job']").count() == 0
    finally:
        viewer.close()


def test_the_first_camera_is_added_from_the_page_by_who_may(browser: Any, tmp_path: Path) -> None:
    rig = Rig(tmp_path, cameras=[])
    asked: list[ChangeConfig] = []

    def change(request: ChangeConfig) -> ConfigApplied:
        asked.append(request)
        rig.bus.deliver(camera_status("garden", state=CameraState.CONNECTING), src="capture@garden")
        return ConfigApplied(revision=2)

    rig.bus.when_asked(GetConfig, lambda _: Config(file="framebus.yml", revision=1, value=Raw(codec.encode({}))))
    rig.bus.when_asked(ChangeConfig, change)
    viewer, admin = (Visit(browser, f"{rig.address}/#token={token}") for token in (rig.viewer, rig.admin))
    for visit in (viewer, admin):
        visit.until("document.querySelector('.page-notice h2')?.innerText === 'No camera yet'", "it says so")
        assert visit.page.inner_text(".page-notice pre") == "framebus add NAME URL"
    admin.picture("no-camera")
    admin.page.fill("[name=name]", "garden")
    admin.page.fill("[name=source]", "/etc/passwd")
    admin.page.keyboard.press("Enter")
    admin.until("document.querySelector('[name=source][aria-invalid]') !== null", "the wrong field is marked")
    admin.page.fill("[name=source]", SMALL)
    admin.page.keyboard.press("Enter")
    admin.until("document.querySelector('.tile') !== null", "its picture has a place")

    assert [request.path for request in asked] == ["cameras.garden"]
    assert admin.page.locator(".page-notice").count() == 0
    assert viewer.page.locator(".add-camera").count() == 0
    viewer.close()
    admin.close()
    rig.close()


def test_after_an_upgrade_the_page_loads_itself_anew_or_offers_to_where_something_is_open(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    port = int(rig.host.rpartition(":")[2])
    admin = Visit(browser, f"{rig.address}/#token={rig.admin}")
    admin.until("document.querySelectorAll('.tile').length === 2", "the cameras")

    for version, is_used in (("8", False), ("9", True)):
        if is_used:
            admin.page.keyboard.press("1")
            admin.until("document.querySelector('.where') !== null", "a camera is large")
        admin.find(WATCH_STATUS)
        rig.close()
        admin.until("document.querySelector('.words').textContent.includes('for 2 s')", "it counts")
        told = admin.find("window.told")
        monkeypatch.setattr("framebus_services.gateway.ws_news.version", lambda _, now=version: now)
        with admin.page.expect_event("load", timeout=1_000 * LIMIT_S):  # the page is loaded anew
            rig = Rig(tmp_path, port=port)
            if is_used:
                admin.until("document.querySelector('.said-line .link-button') !== null", "it is offered")
                admin.picture("upgraded")
                admin.page.click(".said-line .link-button")
        admin.until("document.querySelectorAll('.tile').length === 2", "the cameras again")

        assert [text.partition(" for ")[0] for text in told] == ["No connection to framebus"], "said once, not counted"
    admin.close()
    rig.close()


def test_what_has_no_room_beside_a_service_is_its_hint(visit: Visit) -> None:
    hints = visit.find("[...document.querySelectorAll('.service')].map(one => [one.title, one.ariaLabel])")

    assert hints
    assert all(title == label for title, label in hints)


def test_for_who_wishes_less_motion_nothing_glides(visit: Visit) -> None:
    usual = visit.find(GLIDING)
    visit.page.emulate_media(reduced_motion="reduce")
    calm = visit.find(GLIDING)
    visit.page.emulate_media(reduced_motion="no-preference")

    assert usual > 0, "the bars of the jobs"
    assert calm == 0


def test_a_tab_that_nobody_looks_at_closes_its_streams(visit: Visit) -> None:
    visit.find(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true}),"
        " document.dispatchEvent(new Event('visibilitychange'))"
    )
    visit.until(f"{MOVING} === 0", "no stream")

    visit.find("delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
    visit.until(is_live("garden"), "live again")


def test_a_link_that_was_taken_back_shows_how_to_get_another(browser: Any, group: RunningGroup) -> None:
    late = Visit(browser, link_to(group).partition("#")[0] + "#token=wrong")
    try:
        late.until("document.querySelector('.page-notice')?.innerText.includes('framebus link')", "what to do")
        late.picture("expired")
    finally:
        late.close()


@pytest.mark.parametrize(("size", "scheme"), SHEET)
def test_the_page_fits_phone_and_desktop_in_light_and_dark(visit: Visit, size: str, scheme: str) -> None:
    visit.look(size, scheme)
    visit.until(is_live("garden"), "live")

    for tab in ("live", "timeline", "jobs"):
        if size == "phone":
            visit.page.click(f"#tabs [data-tab={tab}]")
        visit.picture(f"{tab}-{size}-{scheme}")

        assert visit.find("document.documentElement.scrollWidth <= innerWidth"), f"{tab} is too wide"
        assert visit.find(TOO_SMALL.format(least=44 if size == "phone" else 32)) == []
    if size == "phone":
        visit.page.click("#tabs [data-tab=live]")

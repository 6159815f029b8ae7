"""The picture of the README: three cameras, a marked range, a clip at work, a service that just died; and on a phone.

Taken when asked: FRAMEBUS_PICTURES=docs/pictures .venv/bin/python -m pytest tests/browser/test_readme_picture.py
"""

import socket
import time
from typing import Any

import pytest
from browsing import CHROMIUM, PICTURES, Visit, link_to, open_browser

from groups import RunningGroup, running_group, wait_until

pytest.importorskip("starlette", reason="the gateway's libraries are not installed")
pytest.importorskip("playwright", reason="Playwright is not installed")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.skipif(PICTURES is None, reason="pictures are taken when FRAMEBUS_PICTURES names a folder"),
]

CAMERA: dict[str, Any] = {
    "source": "synthetic://?width=640&height=360&fps=10",
    "detect": {"fps": 10},
    "record": {"segment_s": 4},
}
HISTORY_S = 65.0
LIVE = "[...document.querySelectorAll('.tile')].every(t => t.ariaLabel.endsWith(': live'))"

BARS = "[...document.querySelectorAll('.bar:not([hidden])')].map((bar) => Number(bar.ariaValueNow))"
"""how far the clips at work are"""


def encode(group: RunningGroup, camera: str, seconds: float) -> None:
    now_s = time.time()
    group.submit(now_s - seconds - 5.0, now_s - 5.0, camera, mode="encode", preset="quality")


def mark_range(visit: Visit) -> None:
    visit.page.click(".chip >> text='1 min'")
    box = visit.page.locator("#timeline canvas").bounding_box()
    visit.page.mouse.move(box["x"] + box["width"] * 0.42, box["y"] + 40)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 85, steps=6)
    visit.page.mouse.up()
    visit.until("document.querySelector('.panel .primary:not(:disabled)') !== null", "the plan")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_of_the_readme(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cameras = dict.fromkeys(("front_door", "garden", "garage"), CAMERA)
    with running_group({"http": {"port": port}, "cameras": cameras}) as group, open_browser() as browser:
        group.await_ready()
        visit = Visit(browser, link_to(group), size="readme", scheme=scheme)
        visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no bar on its way to its number
        visit.until(LIVE, "all cameras are live")
        oldest_s = time.time()
        wait_until(lambda: time.time() - oldest_s > HISTORY_S, "a minute of history", HISTORY_S + 5)
        group.submit(time.time() - 40.0, time.time() - 25.0, "garden")
        visit.until("document.querySelector('.job.state-succeeded') !== null", "a clip")
        old = group.kill("enrich")
        group.await_back("enrich", old)
        visit.until("document.querySelector('.service.is-back') !== null", "back")
        mark_range(visit)
        encode(group, "front_door", 60.0)
        encode(group, "garage", 20.0)
        visit.until(f"{BARS}.some((percent) => percent >= 60)", "a clip at work", 60)
        visit.until("document.querySelector('.box') !== null", "objects are seen again")
        visit.until(LIVE, "all cameras are live")
        visit.picture(f"page-{scheme}")
        visit.page.keyboard.press("Escape")
        visit.look("phone", scheme)
        visit.until(LIVE, "all cameras are live")
        if scheme == "dark":
            visit.page.click("#tabs [data-tab=jobs]")
        visit.picture(f"phone-{scheme}")
        visit.close()

"""A password in the configuration is seen by the camera alone."""

import json
import stat
import subprocess
from pathlib import Path

import psutil

import media
from camera import RtspCamera
from framebus.messages import CameraState, CameraStatus, Cause
from groups import FRAMEBUS, processes_of, running_group

CANARY = "c4nary-p4ss"


def config(good: str, wrong: str) -> dict[str, object]:
    return {
        "cameras": {
            "good": {"source": good, "record": {"segment_s": 1}},
            "wrong": {"source": wrong},
            "nobody": {"source": f"rtsp://viewer:{CANARY}@127.0.0.1:9/stream?token={CANARY}"},
        }
    }


HEARD = {"camera/good/", "camera/wrong/", "camera/nobody/", "service/capture@wrong/", "config/cameras/"}


def test_a_password_shows_nowhere_in_news_logs_arguments_answers_or_files(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    media.make_video(video, seconds=20)

    with RtspCamera(video, user="viewer", password=CANARY) as camera:
        wrong = camera.url.replace(CANARY, f"{CANARY}-wrong")
        with running_group(config(camera.url, wrong)) as group:
            group.await_ready()
            with group.observer() as news:

                def causes() -> bool | None:
                    status = {
                        name: news.newest(f"camera/{name}/", CameraStatus) for name in ("good", "wrong", "nobody")
                    }
                    states = {name: (one.state, one.cause) for name, one in status.items() if one is not None}
                    wanted = {
                        "good": (CameraState.ONLINE, Cause.NONE),
                        "wrong": (CameraState.OFFLINE, Cause.AUTH),
                        "nobody": (CameraState.OFFLINE, Cause.REFUSED),
                    }
                    return True if states == wanted else None

                assert news.wait_for(causes, 20.0)

            said = group.all_said(HEARD)
            commands = (["status", "--json"], ["logs", "-n", "500"], ["call", "launcher", "config.get", "{}"])
            status, *more = [
                subprocess.run([FRAMEBUS, *words, "--run", str(group.place.run)], capture_output=True, timeout=20.0)
                for words in commands
            ]
            shown = b"".join(one.stdout + one.stderr for one in (status, *more))
            arguments = [" ".join(process.cmdline()) for process in processes_of(group.place)]
            titles = [" ".join(child.cmdline()) for child in psutil.Process(group.process.pid).children(recursive=True)]
            holding = group.files_holding(CANARY.encode())

            assert json.loads(status.stdout)["cameras"]
            assert b"capture@wrong" in more[0].stdout
            assert b"rtsp://***@" in more[1].stdout
            assert CANARY.encode() not in said + shown
            assert CANARY not in " ".join(arguments + titles)
            assert all(path.parent.name == "settings" for path in holding), holding
            assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in holding)

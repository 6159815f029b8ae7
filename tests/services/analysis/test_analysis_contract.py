"""What is refused when an analysis is handed in, and what a run says of a file that is not what it was."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from framebus.clock import SystemClock
from framebus.errors import ErrorCode, RefusedError
from framebus.job_requests import FailKind
from framebus.jobs import CheckContext
from framebus.place import Place
from framebus.runner import RunnerContext, WorkError
from framebus_services.analysis.contract import ANALYSIS, AnalysisParams, check
from framebus_services.analysis.runner import Analyse, _file_of


def context(data: Path) -> CheckContext:
    return CheckContext(data=data, cameras=["front"], now_at_s=1_790_000_000.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "uploads" / "front").mkdir(parents=True)
    (tmp_path / "uploads" / "front" / "a.jpg").write_bytes(b"a picture")
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    (tmp_path / "uploads" / "front" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    return tmp_path


def test_a_file_of_the_upload_folder_may_be_analysed(data: Path) -> None:
    check(AnalysisParams(path="front/a.jpg"), context(data))


@pytest.mark.parametrize(
    "path", ["../secret.jpg", "/etc/passwd", "front/../../secret.jpg", "front/link.jpg", "front/\0.jpg"]
)
def test_what_leaves_the_folder_is_refused(data: Path, path: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check(AnalysisParams(path=path), context(data))

    assert caught.value.code is ErrorCode.BAD_REQUEST


def test_a_file_that_is_not_there_is_no_source(data: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        check(AnalysisParams(path="front/b.jpg"), context(data))

    assert caught.value.code is ErrorCode.NO_SOURCE


def test_the_queue_is_gentle() -> None:
    policy = ANALYSIS.policy

    assert (policy.max_queued, policy.max_running, policy.pause_s) == (50, 1, 10.0)
    assert (policy.rest_s, policy.rest_limit_s) == (15.0, 300.0)


@pytest.fixture
def runner(data: Path) -> Analyse:
    place = Place.at(data / "run", data=data)
    return Analyse(RunnerContext(place=place, clock=SystemClock(), raw_settings=b"{}"))


def test_a_file_that_was_replaced_is_not_taken_for_the_one_that_was_meant(runner: Analyse) -> None:
    with pytest.raises(WorkError, match="was replaced") as caught:
        runner._open(AnalysisParams(path="front/a.jpg", sha256="0" * 64))

    assert caught.value.kind is FailKind.NO_SOURCE


def test_what_is_put_in_place_of_an_opened_file_is_not_read(runner: Analyse, data: Path) -> None:
    params = AnalysisParams(path="front/a.jpg")

    with runner._open(params) as content:
        (data / "uploads/front").rename(data / "uploads/away")
        (data / "uploads/front").symlink_to(data)
        (data / "a.jpg").write_bytes(b"a secret")
        file = _file_of(content, params)

        assert file.path.read_bytes() == b"a picture"
        assert subprocess.check_output(["cat", str(file.path)]) == b"a picture"
        assert file.name == "a.jpg"


def test_a_folder_that_became_a_link_since_is_not_followed(runner: Analyse, data: Path) -> None:
    (data / "uploads/front").rename(data / "uploads/away")
    (data / "uploads/front").symlink_to(data / "uploads/away")

    with pytest.raises(WorkError, match="is a link") as caught:
        runner._open(AnalysisParams(path="front/a.jpg"))

    assert caught.value.kind is FailKind.PERMANENT


def test_parameters_that_are_not_known_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="kamera"):
        msgspec.convert({"path": "front/a.jpg", "kamera": "front"}, AnalysisParams)

"""Runners and services by entry point: found without an import, loaded by name, and refused with the reason."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from framebus import plugin_classes, plugins
from framebus.errors import ConfigError, ExitCode
from framebus.requests import Lease, LeaseJob
from framebus.run_jobs import JobService
from framebus.run_service import make_service
from framebus.testing import FakeBus
from framebus_services.export.clip import Clip

GOOD = """
from msgspec import Struct
from framebus import JobRunner, JobType

class Params(Struct):
    pass

class Good(JobRunner):
    contract = JobType(name="good", params=Params, check=lambda params, context: None)
    def run(self, params, report): ...

class Beside:
    def __init__(self, bus):
        self.bus, self.is_stopped = bus, False
        bus.beside = self
    def stop(self):
        self.is_stopped = True
    def is_healthy(self):
        return not self.is_stopped

class Accompanied(Good):
    companion = Beside

class Bare(JobRunner):
    def run(self, params, report): ...

class Service:
    class settings_type(Struct, forbid_unknown_fields=True):
        every_s: float = 1.0

    def __init__(self, bus):
        self.settings = bus.settings(self.settings_type)

class Unsettable(Service):
    settings_type = "float"

word = "no class"
"""


def install(folder: Path, package: str, group: str = plugins.JOBS, **points: str) -> None:
    """What pip leaves of a package with these entry points."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "goods_of_a_test.py").write_text(GOOD)
    return tmp_path


def test_export_comes_through_the_same_door_as_any_plug_in() -> None:
    assert plugin_classes.load_job_runner("export") is Clip


def test_runners_are_listed_without_being_imported(site: Path) -> None:
    install(site, "one", mine="no_such_module_anywhere:Mine")

    assert plugins.find_job_runners()["mine"] == "no_such_module_anywhere:Mine"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:Mine", "can't be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("goods_of_a_test:Missing", "can't be loaded: AttributeError: .* no attribute 'Missing'"),
        ("goods_of_a_test:word", "is no JobRunner; the entry point names a class derived from framebus.JobRunner"),
        ("goods_of_a_test:Bare", "has no contract; give it `contract = ...`, a framebus.JobType"),
    ],
)
def test_a_runner_that_cannot_be_had_is_refused_with_its_package_and_the_reason(
    site: Path, value: str, problem: str
) -> None:
    install(site, "one", mine=value)

    with pytest.raises(ConfigError, match=f"mine: the runner {value} of one {problem}"):
        plugin_classes.load_job_runner("mine")


def test_two_packages_with_one_name_are_refused_and_both_named(site: Path) -> None:
    install(site, "one", mine="goods_of_a_test:Good")
    install(site, "two", mine="goods_of_a_test:Bare")

    with pytest.raises(ConfigError, match=r"two packages bring a runner of this name, .*Bare of two and .*Good of one"):
        plugin_classes.load_job_runner("mine")


def test_a_name_that_nobody_brings_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        ConfigError,
        match="exporter: no installed package brings a runner of this name; there are analysis, export, notify",
    ):
        plugin_classes.load_job_runner("exporter")


def test_a_runner_brings_what_else_its_service_does_and_that_stops_and_is_asked_for_its_health(site: Path) -> None:
    install(site, "one", mine="goods_of_a_test:Accompanied")
    bus = FakeBus("mine")
    bus.when_asked(LeaseJob, lambda _: (time.sleep(0.05), Lease())[1])  # as the dispatcher, while there is no job

    service = JobService(bus, "mine")
    was_healthy = service.is_healthy()
    service.stop()

    beside = vars(bus)["beside"]
    assert (beside.bus, was_healthy, beside.is_stopped, service.is_healthy()) == (bus, True, True, False)


@pytest.mark.parametrize("arguments", [[], ["--run", "/tmp"]])
def test_a_service_without_a_name_is_a_wrong_usage_and_the_names_are_listed(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "framebus.run_jobs", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "usage: python -m framebus.run_jobs NAME; there are analysis, export, notify\n"


def test_a_service_is_made_with_its_settings(site: Path) -> None:
    install(site, "one", plugins.SERVICES, mine="goods_of_a_test:Service")

    service = make_service(FakeBus("mine", settings=b'{"every_s": 2.5}'), "mine")

    assert plugins.find_services()["mine"] == "goods_of_a_test:Service"
    assert vars(service)["settings"].every_s == 2.5


def test_every_setting_that_a_service_does_not_take_is_told_with_its_path(site: Path) -> None:
    install(site, "one", plugins.SERVICES, mine="goods_of_a_test:Service")

    with pytest.raises(ConfigError) as caught:
        make_service(FakeBus("mine", settings=b'{"every_s": "often", "evry_s": 1}'), "mine")

    assert caught.value.problems == [
        "services.mine.evry_s: unknown setting; did you mean every_s?",
        "services.mine.every_s: Expected `float`, got `str`",
    ]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:Mine", "can't be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("goods_of_a_test:word", "is no service; the entry point names a class or function that takes a Bus"),
        ("goods_of_a_test:Unsettable", "has a settings_type that is no msgspec.Struct"),
    ],
)
def test_a_service_that_cannot_be_had_is_refused_with_its_package_and_the_reason(
    site: Path, value: str, problem: str
) -> None:
    install(site, "one", plugins.SERVICES, mine=value)

    with pytest.raises(ConfigError, match=f"mine: the service {value} of one {problem}"):
        plugin_classes.load_service("mine")


def test_a_processor_that_two_packages_bring_is_refused_and_both_are_named(site: Path) -> None:
    install(site, "one", plugins.PROCESSORS, mine="goods_of_a_test:Good")
    install(site, "two", plugins.PROCESSORS, mine="goods_of_a_test:Bare")

    with pytest.raises(
        ConfigError, match=r"two packages bring a processor of this name, .*Bare of two and .*Good of one"
    ):
        plugin_classes.load_processor("mine")


def test_a_service_of_no_package_is_a_wrong_usage_and_it_is_said_what_there_is() -> None:
    command = [sys.executable, "-m", "framebus.run_service"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == ExitCode.USAGE
    assert "no package with an entry point framebus.services is installed" in done.stderr

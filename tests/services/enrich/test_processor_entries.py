"""Entries of `processors:`: what is the host's own, what would change nothing, and plug-ins that can't be loaded."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from framebus.errors import ConfigError, ExitCode
from framebus.messages import Finding
from framebus.processor import AnyProcessor, DeferredProcessor, Processor
from framebus.testing import FakeBus
from framebus_services.enrich.check import check
from framebus_services.enrich.lane import Policy
from framebus_services.enrich.orders import read_orders
from framebus_services.enrich.service import Enrich
from services.enrich.loading import loader


class Plain(Processor):
    def __init__(self, size: int = 3) -> None: ...


class Late(DeferredProcessor[int]):
    def process_task(self, task: int) -> Iterable[Finding]:
        return ()


class Clash(Processor):
    def __init__(self, queue: int = 1) -> None: ...


CLASSES: dict[str, type[AnyProcessor]] = {"plain": Plain, "late": Late, "clash": Clash}
LOAD = loader(CLASSES)
NO_QUEUE = "it has no queue, as it works on the loop; with `isolate: true` it gets one"


def test_the_settings_of_the_host_and_those_of_the_processor_are_told_apart() -> None:
    entry = {"plain": {"size": 4, "isolate": True, "queue": 2, "policy": "drop_oldest", "memory_mb": 512}}

    (order,) = read_orders([entry], LOAD).orders

    options = order.options
    assert (options.isolate, options.queue, options.policy, options.memory_mb) == (True, 2, Policy.DROP_OLDEST, 512)
    assert order.settings == {"size": 4}


def test_each_entry_of_one_processor_has_a_name_of_its_own() -> None:
    orders = read_orders(["plain", {"plain": {"size": 4}}, "late", {"plain": {"size": 5}}], LOAD).orders

    assert [order.name for order in orders] == ["plain", "plain-2", "late", "plain-3"]


def test_a_processor_in_a_file_has_a_name_that_counters_and_answers_can_bear() -> None:
    (order,) = read_orders(["./My Own.py:Plain"], loader({"./My Own.py:Plain": Plain})).orders

    assert (order.entry, order.name) == ("./My Own.py:Plain", "my-own")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (
            {"late": {"policy": "newest"}},
            "processors[0].late.policy: 'newest' is not known; it is one of latest, drop_oldest, refuse_newest",
        ),
        ({"late": {"queue": 0}}, "processors[0].late.queue: Expected `int` >= 1"),
        ({"late": {"queu": 3}}, "processors[0].late.queu: unknown setting; did you mean queue?"),
        ({"plain": {"queue": 3}}, f"processors[0].plain.queue: {NO_QUEUE}"),
        ({"plain": {"max_age_ms": 300}}, f"processors[0].plain.max_age_ms: {NO_QUEUE}"),
        (
            {"late": {"memory_mb": 512}},
            "processors[0].late.memory_mb: only a process of its own can have a limit; add `isolate: true`",
        ),
        ("clash", "processors[0].clash: its argument queue is called like a setting of enrich; give it another name"),
    ],
)
def test_a_wrong_or_pointless_setting_of_the_host_says_what_would_be_right(entry: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_orders([entry], LOAD)

    assert caught.value.problems == [problem]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an installed processor whose module raises."""
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-kit\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[framebus.processors]\nbroken = broken_kit:Broken\n")
    (tmp_path / "broken_kit.py").write_text("raise ImportError('no libmodel.so')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "broken"


def test_a_plug_in_that_cannot_be_loaded_is_named_with_its_reason_and_the_rest_runs(
    broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = FakeBus("enrich", settings=json.dumps({"processors": ["plain", {broken: {"isolate": True}}]}).encode())
    enrich = Enrich(bus, LOAD)

    assert bus.complaint.startswith(
        "processor broken is left out: the processor broken_kit:Broken of broken-kit can't be"
    )
    assert "ImportError: no libmodel.so" in bus.complaint
    assert bus.complaint in caplog.messages
    enrich.stop()


def test_a_check_tells_a_plug_in_that_cannot_be_loaded_as_a_problem(
    broken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"processors": ["brightness", broken]}))

    code = check(file)

    told = json.loads(capsys.readouterr().out)
    assert code == ExitCode.CONFIGURATION
    assert told["path"] == "processors[1]"
    assert "ImportError: no libmodel.so" in told["message"]

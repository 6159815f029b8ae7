"""docs/parts.md is run as it stands: each block is a file, each file a process, and no camera library is there."""

from collections.abc import Iterator

import pytest

from docs.recipes import blocks_of, pip_install, unnamed_blocks
from examples.processes import Folder, Program
from framebus import client
from framebus.errors import RefusedError
from framebus.messages import JobState
from framebus.requests import Ping

PAGE = "parts.md"
BLOCKS = blocks_of(PAGE)
MAX_LINES = 20
LONGER = {"spell_jobs.py": 30}

# Python imports `sitecustomize` by itself: this one takes packages away, as if they were not installed.
WITHOUT = """
import os, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name in os.environ["WITHOUT"].split():
            with open("wanted.txt", "a") as wanted:
                print(name, file=wanted)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
"""
NOT_IN_BASE = "av cv2 onnxruntime starlette uvicorn watchdog paho msgpack"


class Parts(Folder):
    """A folder with the files of the page, in which everything runs without what is not in the base installation."""

    def __init__(self, *, without: str) -> None:
        super().__init__()
        for name, code in BLOCKS.items():
            (self.path / name).write_text(code)
        (self.path / "sitecustomize.py").write_text(WITHOUT)
        self.environment |= {"PYTHONPATH": str(self.path), "WITHOUT": without}

    def shell(self, block: str) -> Program:
        """Run a shell block, which starts a dispatcher, and wait until that answers."""
        command = BLOCKS[block].replace("python", "exec python", 1)  # signals shall reach it, not its shell
        program = self.start("sh", "-c", command)
        client.ask("dispatcher", Ping(), run=self.run, deadline_s=20.0)
        return program

    def install(self) -> None:
        """`pip install .`, into a folder of its own."""
        pip_install(self)
        (self.path / "spell_jobs.py").unlink()  # now it is there only once

    @property
    def wanted(self) -> list[str]:
        """What was imported in vain."""
        path = self.path / "wanted.txt"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def parts() -> Iterator[Parts]:
    with Parts(without=NOT_IN_BASE) as parts:
        yield parts


def test_the_ring_passes_pictures_between_two_processes_without_zeromq() -> None:
    with Parts(without=f"{NOT_IN_BASE} zmq") as parts:
        reader = parts.python("ring_reader.py")
        reader.wait_for("waiting")
        writer = parts.python("ring_writer.py")

        codes = reader.wait(), writer.wait()

        assert codes == (0, 0), (reader.said, writer.said)
        pictures = [line.split() for line in reader.said[1:]]
        assert pictures, "the reader saw nothing"
        assert all(int(number) == float(mean) + 1 for number, mean in pictures)
        assert not (parts.path / "shm").exists()
        assert parts.wanted == []


def test_the_bus_carries_news_with_a_dispatcher_and_no_launcher(parts: Parts) -> None:
    dispatcher = parts.shell("dispatcher")
    thermometer = parts.python("thermometer.py")

    listener = parts.python("listener.py")
    code = listener.wait()

    assert code == 0, listener.said
    assert listener.said == ["celsius 81.5"]
    assert (thermometer.stop(), dispatcher.stop()) == (0, 0)
    assert parts.wanted == []


def test_the_ledger_does_jobs_of_an_own_type_without_a_camera(parts: Parts) -> None:
    dispatcher = parts.shell("dispatcher-with-jobs")
    worker = parts.python("shouter.py")

    submit = parts.python("submit.py")
    code = submit.wait()

    assert code == 0, submit.said
    assert submit.said[-2:] == ["succeeded 100.0", "{'text': 'HELLO'}"]
    assert (worker.stop(), dispatcher.stop()) == (0, 0)
    assert parts.wanted == []


def test_a_package_brings_a_job_type_with_its_check_and_its_runner(parts: Parts) -> None:
    parts.install()
    dispatcher = parts.shell("dispatcher")
    worker = parts.python("-m", *BLOCKS["speller"].split()[2:])

    with pytest.raises(RefusedError, match="word: 'x y' has other signs than letters"):
        client.submit("spell", {"word": "x y"}, run=parts.run)
    job = client.submit("spell", {"word": "bus"}, run=parts.run)
    views = list(client.watch(job.id, run=parts.run, timeout_s=30.0))

    assert views[-1].state is JobState.SUCCEEDED
    assert (parts.data / "exports/spelled/bus.txt").read_text() == "b\nu\ns\n"
    assert (worker.stop(), dispatcher.stop()) == (0, 0)
    assert parts.wanted == []


def test_a_worker_lives_through_a_crash_of_its_work_without_a_group() -> None:
    with Parts(without=f"{NOT_IN_BASE} zmq") as parts:
        program = parts.python("crash_proof.py")

        code = program.wait()

        assert code == 0, program.said
        ended = sorted(line.strip() for line in program.said if line.split()[1:2] in (["done"], ["quarantined"]))
        assert ended[:2] == [r"a done b'\xff\xfe'", r"b done b'\xfd'"]
        assert ended[2].startswith("bad quarantined None its process died of signal 11 (SIGSEGV)")
        assert parts.wanted == []


def test_packages_that_are_taken_away_are_missed() -> None:
    with Parts(without="json") as parts:
        program = parts.python("-c", "import json")

        assert program.wait() == 1
        assert parts.wanted == ["json"]


def test_every_block_of_code_on_the_page_has_a_name_and_so_is_run() -> None:
    assert unnamed_blocks(PAGE) == 0


@pytest.mark.parametrize("name", [name for name in BLOCKS if name.endswith(".py")])
def test_a_part_takes_at_most_20_lines(name: str) -> None:
    assert len(BLOCKS[name].splitlines()) <= LONGER.get(name, MAX_LINES)

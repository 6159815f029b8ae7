"""The package's public names: all there, loaded late, and never hidden by a module of the same name."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import framebus


def said(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
    return done.stdout.strip()


def test_importing_the_package_loads_neither_sockets_nor_arrays_nor_the_codec() -> None:
    heavy = "{'zmq', 'numpy', 'msgspec', 'av', 'cv2'}"

    assert said(f"import sys, framebus; print(sorted({heavy} & sys.modules.keys()))") == "[]"


def test_the_ring_and_frames_come_without_sockets() -> None:
    assert said("import sys, framebus; framebus.RingReader, framebus.Frame; print('zmq' in sys.modules)") == "False"


@pytest.mark.parametrize("name", framebus.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(framebus, name) is not None
    assert name in dir(framebus)


def test_a_star_import_brings_all_public_names() -> None:
    missing = "import framebus\nfrom framebus import *\nprint([n for n in framebus.__all__ if n not in globals()])"

    assert said(missing) == "[]"


@pytest.mark.parametrize(
    "first", ["import framebus.frame", "from framebus.frame import Frame", "import framebus.ring", "framebus.Frame"]
)
def test_frames_is_the_function_whatever_was_imported_first(first: str) -> None:
    code = f"import framebus\n{first}\nfrom framebus import frames\nprint(callable(framebus.frames), callable(frames))"

    assert said(code) == "True True"


def test_the_version_is_that_of_the_installed_package() -> None:
    assert framebus.__version__ == version("framebus")


def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Buss'; it has Box, Bus, "):
        framebus.Buss  # noqa: B018

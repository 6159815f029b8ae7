"""What a process loads before it does anything: each module costs every start time and every process memory."""

import subprocess
import sys

import pytest

PIXELS = ("numpy", "cv2", "av", "onnxruntime")
SCREEN = ("rich", "typer", "yaml")
BUDGETS: dict[str, tuple[int, tuple[str, ...]]] = {
    # what is loaded: how many modules at most, and which never
    "framebus.service": (290, (*PIXELS, *SCREEN, "argparse", "asyncio", "sqlite3", "psutil")),
    "framebus.testing": (290, (*PIXELS, *SCREEN, "asyncio")),
    "framebus.run_jobs": (290, (*PIXELS, *SCREEN, "asyncio", "psutil")),
    "framebus.run_service": (290, (*PIXELS, *SCREEN, "asyncio", "psutil")),
    "framebus_services.dispatcher.service": (300, (*PIXELS, *SCREEN, "asyncio", "psutil", "fastjsonschema")),
    "framebus_services.dispatcher.proxy": (290, (*PIXELS, *SCREEN, "asyncio")),
    "framebus_services.ingest.service": (270, (*PIXELS, *SCREEN, "asyncio", "psutil")),
    "framebus_services.analysis.runner": (270, (*PIXELS, *SCREEN, "asyncio", "psutil")),
    "framebus_services.notify.runner": (330, (*PIXELS, *SCREEN, "asyncio", "psutil")),
    "framebus_services.gateway.service": (430, (*PIXELS, *SCREEN)),
    "framebus_services.mqtt.service": (340, (*PIXELS, *SCREEN, "asyncio", "psutil")),
    "framebus_services.enrich.service": (430, (*SCREEN, "av", "asyncio", "psutil", "onnxruntime")),
    "framebus_services.export.clip": (440, (*SCREEN, "asyncio", "onnxruntime")),
    "framebus_services.capture.service": (490, ("cv2", *SCREEN, "asyncio", "psutil", "onnxruntime")),
    "framebus_launcher.cli_group": (500, (*PIXELS, "asyncio", "fastjsonschema")),
    "framebus_launcher.zygote_process": (150, (*PIXELS, *SCREEN, "asyncio", "zmq", "logging", "subprocess")),
}


@pytest.mark.parametrize("module", BUDGETS)
def test_a_process_loads_no_more_than_it_needs(module: str) -> None:
    most, never = BUDGETS[module]
    script = f"import sys, {module}; print(len(sys.modules), *[name for name in {never} if name in sys.modules])"

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout

    count, *loaded = said.split()
    assert loaded == []
    assert int(count) <= most


def test_what_a_service_needs_is_loaded_before_the_first_is_forked() -> None:
    """Else each has a copy of its own."""
    script = (
        "import sys, importlib\n"
        "from framebus_launcher.zygote import MODULES\n"
        "from framebus_launcher.table import DISPATCHER\n"
        "first = next(number for number, module in enumerate(MODULES) if DISPATCHER in module)\n"
        "for module in MODULES[: first + 1]: importlib.import_module(module)\n"
        "loaded = set(sys.modules)\n"
        "import framebus.run_jobs, framebus.run_service, framebus_services.dispatcher.__main__\n"
        "from framebus.plugins import load_job_types; load_job_types()\n"
        "print(*sorted(name for name in set(sys.modules) - loaded if name.startswith('framebus')))"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout

    assert said.split() == ["framebus_services.dispatcher.__main__"]

"""The line to the detector's process: each answer is that of its question."""

import time

from framebus.clock import SystemClock
from framebus.detector_settings import DetectorSettings
from framebus.worker import WorkerProcess
from framebus_services.enrich.looked import Described, Look, Looked
from framebus_services.enrich.lookout import Calls, Lookout

SLOW = "slow"


def look(task: Look) -> Looked:
    """What a process does that is slow with one camera; the number of the frame comes back."""
    time.sleep(0.6 if task.camera == SLOW else 0.0)  # longer than the test waits for that answer
    return Looked(run_s=float(task.number))


def asked(camera: str, number: int) -> Look:
    return Look(camera=camera, ring="", number=number, size=(8, 8), views=[])


def test_an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_frame() -> None:
    calls = Calls(seen=print, dropped=print, working=print, failed=print)
    lookout = Lookout(DetectorSettings(model="none.onnx"), SystemClock(), calls)
    with WorkerProcess(look, result_type=Described | Looked) as worker:
        first = lookout._ask(worker, asked("front", 1), 30.0)
        late = lookout._ask(worker, asked(SLOW, 2), 0.1)
        after = lookout._ask(worker, asked("front", 3), 30.0)

    assert first == (Looked(run_s=1.0), "")
    assert late == (None, "it gave no answer within 0 s")
    assert after == (Looked(run_s=3.0), "")

"""What the demo's witness concludes from the news of the camera."""

from typing import cast

import pytest

from framebus.messages import CameraState, CameraStatus, Cause
from framebus.place import Place
from framebus_launcher.observer import Observer
from framebus_launcher.witness import Witness


class Heard:
    """Stands for an observer that has heard one message."""

    def __init__(self, status: CameraStatus) -> None:
        self._status = status

    def newest(self, topic: str, kind: type) -> CameraStatus:
        return self._status


@pytest.mark.parametrize(
    ("cause", "is_told_at_once"),
    [(Cause.AUTH, True), (Cause.NOT_FOUND, True), (Cause.UNKNOWN, True), (Cause.TIMEOUT, False)],
)
def test_a_camera_that_will_not_come_is_not_waited_for_code_of_ones_own_that_fails_neither(
    cause: Cause, is_told_at_once: bool
) -> None:
    status = CameraStatus(
        camera="bench", state=CameraState.OFFLINE, cause=cause, detail="why", since_at_s=1.0, source="./bench.py"
    )
    witness = Witness(Place.from_environment(), "bench", cast(Observer, Heard(status)))

    assert (witness.online_or_hopeless() is status) == is_told_at_once

"""Tells once a minute in how many frames of each camera something moved. A plug-in; in framebus.yml, beside this file:

services:
  counter: {command: [python3, counter.py]}    # a python3 that has framebus

See what it finds: framebus tap finding/counter/
"""

from collections import Counter

from framebus import Bus, Finding, MotionBoxes, run

PERIOD_S = 60.0


class Counts:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._moved: Counter[str] = Counter()
        bus.on(MotionBoxes, self._note)
        bus.every(PERIOD_S, self._tell)

    def _note(self, motion: MotionBoxes) -> None:
        self._moved[motion.camera] += 1

    def _tell(self) -> None:
        for camera, frames in self._moved.items():
            self._bus.publish(Finding(processor="counter", camera=camera, label="motion", value=float(frames)))
        self._moved.clear()


if __name__ == "__main__":
    raise SystemExit(run("counter", Counts))

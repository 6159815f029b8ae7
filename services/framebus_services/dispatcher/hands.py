"""Which workers take jobs of which type: for honest estimates, and to tell when nobody does.

Leases are noted by the door's thread and read by the ledger's.
"""

import threading

from framebus.requests import LeaseJob

HAND_S = 10.0
"""a slot that has not asked for so long, and has no job, is gone: it asks at least each 5 s"""
Slot = tuple[str, int]
"""worker and slot"""


class Hands:
    """The slots that ask for work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[str, dict[Slot, tuple[float, int]]] = {}
        self._asked_s: dict[str, float] = {}

    def ask(self, request: LeaseJob, now_s: float) -> None:
        """A slot asks for work."""
        with self._lock:
            for kind in request.types:
                slots = self._slots.setdefault(kind, {})
                slots[request.worker, request.slot] = (now_s, request.incarnation)
                self._asked_s[kind] = now_s
                for slot in [slot for slot, (asked_s, _) in slots.items() if now_s - asked_s > HAND_S]:
                    del slots[slot]

    def forget(self, worker: str, incarnation: int) -> None:
        """A process is gone."""
        with self._lock:
            for slots in self._slots.values():
                for slot in [slot for slot, (_, age) in slots.items() if slot[0] == worker and age <= incarnation]:
                    del slots[slot]

    def slots(self, kind: str, now_s: float) -> set[Slot]:
        """Those that asked within the last 10 s."""
        with self._lock:
            return {slot for slot, (at_s, _) in self._slots.get(kind, {}).items() if now_s - at_s <= HAND_S}

    def asked_s(self, kind: str) -> float | None:
        """Boot time at which somebody asked last."""
        return self._asked_s.get(kind)

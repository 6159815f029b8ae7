"""What the dispatcher knows of job types, asked for by one thread while another takes a new configuration."""

from pathlib import Path

import pytest
from msgspec import Raw

from framebus import codec
from framebus.clock import FakeClock
from framebus.errors import RefusedError
from framebus.messages import ConfigChanged
from framebus.requests import SubmitJob
from framebus.settings import JobSettings, QueuePolicy
from framebus_services.dispatcher.admission import Admission
from framebus_services.export.contract import EXPORT

FEWER = ConfigChanged(section="jobs", revision=2, value=Raw(codec.encode({"clip": {"max_queued": 1}})))


def test_a_policy_that_changes_while_it_is_worked_out_is_not_kept(tmp_path: Path) -> None:
    class Changing(JobSettings, frozen=True, kw_only=True):
        """Settings that are replaced while the ledger's thread works out what they mean."""

        def policy(self, default: QueuePolicy) -> QueuePolicy:
            admission.take(FEWER)
            return super().policy(default)

    admission = Admission({}, {"clip": Changing(max_queued=2)}, tmp_path, frozenset(), FakeClock())

    admission.policy_of("clip")

    assert admission.policy_of("clip").max_queued == 1


@pytest.mark.parametrize(
    ("misspelt", "said"), [("strat", r"`strat`; did you mean start\?"), ("qqq", "`qqq`; known are camera, start, end,")]
)
def test_of_a_misspelt_parameter_it_is_said_what_was_meant(tmp_path: Path, misspelt: str, said: str) -> None:
    admission = Admission({"export": EXPORT}, {}, tmp_path, frozenset({"front"}), FakeClock())
    params = Raw(codec.encode({"camera": "front", misspelt: 3, "end": 5}))

    with pytest.raises(RefusedError, match=said):
        admission.check(SubmitJob(type="export", params=params))

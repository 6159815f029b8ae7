from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_rig import Rig


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One gateway for a file of tests that leave it as it was."""
    rig = Rig(tmp_path_factory.mktemp("gateway"))
    yield rig
    rig.close()


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()

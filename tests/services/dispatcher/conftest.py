"""Fixtures of the dispatcher's tests."""

import errno
import os

import pytest

from services.dispatcher.processes import group

__all__ = ["group"]


@pytest.fixture
def full_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which files that are there can get no further name."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", refuse)

"""Fixtures of the protocol's tests, and how hypothesis runs: a busy machine is no failure."""

import hypothesis

from protocol.loops import place

hypothesis.settings.register_profile("framebus", deadline=None)
hypothesis.settings.load_profile("framebus")

__all__ = ["place"]

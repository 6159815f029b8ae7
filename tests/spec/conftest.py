"""Fixtures of the specification's tests."""

from protocol.loops import place

__all__ = ["place"]

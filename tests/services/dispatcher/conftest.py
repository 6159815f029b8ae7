"""Fixtures of the dispatcher's tests."""

from services.dispatcher.processes import group

__all__ = ["group"]

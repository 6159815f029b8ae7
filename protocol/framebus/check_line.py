"""What a service says of a part of the configuration that only it can check, for the launcher: a line of JSON each."""

from msgspec import Struct


class CheckLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong, or what the part turned out to be."""

    path: str
    """of the setting"""
    message: str
    is_fatal: bool = True
    """else the rest may run, and it is only told"""

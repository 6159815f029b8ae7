"""Why a file of the upload folder is not taken, in one word."""

from enum import StrEnum


class Reason(StrEnum):
    """The first three may change by themselves; each other one names a folder of the quarantine (`docs/uploads.md`)."""

    GONE = "gone"
    UNREAD = "unread"
    """no fault of the file: rights that are missing, a share that is away"""
    CHANGED = "changed"
    """while it was looked into"""
    BROKEN = "broken"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    NO_CAMERA = "no_camera"
    LINK = "link"
    NO_FILE = "no_file"
    NAME = "name"
    UNDECODABLE = "undecodable"
    """the process that looks into it does not survive it, or never ends"""

"""Needs a library that is nowhere."""

import framebus_no_such_library as library

from framebus import JobRunner


class Mute(JobRunner):  # type: ignore[type-arg]
    contract = library.CONTRACT

"""Asks enrich, as a short process, what the configured detector is: its model looks once at a grey picture.

A model that is broken stops no camera, so this refuses nothing; it is for `framebus check`.
"""

import logging

import msgspec

from framebus.check_line import CheckLine
from framebus.detector_settings import DetectorSettings
from framebus.errors import ExitCode
from framebus.settings import EnrichSettings, Settings
from framebus_launcher.checks import CheckError, ask_module, last_words
from framebus_launcher.table import ENRICH, built_in_settings

log = logging.getLogger(__name__)

LIMIT_S = 70.0
"""a large model takes long to load"""
WITHOUT = "until that is mended the cameras run on motion alone"


def check_detector(settings: Settings) -> tuple[str, list[str]]:
    """What the detector is, in one line; or nothing, and what is wrong with it, with its path."""
    enrich = built_in_settings(settings, ENRICH, EnrichSettings)
    if enrich is None or enrich.detector is None:
        return "", []
    try:
        code, said = _ask(enrich.detector)
    except CheckError as error:
        log.warning("the detector was not checked: %s", error)
        return "", []
    if code == ExitCode.CONFIGURATION:
        return "", [f"services.enrich.detector.{said.path}: {said.message}; {WITHOUT}"]
    return said.message, []


def _ask(detector: DetectorSettings) -> tuple[int, CheckLine]:
    """The exit code, OK or CONFIGURATION, and what the service says; raises CheckError."""
    code, out, err = ask_module(ENRICH, "--check-detector", msgspec.json.encode(detector), LIMIT_S)
    last = out.rstrip().rpartition(b"\n")[2]  # libraries may print something as they are imported
    try:
        said = msgspec.json.decode(last, type=CheckLine)
    except msgspec.DecodeError:
        said = None
    if said is None or code not in (ExitCode.OK, ExitCode.CONFIGURATION):
        raise CheckError(last_words(err) or f"exit code {code}")
    return code, said

"""Decides how the files of a clip are made, and makes them: copied or encoded, one or several, with which encoder."""

import logging
from pathlib import Path

from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus.settings import HardwareEncoder
from framebus_services.export.copy import Copier
from framebus_services.export.encode import Recoder
from framebus_services.export.encoder import EncoderError, choices
from framebus_services.export.made import Made, Maker, Range
from framebus_services.export.pace import Pace
from framebus_services.export.params import ExportParams, Mode, OnChange
from framebus_services.export.presets import PRESETS, TIMELAPSE
from framebus_services.export.survey import Survey, change_text, has_same_sound, loses_sound
from framebus_services.export.timelapse import InstantTimelapse, Timelapse

log = logging.getLogger(__name__)

MAX_PARTS = 15
"""a job hands in at most 16 files, one of them the thumbnail"""
SHORT_S = 0.5
SOUND_TEXT = "sound is left out: a part of the range has none, or another kind of it"


class Making:
    """The files of one clip; raises WorkError when the picture changes more often, or at all, than is allowed."""

    def __init__(self, params: ExportParams, found: Survey, encoder: HardwareEncoder) -> None:
        self._params = params
        self._found = found
        self._encoder = encoder
        runs = found.runs
        if len(runs) > 1 and params.on_change is OnChange.REFUSE:
            right = "set on_change=split for a file of each part, or on_change=encode for one"
            raise WorkError(FailKind.PERMANENT, f"{change_text(runs)}; {right}")
        is_encoded = not params.is_copied or (len(runs) > 1 and params.on_change is OnChange.ENCODE)
        if is_encoded:
            runs = [found.sources]
        if len(runs) > MAX_PARTS:
            text = f"the picture changes {len(runs) - 1} times; at most {MAX_PARTS} parts are made: shorten the range"
            raise WorkError(FailKind.PERMANENT, f"{text}, or set on_change=encode")
        self._is_encoded = is_encoded
        self.step = "encoding" if is_encoded else "copying"
        wants_sound = params.mode is not Mode.TIMELAPSE
        self.warnings: list[str] = [SOUND_TEXT] if wants_sound and any(map(loses_sound, runs)) else []
        start_s, until_s = params.range_s()[0], found.cover.end_s
        self.ranges = [
            Range(
                camera=params.camera,
                sources=run,
                start_s=start_s if number == 0 else max(start_s, run[0].start_s),
                until_s=min(until_s, run[-1].end_s),
                with_audio=wants_sound and has_same_sound(run),
                skips_broken=params.allow_gaps,
            )
            for number, run in enumerate(runs)
        ]

    def write(self, number: int, path: Path, writing: Pace) -> Made:
        """Make one of the files; raises as `Maker.write`."""
        wanted = self.ranges[number]
        whole_s = sum(each.until_s - each.start_s for each in self.ranges)
        before_s = sum(each.until_s - each.start_s for each in self.ranges[:number])
        pace = writing.part(before_s / whole_s, (before_s + wanted.until_s - wanted.start_s) / whole_s)
        made = self._encode(wanted, path, pace) if self._is_encoded else self._copy(number, path, pace)
        self._check_end(made, wanted)
        return made

    def _copy(self, number: int, path: Path, pace: Pace) -> Made:
        wanted, params = self.ranges[number], self._params
        maker: Maker
        if params.mode is Mode.TIMELAPSE:
            maker = InstantTimelapse(wanted, params.chosen_speed)
        else:
            maker = Copier(wanted, precise=params.precise and number == 0)
        return maker.write(path, params.title, pace)

    def _encode(self, wanted: Range, path: Path, pace: Pace) -> Made:
        """Try one encoder after the other; the last is software."""
        tried = choices(self._encoder)
        for choice in tried:
            try:
                return self._maker(wanted, choice.name).write(path, self._params.title, pace)
            except EncoderError as error:
                if choice is tried[-1]:
                    raise WorkError(FailKind.TRANSIENT, f"encoding failed: {error}") from None
                if error.is_begun or choice.is_expected:
                    log.warning("%s: encoding goes on with the next encoder: %s", self._params.camera, error)
                    self.warnings.append(f"{error}; software went on")
                    pace = pace.part(0.0, 1.0, "encoding_retry")
                    pace(0.0)
        raise AssertionError("there is always software")

    def _maker(self, wanted: Range, encoder: str) -> Maker:
        if self._params.mode is Mode.TIMELAPSE:
            return Timelapse(wanted, self._params.chosen_speed, TIMELAPSE, encoder)
        return Recoder(wanted, PRESETS[self._params.chosen_preset], encoder)

    def _check_end(self, made: Made, wanted: Range) -> None:
        """A segment that ends before its index says so must not end a clip in silence."""
        missing_s = wanted.until_s - made.end_at_s
        if missing_s <= SHORT_S:
            return
        text = f"the recording breaks off {missing_s:.1f} s before the end of the clip"
        if not self._params.allow_gaps:
            raise WorkError(
                FailKind.NO_SOURCE, f"{text}; set allow_gaps=true (framebus export --allow-gaps) for the rest"
            )
        self.warnings.append(text)

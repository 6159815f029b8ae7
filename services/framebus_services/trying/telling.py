"""Prints what a processor that is tried finds and raises, for people or as JSON, and saves pictures of it."""

import json
import re
import sys
import traceback
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from framebus.frame import Frame
from framebus.messages import Finding
from framebus.processor import AnyProcessor, Found, Pictured
from framebus.redact import redact
from framebus_services.trying.trial import Figures
from framebus_services.video.jpeg import encode_bgr

BOX_COLOUR = (60, 180, 245)


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where it goes."""

    processor: AnyProcessor
    as_json: bool
    folder: Path | None
    """of pictures; None: none are saved"""

    def tell_finding(self, found: Found, frame: Frame | None, video_s: float) -> None:
        finding = found.finding if isinstance(found, Pictured) else found
        saved = _save(self.folder, found, frame) if self.folder is not None else None
        if self.as_json:
            _print_json(finding=_plain(finding), video_s=video_s, picture=saved)
            return
        value = "" if finding.value is None else f" {finding.value:g}"
        box = finding.box
        where = "" if box is None else f"  {box.width}x{box.height} at ({box.x}, {box.y})"
        whose = "" if finding.object_id is None else f"  object {finding.object_id}"
        data = msgspec.msgpack.decode(finding.data)
        more = "" if data is None else f"  {data}"
        picture = "" if saved is None else f"  {saved}"
        _print(f"#{finding.number:<6} {video_s:8.2f} s  {finding.label}{value}{where}{whose}{more}{picture}")

    def tell_error(self, error: BaseException, method: str, frame: Frame | None, video_s: float) -> None:
        number = frame.number if frame is not None else 0
        where = place_of(error, self.processor, method)
        if self.as_json:
            _print_json(
                error={"type": type(error).__name__, "text": str(error), "where": where, "method": method},
                number=number,
                video_s=video_s,
            )
            return
        _print(f"#{number:<6} {video_s:8.2f} s  {type(error).__name__} in {method} at {where}: {error}")

    def tell_end(self, figures: Figures, took_s: float) -> None:
        fps = figures.frames / took_s if took_s > 0.0 else 0.0
        calls = {name: _percentiles_ms(times) for name, times in figures.calls_s.items()}
        if self.as_json:
            summary = {
                "frames": figures.frames,
                "fps": round(fps, 1),
                "objects": figures.objects,
                "errors": figures.errors,
                "findings": dict(figures.labels),
                "calls_ms": calls,
            }
            _print_json(summary=summary)
            return
        _print(f"\n{figures.frames} frames in {took_s:.1f} s, {fps:.0f} a second; {figures.objects} objects")
        for name, (number, p50, p99) in ((name, tuple(values.values())) for name, values in calls.items()):
            _print(f"{name:<16} p50 {p50:.2f} ms   p99 {p99:.2f} ms   of {number:.0f} calls")
        found = ", ".join(f"{number} {label}" for label, number in figures.labels.most_common())
        errors = f"; {figures.errors} error{'' if figures.errors == 1 else 's'}" if figures.errors else ""
        _print(f"findings: {found or 'none'}{errors}")


def place_of(error: BaseException, processor: AnyProcessor, method: str) -> str:
    """File and line of the processor's own code; of what it returned wrongly, those of the method."""
    own = getattr(sys.modules.get(type(processor).__module__), "__file__", None)
    steps = [step for step in traceback.extract_tb(error.__traceback__) if step.filename == own]
    if steps:
        return f"{own}:{steps[-1].lineno}"
    code = getattr(type(processor), method).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def _percentiles_ms(times_s: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(times_s), (50, 99)) * 1_000.0
    return {"calls": len(times_s), "p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def _save(folder: Path, found: Found, frame: Frame | None) -> str | None:
    """The finding's own picture, or that of the frame with the box in it; its path."""
    if isinstance(found, Pictured):
        jpeg, finding = found.jpeg, found.finding
    elif frame is not None:
        bgr, finding = frame.bgr(), found
        if (box := finding.box) is not None:
            cv2.rectangle(bgr, (box.x, box.y), (box.x + box.width, box.y + box.height), BOX_COLOUR, 2)
        jpeg = encode_bgr(bgr)
    else:
        return None
    stem = f"{finding.number or 0:06d}_{re.sub(r'[^A-Za-z0-9_-]+', '-', finding.label)[:40] or 'finding'}"
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.jpg" for number in count(1))
    path = next(path for path in (folder / name for name in names) if not path.exists())
    path.write_bytes(jpeg)
    return str(path)


def _plain(finding: Finding) -> dict[str, Any]:
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__}
    return {**msgspec.to_builtins({**fields, "data": None}), "data": msgspec.msgpack.decode(finding.data)}


def _print(line: str) -> None:
    sys.stdout.write(f"{redact(line)}\n")


def _print_json(**values: object) -> None:
    sys.stdout.write(f"{json.dumps(values, default=str)}\n")

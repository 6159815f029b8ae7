"""Prints what a processor that is tried finds and raises, for people or as JSON, and saves pictures of it."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from framebus.frame import Frame
from framebus.messages import Finding
from framebus.processor import AnyProcessor
from framebus.redact import redact
from framebus_services.enrich.guard import Told, place_of
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

    def tell_finding(self, told: Told, frame: Frame | None, video_s: float) -> None:
        finding = told.finding
        saved = _save(self.folder, told, frame) if self.folder is not None else None
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

    def tell_error(
        self, error: BaseException, method: Callable[..., object], frame: Frame | None, video_s: float
    ) -> None:
        number = frame.number if frame is not None else 0
        where, name = place_of(self.processor, error, method), method.__name__
        if self.as_json:
            _print_json(
                error={"type": type(error).__name__, "text": str(error), "where": where, "method": name},
                number=number,
                video_s=video_s,
            )
            return
        _print(f"#{number:<6} {video_s:8.2f} s  {type(error).__name__} in {name} at {where}: {error}")

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


def _percentiles_ms(times_s: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(times_s), (50, 99)) * 1_000.0
    return {"calls": len(times_s), "p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def _save(folder: Path, told: Told, frame: Frame | None) -> str | None:
    """The finding's own picture, or that of the frame with the box in it; its path."""
    jpeg, finding = told.jpeg, told.finding
    if jpeg is None and frame is not None:
        bgr = frame.bgr()
        if (box := finding.box) is not None:
            cv2.rectangle(bgr, (box.x, box.y), (box.x + box.width, box.y + box.height), BOX_COLOUR, 2)
        jpeg = encode_bgr(bgr)
    if jpeg is None:
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

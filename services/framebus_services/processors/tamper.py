"""Tells when somebody turned a camera, covered it or made it blurred, and when it is as before.

What counts is where the edges are and which way they run, against a slow memory of the same. A light that is switched
changes how strong they are, not where; something that passes or parks changes them in a part of the picture.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from framebus.frame import U8, Frame
from framebus.messages import Finding
from framebus.processor import Processor

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Seconds = Annotated[float, Meta(ge=1.0, le=86_400.0)]

CHECK_S = 0.5
"""the time between two pictures that are looked at"""
LOOKS = 5
"""so many of them are taken together: noise, and what only passes, fade in their mean"""
LEARN_S = 20.0
"""so long the first memory is made"""
FOLLOW_S = 300.0
"""how slowly the memory follows: dusk takes longer, who turns a camera does not"""
LOST, FOUND = 0.4, 0.5
"""likeness, -1 to 1, below which the view is gone, and from which it is there again"""
BLURRED, SHARP = 0.5, 0.7
"""share of the usual fine detail below which a picture is blurred, and from which it is sharp again"""
EMPTY = 0.15
"""share of the usual strength of edges below which a view that is gone is covered, and not another view"""
BARE = 0.4
"""share of it below which a view that is there is blurred, too ..."""
DIM = 0.5
"""... unless the light is below this share of the usual"""
FAINTEST = 0.5
"""steps of luma; of a view with weaker edges nothing can be told"""
NOTHING = 0.002
"""length of slopes that is as good as none: a black picture is like no other"""
BUSY = 0.04
"""mean square of the usual slopes from which a block has edges that can be compared"""
LEAST_BLOCKS = 5
ROUNDING = 20.0 / 12.0
"""the fine detail, squared, that rounding to whole steps makes up: the weights of the Laplacian, squared, times 1/12"""
BLACK = 16.0

_FINE, _COARSE, _BLOCKS = (640, 360), (160, 90), (5, 5)


class Label(StrEnum):
    MOVED = "moved"
    COVERED = "covered"
    BLURRED = "blurred"
    RESTORED = "restored"
    ACCEPTED = "accepted"


@dataclass(kw_only=True)
class Traits:
    """What is known of a view."""

    slopes: Floats
    """which way the edges run, across and down: 0 where there are none, always shorter than 1"""
    richness: float = 0.0
    """strength of all edges, in steps of luma"""
    sharpness: float = 0.0
    """fine detail for each step of strength, where the usual edges are strong"""
    light: float = 0.0
    """luma above black"""


@dataclass(kw_only=True)
class _Watch:
    """One camera."""

    looks: deque[tuple[Floats, Floats]]
    """the last ones"""
    usual: Traits
    since_s: float
    seen_s: float
    learned: int = 0
    """how many looks the usual view is made of"""
    state: Label = Label.RESTORED
    state_s: float = 0.0
    suspected: Label = Label.RESTORED
    suspected_s: float = 0.0


class Tamper(Processor):
    def __init__(self, after_s: Seconds = 5.0, accept_s: Seconds = 600.0) -> None:
        self._after_s = after_s  # so long it must last to be told
        self._accept_s = accept_s  # a view that stays for so long after the camera was moved is the usual one
        self._watches: dict[str, _Watch] = {}

    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        at_s = frame.captured_boot_ns / 1e9
        watch = self._watches.get(frame.camera)
        if watch is not None and 0.0 <= at_s - watch.seen_s < CHECK_S:
            return
        look = look_at(frame.luma)
        if not frame.still_valid():
            return
        if watch is None:
            usual = Traits(slopes=slopes_of(look[0])[0])
            watch = _Watch(looks=deque(maxlen=LOOKS), usual=usual, since_s=at_s, seen_s=at_s)
            self._watches[frame.camera] = watch
        watch.looks.append(look)
        likeness, verdict = self._judge(watch, at_s)
        watch.seen_s = at_s
        if verdict is not watch.suspected:
            watch.suspected, watch.suspected_s = verdict, at_s
        if verdict is not watch.state and at_s - watch.suspected_s >= self._after_s:
            watch.state, watch.state_s = verdict, at_s
            yield Finding(processor="tamper", camera=frame.camera, label=verdict, value=round(likeness, 2))
        elif watch.state is Label.MOVED and at_s - watch.state_s >= self._accept_s:
            del self._watches[frame.camera]
            yield Finding(processor="tamper", camera=frame.camera, label=Label.ACCEPTED)

    def _judge(self, watch: _Watch, at_s: float) -> tuple[float, Label]:
        """How alike the view is to the usual one, -1 to 1, and what that means; one that is as usual is remembered."""
        usual = watch.usual
        pictures, details = zip(*watch.looks, strict=True)
        count = np.float32(len(pictures))
        likeness, now = traits_of(sum(pictures) / count, sum(details) / count, usual.slopes)
        if usual.richness < FAINTEST and at_s - watch.since_s >= LEARN_S:  # nothing to be seen: learn until there is
            watch.since_s, watch.learned = at_s, 0
        if at_s - watch.since_s >= LEARN_S:
            verdict = verdict_of(watch.state, likeness, now, usual)
            if verdict is not Label.RESTORED or watch.state is not verdict or likeness < FOUND:
                return likeness, verdict
        watch.learned += 1
        share = max(1.0 / watch.learned, 1.0 - math.exp(-max(0.0, at_s - watch.seen_s) / FOLLOW_S))
        usual.slopes += np.float32(share) * (now.slopes - usual.slopes)
        usual.richness += share * (now.richness - usual.richness)
        usual.sharpness += share * (now.sharpness - usual.sharpness)
        usual.light += share * (now.light - usual.light)
        return likeness, Label.RESTORED


def verdict_of(state: Label, likeness: float, now: Traits, usual: Traits) -> Label:
    """What a view is, if it stays so; `state` is what it was: it takes more to leave a state than to stay in it."""
    if likeness < (FOUND if state in (Label.MOVED, Label.COVERED) else LOST):
        return Label.COVERED if now.richness < EMPTY * usual.richness else Label.MOVED
    is_bare = now.richness < BARE * usual.richness
    if is_bare and now.light < DIM * usual.light:  # it is there, but in so little light nobody can say how sharp it is
        return state if state is Label.BLURRED else Label.RESTORED
    is_soft = now.sharpness < (SHARP if state is Label.BLURRED else BLURRED) * usual.sharpness
    return Label.BLURRED if is_bare or is_soft else Label.RESTORED


def look_at(luma: U8) -> tuple[Floats, Floats]:
    """The picture, and its fine detail squared, both small."""
    fine = cv2.resize(np.ascontiguousarray(luma), _FINE, interpolation=cv2.INTER_LINEAR)
    detail = cv2.Laplacian(fine, cv2.CV_16S)
    return _small(fine), _small(cv2.multiply(detail, detail, dtype=cv2.CV_32F))


def traits_of(picture: Floats, detail: Floats, usual: Floats) -> tuple[float, Traits]:
    """How alike a picture is to a view with these usual slopes, and its traits where those are strong."""
    slopes, edges = slopes_of(picture)
    weights = cv2.magnitude(usual[0], usual[1])
    strong = weights >= max(_exceeded(weights[::2, ::2], 0.9), NOTHING)
    weak = weights <= _exceeded(weights[::2, ::2], 0.4)
    shares = _blocks(strong.astype(np.float32))
    richness = max(0.0, float(edges.mean()) - _exceeded(edges[::2, ::2], 0.5)) ** 0.5
    edges, detail = above_noise(edges, strong, weak, 0.0), above_noise(detail, strong, weak, ROUNDING)
    busy = shares > 0.005
    now = Traits(slopes=slopes, richness=richness, light=max(0.0, float(picture.mean()) - BLACK))
    if busy.any():
        strength = edges[busy] / shares[busy]
        now.sharpness = _exceeded(detail[busy] / shares[busy] / (strength + FAINTEST**2), 0.5) ** 0.5
    return likeness_of(slopes, usual), now


def slopes_of(picture: Floats) -> tuple[Floats, Floats]:
    """Which way the edges run in each place, and their strength squared."""
    even = cv2.subtract(picture, cv2.blur(picture, (15, 15)))  # light that falls in from a side is no edge
    across = cv2.Sobel(even, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    down = cv2.Sobel(even, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    strength = _floats(cv2.magnitude(across, down))
    return np.stack((across, down)) / (strength + np.float32(FAINTEST)), strength * strength


def likeness_of(slopes: Floats, usual: Floats) -> float:
    """The cosine between the slopes in a block of the picture and the usual ones, of the block that a quarter exceeds.

    So what passes or parks may hide most of the picture; who turns the camera changes all of it. Across and down are
    looked at apart, and the smaller one counts: a fence along which the camera is turned looks the same in one of them.
    """
    cosines = []
    for each, known in zip(slopes, usual, strict=True):
        product = each * known
        same, lengths = _blocks(product), _blocks(np.abs(product))
        busy = _blocks(known * known) > BUSY
        if np.count_nonzero(busy) >= LEAST_BLOCKS:
            cosines.append(_exceeded(same[busy] / (lengths[busy] + np.float32(NOTHING)), 0.75))
    return min(cosines, default=1.0)


def above_noise(power: Floats, strong: Flags, weak: Flags, least: float) -> Floats:
    """How much of it is in each block where edges are strong, without what is everywhere: that is noise."""
    noise = max(least, _exceeded(power[::2, ::2][weak[::2, ::2]], 0.5))
    return np.maximum(_blocks(np.where(strong, power - np.float32(noise), np.float32(0.0))), 0.0)


def _exceeded(values: Floats, share: float) -> float:
    """The value that this share of them does not exceed; 0 of none."""
    flat = values.ravel()
    place = int(share * (flat.size - 1))
    return float(np.partition(flat, place)[place]) if flat.size else 0.0


def _small(values: cv2.typing.MatLike) -> Floats:
    half = cv2.resize(values, (_FINE[0] // 2, _FINE[1] // 2), interpolation=cv2.INTER_AREA)
    return _floats(cv2.resize(half, _COARSE, interpolation=cv2.INTER_AREA))


def _blocks(values: cv2.typing.MatLike) -> Floats:
    return _floats(cv2.resize(values, _BLOCKS, interpolation=cv2.INTER_AREA))


def _floats(values: cv2.typing.MatLike) -> Floats:
    return values.astype(np.float32, copy=False)

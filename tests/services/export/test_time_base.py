"""That times of PyAV are fractions for our arithmetic, whatever type its version has for them."""

from fractions import Fraction
from numbers import Rational
from types import SimpleNamespace
from typing import Any

from framebus_services.video.packets import time_base


class Tick:
    """As PyAV 19 gives it: a rational number without `//`."""

    numerator, denominator = 1, 90_000


Rational.register(Tick)


def test_a_tick_of_any_type_is_a_fraction() -> None:
    stream: Any = SimpleNamespace(time_base=Tick())

    assert Fraction(1, 2) // time_base(stream) == 45_000


def test_a_stream_that_tells_no_tick_counts_microseconds() -> None:
    stream: Any = SimpleNamespace(time_base=None)

    assert time_base(stream) == Fraction(1, 1_000_000)

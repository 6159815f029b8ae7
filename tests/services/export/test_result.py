"""The result of a clip fits into the ledger, however much there is to tell."""

import pytest
from msgspec import msgpack

from framebus import codec
from framebus.jobs import MAX_RESULT_BYTES
from framebus_services.export.result import ClipResult, Part, fitted
from services.export.recorded import START_S

PART = Part(start_at_s=START_S, end_at_s=START_S + 1.5, frames=37, width=1920, height=1080, codec="h264")


def result(parts: int) -> ClipResult:
    return ClipResult(
        mode="timelapse",
        start_at_s=START_S,
        end_at_s=START_S + 86_400.0,
        duration_s=86_400.0,
        starts_earlier_s=1.234,
        frames=2_000_000,
        size_bytes=10**12,
        width=1920,
        height=1080,
        codec="h264",
        has_audio=True,
        parts=[PART] * parts,
    )


@pytest.mark.parametrize("parts", [0, 2, 15])
@pytest.mark.parametrize("name_characters", [20, 120, 182])
@pytest.mark.parametrize("gaps", [0, 99, 4_000])
@pytest.mark.parametrize("warnings", [0, 30])
def test_a_result_with_the_names_of_its_files_is_never_too_large(
    parts: int, name_characters: int, gaps: int, warnings: int
) -> None:
    files = ["n" * name_characters] * (parts + 1)

    made = fitted(result(parts), [(START_S, START_S + 2.0)] * gaps, ["w" * 120] * warnings, files)

    published = {**msgpack.decode(codec.encode(made)), "files": [f"{name}_10000" for name in files]}
    assert len(msgpack.encode(published)) <= MAX_RESULT_BYTES
    assert len(made.gaps) + made.more_gaps == gaps
    assert len(made.warnings) + made.more_warnings == warnings


def test_what_fits_is_told_whole() -> None:
    gaps = [(START_S + number, START_S + number + 2.0) for number in range(40)]

    made = fitted(result(3), gaps, ["one", "two"], ["a.jpg", "b.mp4"])

    assert (made.gaps, made.more_gaps, made.warnings, len(made.parts)) == (gaps, 0, ["one", "two"], 3)

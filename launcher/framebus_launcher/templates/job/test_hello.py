"""The work alone, without a queue: it writes where its report says."""

from pathlib import Path

from framebus import RunnerContext
from framebus.testing import FakeBus, FakeReport

from hello import Hello, Params


def test_the_file_has_as_many_lines_as_were_asked_for(tmp_path: Path) -> None:
    hello = Hello(RunnerContext.of(FakeBus("hello")))
    report = FakeReport(tmp_path)

    output = hello.run(Params(lines=2), report)

    assert report.temps[output.files[0]].read_text() == "line 0\nline 1\n"
    assert report.told == ("writing", 50.0, None)

"""Jobs of the type `hello`: each writes a file of so many lines."""

from msgspec import Struct

from framebus import JobRunner, JobType, Output, Report


class Params(Struct, forbid_unknown_fields=True):
    lines: int = 5


HELLO = JobType(name="hello", params=Params, check=lambda params, context: None)


class Hello(JobRunner[Params, Params]):
    contract = HELLO

    def run(self, params: Params, report: Report) -> Output[Params]:
        final = f"hello/{report.job.id}.txt"
        with report.temp(final).open("w") as file:  # it gets its name when all is whole
            for number in range(params.lines):
                report("writing", 100.0 * number / params.lines)  # raises when the job was cancelled
                file.write(f"line {number}\n")
        return Output(result=params, files=[final])

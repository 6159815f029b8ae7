"""What a command says when it ends early, and its exit code."""

import typer

from framebus_launcher.mistakes import MISTAKES, explain


def test_who_leaves_a_question_unanswered_ends_the_command_as_ctrl_c_does_and_reads_no_traceback() -> None:
    left = typer.Abort()

    assert isinstance(left, MISTAKES)
    assert explain(left) == ([], 130)

"""When a worker's next process may start, with times given by hand."""

from framebus.worker_starts import FAILED_STARTS, REST_LIMIT_S, REST_S, Starts


def test_after_one_death_the_next_starts_at_once_and_after_many_in_a_row_ever_later() -> None:
    starts, rests_s = Starts(), list[float]()

    for now_s in range(0, 1_000, 100):
        starts.note_death(float(now_s), is_own=True)
        rests_s.append(round(starts.next_s - now_s, 6))

    assert rests_s[:4] == [0.0, REST_S, 2 * REST_S, 4 * REST_S]
    assert rests_s[-1] == REST_LIMIT_S


def test_a_result_and_a_kill_of_our_own_let_the_next_start_at_once() -> None:
    starts = Starts()
    for _ in range(5):
        starts.note_death(1.0, is_own=True)

    starts.note_death(2.0, is_own=False)
    assert starts.next_s == 2.0

    starts.note_result()
    starts.note_death(3.0, is_own=True)
    assert starts.next_s == 3.0


def test_after_three_failed_starts_nobody_waits_until_one_is_ready() -> None:
    starts, hopes = Starts(), list[bool]()

    for _ in range(FAILED_STARTS):
        starts.note_failed(1.0, "no model")
        hopes.append(starts.is_hopeless)
    assert hopes == [False, False, True]
    assert starts.error == "no model"

    starts.note_ready()
    assert (starts.is_hopeless, starts.error) == (False, "")

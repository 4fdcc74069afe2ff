"""Presses of Ctrl-C, and their echo in a program that is two processes."""

from signal import SIGINT, SIGTERM

from tipman.clock import ManualClock
from tipman_api.presses import Presses


def test_an_echo_is_no_press_and_a_second_press_is_one():
    clock = ManualClock()
    presses = Presses(clock, echo_s=0.3)

    assert presses.hear(SIGINT)
    assert not presses.hear(SIGINT)
    clock.advance(0.2)
    assert not presses.hear(SIGINT)
    clock.advance(0.11)
    assert presses.hear(SIGINT)


def test_a_signal_is_no_echo_of_another():
    presses = Presses(ManualClock(), echo_s=0.3)

    assert presses.hear(SIGINT)
    assert presses.hear(SIGTERM)


def test_nothing_echoes_in_a_program_of_one_process():
    presses = Presses(ManualClock(), echo_s=0.0)

    assert presses.hear(SIGINT)
    assert presses.hear(SIGINT)

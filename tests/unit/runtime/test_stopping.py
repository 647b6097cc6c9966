"""Stop requests: the first signal is remembered, the second Ctrl-C means now, the handlers of before come back."""

import os
import signal

import pytest

from rhodiff.errors import StoppedEarly
from rhodiff.runtime.stopping import listen_for_stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_stop_signal_is_remembered_and_does_not_interrupt(number):
    with listen_for_stop() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.reason == number.name


def test_the_first_reason_stays():
    with listen_for_stop() as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.reason == "SIGUSR1"


def test_the_second_interrupt_means_now():
    with pytest.raises(KeyboardInterrupt), listen_for_stop():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_of_before_come_back():
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(ValueError, match="inside"), listen_for_stop():
        raise ValueError("inside")
    assert [signal.getsignal(number) for number in numbers] == before


def test_between_tasks_one_leaves_if_asked_and_something_is_left():
    with listen_for_stop() as stop:
        stop.leave_between(1, 3)
        os.kill(os.getpid(), signal.SIGUSR1)
        stop.leave_between(3, 3)
        with pytest.raises(StoppedEarly, match="stopped by SIGUSR1 after 2 of 3 tasks") as caught:
            stop.leave_between(2, 3)
    assert caught.value.exit_code == 75

"""What ends a program in order, and what nothing ends but itself."""

import os
import signal
import sys

import pytest

from rl.stop import PatientStop, Stop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
    with Stop() as stop:
        os.kill(os.getpid(), number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_the_patient_one_is_told_of_every_wish_and_interrupted_by_none() -> None:
    numbers = (signal.SIGHUP, signal.SIGTSTP, signal.SIGQUIT, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    for number in numbers:
        with PatientStop() as stop:
            assert not stop.requested
            for _ in range(3):
                os.kill(os.getpid(), number)
            assert stop.requested
    assert [signal.getsignal(number) for number in numbers] == before

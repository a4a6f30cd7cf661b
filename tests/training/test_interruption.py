"""Signals whose exception is lost on the way still end a training."""

import contextlib
import os
import signal
import threading

import pytest

from caloforge.training.interruption import Interruption


def swallowed(number):
    """Send the signal to this process while its exception has nowhere to go."""
    with contextlib.suppress(BaseException):
        os.kill(os.getpid(), number)


def test_lost_interrupt_comes_back_before_the_next_batch():
    with Interruption() as interruption:
        interruption.on_train_batch_start(None, None, None, 0)
        swallowed(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interruption.on_train_batch_start(None, None, None, 1)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()


def test_exception_is_that_of_the_handler_in_force():
    def leave(number, frame):
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with Interruption() as interruption:
            swallowed(signal.SIGTERM)
            with pytest.raises(SystemExit) as caught:
                interruption.check()
        assert caught.value.code == 143
        assert signal.getsignal(signal.SIGTERM) is leave
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGINT)
            interruption.check()
        assert interruption.asked is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_signals_alone():
    found = []
    before = signal.getsignal(signal.SIGINT)

    def work():
        with Interruption():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]

"""SIGTERM and SIGINT while a program runs: received, counted, and handed back to their handlers in the end."""

import os
import resource
import signal
import threading

import pytest

from process.signals import Stop, hold_signals, stop_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_requests_a_stop(number: signal.Signals) -> None:
    """It ends a wait, also one that begins later."""
    with stop_signals() as stop:
        assert not stop.is_set()
        assert not stop.wait(0)
        signal.raise_signal(number)
        assert stop.is_set()
        assert stop.wait(60)
        assert stop.wait(60)


def test_signals_are_counted() -> None:
    """So that a second Ctrl-C can do more than the first."""
    with stop_signals() as stop:
        requests = [stop.requests]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
            requests.append(stop.requests)
    assert requests == [0, 1, 2, 3]


def test_a_wait_is_interrupted() -> None:
    """By a signal that arrives while it lasts."""
    with stop_signals() as stop:
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGTERM))
        timer.start()
        assert stop.wait(60)
        timer.join()
    assert stop.requests == 1


def test_the_handlers_from_before_are_restored() -> None:
    """Also when the body raises."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def fail(stop: Stop) -> None:
        assert signal.getsignal(signal.SIGTERM) not in before
        raise RuntimeError(stop.requests)

    with pytest.raises(RuntimeError), stop_signals() as stop:
        fail(stop)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_signals_that_are_held_are_received_later() -> None:
    """Those from before; those that come afterwards are held for good."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        hold_signals()
        signal.raise_signal(signal.SIGTERM)
        with stop_signals() as stop:
            assert stop.requests == 1
        signal.raise_signal(signal.SIGINT)
        assert signal.sigpending() == {signal.SIGINT}
        with stop_signals() as stop:
            assert stop.requests == 1
        assert signal.sigpending() == set()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_a_wait_works_in_a_process_with_many_open_files() -> None:
    """select() fails for descriptors from 1024 on, and the limit of open files is raised beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    try:
        while not opened or opened[-1] < 1100:
            opened.append(os.open(os.devnull, os.O_RDONLY))
        with stop_signals() as stop:
            assert not stop.wait(0)
            stop.set()
            assert stop.wait(60)
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

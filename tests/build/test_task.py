"""Work on a thread of its own, and Ctrl-C while it is waited for."""

from __future__ import annotations

import signal
import threading

import pytest

from lamella.build.task import Task


def test_an_interrupted_wait_is_no_end() -> None:
    go = threading.Event()
    task = Task(lambda: go.wait(10), "work")
    main = threading.get_ident()
    timer = threading.Timer(0.1, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        task.wait()
    timer.join()
    assert task.running
    threading.Timer(0.1, go.set).start()
    task.wait()
    assert go.is_set()
    assert task.result()
    assert not task.running

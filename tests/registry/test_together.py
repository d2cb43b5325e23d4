"""Several pieces of work at once, and Ctrl-C while they run."""

from __future__ import annotations

import signal
import threading

import pytest

from lamella.registry.together import Together


def test_none_is_left_by_ctrl_c() -> None:
    stop, begun, ended = threading.Event(), threading.Barrier(3), []
    main = threading.get_ident()

    def job() -> None:
        begun.wait(10)
        stop.wait(10)
        threading.Event().wait(0.1)  # it takes its time to end
        ended.append(1)

    def interrupt() -> None:
        begun.wait(10)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        Together(stop).run([job, job])
    assert ended == [1, 1]

"""Stages side by side when one of them fails, and what a cancelled build still starts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lamella.build.engine import make_machine
from lamella.build.request import BuildRequest
from lamella.errors import ContextError, Interrupted, LamellaError, StepFailed
from lamella.events import ignore

Builder = Any


@pytest.mark.containers
def test_a_failing_stage_ends_the_long_runs_of_the_others(busybox: Builder) -> None:
    text = (
        "FROM busybox AS slow\nRUN sleep 60\n"
        "FROM busybox AS bad\nRUN sleep 0.3; exit 3\n"
        "FROM scratch\nCOPY --from=slow /bin /a\nCOPY --from=bad /bin /b\n"
    )
    began = time.monotonic()
    with pytest.raises(StepFailed) as caught:
        busybox.build(text)
    assert (caught.value.where, time.monotonic() - began < 20) == ("Dockerfile:4", True)


def test_the_first_error_is_told_not_that_others_were_cancelled(builder: Builder) -> None:
    text = "FROM scratch AS bad\nCOPY nothing /\nFROM scratch AS good\nWORKDIR /x\n"
    text += "FROM scratch\nCOPY --from=good /x /x\nCOPY --from=bad / /\n"
    with pytest.raises(ContextError) as caught:
        builder.build(text)
    assert caught.value.where == "Dockerfile:2"


@pytest.mark.containers
def test_a_runner_made_after_the_cancellation_runs_nothing(busybox: Builder) -> None:
    from lamella.runtime.protocol import Process, Sandbox

    machine = make_machine(BuildRequest(None, "", "Dockerfile"), busybox.store, ignore)
    try:
        machine.cancel()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            machine.runner.run(Sandbox("/", Process(("/bin/sleep", "30"), ())), lambda stream, data: None)
        assert time.monotonic() - began < 10
    finally:
        machine.close()


@pytest.mark.containers
def test_a_listener_that_fails_ends_the_build_and_leaves_nothing_running(busybox: Builder) -> None:
    from lamella.build.engine import build
    from lamella.events import StepOutput

    def emit(event: Any) -> None:
        if isinstance(event, StepOutput):
            raise BrokenPipeError

    request = BuildRequest(str(busybox.context), "FROM busybox\nRUN echo hi; sleep 60\n", "Dockerfile")
    began = time.monotonic()
    with pytest.raises((BrokenPipeError, LamellaError)):
        build(request, busybox.store, emit)
    assert time.monotonic() - began < 20

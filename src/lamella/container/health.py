"""HEALTHCHECK: a command that is run in the container again and again. Source: Docker's reference of HEALTHCHECK.

A container is ``starting`` until a check succeeds; ``unhealthy`` after so many failures in a row, of which those in the
start period do not count; ``healthy`` again after one success.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lamella.container.execute import Execution, process_for
from lamella.container.streams import Attached, Streams
from lamella.errors import LamellaError
from lamella.oci.config import Healthcheck
from lamella.runtime.execute import launch_beside
from lamella.runtime.find import find_runtime
from lamella.runtime.launch import Launched, Place, children
from lamella.store.instant import format_instant

if TYPE_CHECKING:
    from lamella.container.monitor import Job

_SECOND = 1_000_000_000
_KEPT = 5  # results
_LONGEST = 4096  # bytes of output that are kept of one


class Times(NamedTuple):
    """In seconds, with Docker's defaults."""

    interval: float
    timeout: float
    start_period: float
    start_interval: float
    retries: int


def times_of(check: Healthcheck) -> Times:
    return Times(
        check.interval / _SECOND or 30.0,
        check.timeout / _SECOND or 30.0,
        check.start_period / _SECOND,
        check.start_interval / _SECOND or 5.0,
        check.retries or 3,
    )


def next_health(health: str, streak: int, succeeded: bool, in_start_period: bool, retries: int) -> tuple[str, int]:
    """The status after one more result, and the number of failures in a row that count."""
    if succeeded:
        return "healthy", 0
    if health == "starting" and in_start_period:
        return health, 0
    streak += 1
    return ("unhealthy" if streak >= retries else health), streak


class HealthMonitor:
    """Runs one container's checks in a thread of its monitor, until the container ends."""

    def __init__(self, job: Job, place: Place, pid: int, tell: Callable[[str], None]) -> None:
        """``pid`` is the container's first process. ``tell`` is given each new status."""
        check = job.container.healthcheck
        assert check is not None, "there is something to check"
        self._job = job
        self._place = place
        self._pid = pid
        self._tell = tell
        self._times = times_of(check)
        self._args = (*job.container.shell, *check.test[1:]) if check.test[0] == "CMD-SHELL" else check.test[1:]
        self._ended = threading.Event()

    def end(self) -> None:
        """The container has ended: nothing more is started."""
        self._ended.set()

    def run(self) -> None:
        begun = time.monotonic()
        health, streak = "starting", 0
        results: list[dict[str, Any]] = []
        while not self._ended.wait(self._pause(health, begun)):
            result = self._check()
            if self._ended.is_set():
                return
            in_start_period = time.monotonic() - begun < self._times.start_period
            before = health
            health, streak = next_health(health, streak, result["ExitCode"] == 0, in_start_period, self._times.retries)
            results = [*results, result][-_KEPT:]
            try:
                self._job.folder.write_health(results)
            except LamellaError:  # a full disk stops no check
                pass
            if health != before:
                self._tell(health)

    def _pause(self, health: str, begun: float) -> float:
        if health == "starting" and time.monotonic() - begun < self._times.start_period:
            return min(self._times.start_interval, self._times.interval)
        return self._times.interval

    def _check(self) -> dict[str, Any]:
        """One result in Docker's shape; its exit code is -1 where the check could not be run or took too long."""
        started = time.time_ns()
        output = _Output()
        try:
            code = self._execute(output)
        except LamellaError as error:
            code = error.exit_code if error.exit_code > 3 else -1
            output.write(str(error).encode())
        if code == -1 and output.late:
            output.content = f"Health check exceeded timeout ({self._times.timeout:g}s)".encode()
        return {
            "Start": format_instant(started),
            "End": format_instant(time.time_ns()),
            "ExitCode": code,
            "Output": output.content.decode("utf-8", "replace"),
        }

    def _execute(self, output: _Output) -> int:
        process = process_for(self._place, self._pid, Execution(self._args))
        program = find_runtime(self._job.runtime)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        streams = Streams(Attached(-1, writer, writer), terminal=False, stdin=False, on_loss=lambda: None)
        collecting = threading.Thread(target=output.read, args=(reader,), daemon=True)
        collecting.start()
        try:
            with launch_beside(program, self._place, process, streams.theirs, lambda: streams.last) as launched:
                streams.relay(None)
                timer = threading.Timer(self._times.timeout, lambda: _abort(launched, output))
                timer.start()
                try:
                    launched.wait_started()
                    streams.decide(True)
                    status = launched.wait()
                finally:
                    timer.cancel()
                streams.finish()
        finally:
            os.close(writer)
            collecting.join()
        return -1 if output.late else status


class _Output:
    """The beginning of what a check prints. ``late``: it was killed for taking too long."""

    def __init__(self) -> None:
        self.content = b""
        self.late = False

    def write(self, data: bytes) -> None:
        self.content = (self.content + data)[:_LONGEST]

    def read(self, descriptor: int) -> None:
        while data := os.read(descriptor, _LONGEST):
            self.write(data)
        os.close(descriptor)


def _abort(launched: Launched, output: _Output) -> None:
    """The process first: without the runtime, whose child it is, it would stay."""
    output.late = True
    for pid in children(launched.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    launched.kill()

"""The process that watches over one container: starts it, keeps its log, checks its health, tidies up after it.

It has a mount namespace of its own and is in no terminal's session. The container cannot outlive it (runtime.leash):
when the monitor is killed, the container is, and what then remains (a folder, control groups) is removed by whoever
comes next (recover.py). Everything of a container's file system is the monitor's own and goes with it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from lamella.container.folder import Folder
from lamella.container.log import LogWriter
from lamella.container.network import open_network
from lamella.container.pipe import Channel
from lamella.container.sandbox import make_sandbox
from lamella.container.streams import Attached, Streams, restore, set_size
from lamella.container.surroundings import write_surroundings
from lamella.container.table import Table
from lamella.container.values import CREATED, EXITED, RUNNING, Container, State
from lamella.container.volumes import Volumes
from lamella.errors import InputError, Interrupted, LamellaError, MachineError
from lamella.oci.image import BlobSource, Image
from lamella.runtime.failure import NOT_FOUND
from lamella.snapshot import enter_private_mounts, open_snapshotter
from lamella.snapshot.unpacked import unpack_image

if TYPE_CHECKING:
    from lamella.runtime.launch import Launched, Place
    from lamella.runtime.listen import Listeners


#: signals that end what has not started
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Job(NamedTuple):
    """What a monitor is made for. ``root`` is the store's folder, ``runtime`` a runtime's name or None; ``ports`` are
    the machine's that are published."""

    root: str
    folder: Folder
    container: Container
    image: Image
    blobs: BlobSource
    runtime: str | None
    ports: Listeners | None = None


class Monitor:
    """One container from its start to its end, in the main thread of a process of its own."""

    def __init__(self, job: Job, channel: Channel, attached: Attached, let_go: Callable[[], None]) -> None:
        """``let_go`` closes what this process inherited and needs no more once the image is unpacked."""
        self._job = job
        self._channel = channel
        self._attached = attached
        self._let_go = let_go
        self._state = State(monitor=os.getpid())
        self._mutex = threading.Lock()
        self._launched: Launched | None = None
        self._process = -1  # a descriptor of the container's first process
        self._aborted = self._interrupted = False
        self._main = threading.get_ident()
        self._started = False
        self._streams: Streams | None = None
        self._note = ""
        self._end_checks: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Raises what kept the container from starting; the state and the caller have been told then."""
        container = self._job.container
        enter_private_mounts()
        signal.signal(signal.SIGTERM, self._terminated)
        threading.Thread(target=self._listen, name="caller", daemon=True).start()
        try:
            with ExitStack() as opened:
                self._run(opened)
        except LamellaError as error:
            self._fail(error)
        except Exception as error:  # a bug, or the machine's trouble: the caller must hear of it
            self._fail(MachineError(f"the container's monitor failed: {type(error).__name__}: {error}"))
        if container.remove:
            Volumes(self._job.root).remove_anonymous(container)
            Table(self._job.root).remove(self._job.folder, container.name)
        self._channel.send(exit=self._state.exit_code)

    def _run(self, opened: ExitStack) -> None:
        from lamella.runtime import find_runner

        job, container = self._job, self._job.container
        network = open_network(container, job.ports)  # first and last: it comes and goes while others work
        opened.callback(network.close)
        runner = find_runner(os.path.join(job.root, "lamella", "run"), job.runtime)
        opened.callback(runner.close)
        runner.recover()
        snapshotter = open_snapshotter(os.path.join(job.root, "lamella", "snapshots"))
        opened.callback(snapshotter.close)
        workspace = snapshotter.prepare(unpack_image(snapshotter, job.image, job.blobs, container.image))
        opened.callback(workspace.discard)
        self._let_go()
        opened.callback(network.dismiss)
        self._note = network.lacking and f"the container reaches nothing outside: {network.lacking}"
        write_surroundings(job.folder, container, network.addresses, network.resolver)
        sandbox = make_sandbox(container, job.folder, workspace.root, job.root, network.namespace)
        log = LogWriter(job.folder.file("log"))
        opened.callback(log.close)
        streams = Streams(self._attached, terminal=container.terminal, stdin=container.stdin, on_loss=self._kill)
        self._streams = streams
        self._state = self._state._replace(ports=network.ports, addresses=network.addresses)
        network.wait_ready()
        with runner.launch(sandbox, streams.theirs, lambda: streams.last) as (launched, place):
            self._launched = launched
            streams.relay(log)
            self._watch(launched, place, streams, log)

    def _watch(self, launched: Launched, place: Place, streams: Streams, log: LogWriter) -> None:
        """From the start of the process to its end."""
        pid = launched.wait_started()
        if pid is not None:
            self._running(place, pid, streams)
        status = launched.wait()
        self._end_checks()
        if not self._started and launched.refused:
            streams.decide(False)
            streams.finish()
            raise refusal(self._job.container.args[0], status)
        if not self._started:  # it was over before anybody had looked
            self._running(place, 0, streams)
        streams.finish()
        self._change(
            lambda state: state._replace(
                status=EXITED, pid=0, finished=time.time_ns(), exit_code=status, error=log.trouble
            )
        )

    def _running(self, place: Place, pid: int, streams: Streams) -> None:
        with self._mutex:
            if self._aborted:
                self._interrupted = True
                raise Interrupted("the container was not started")
            self._started = True
            self._process = handle_of(pid)
        self._change(
            lambda state: state._replace(
                status=RUNNING,
                pid=pid,
                runtime=place.runtime,
                bundle=place.bundle,
                name=place.container,
                started=time.time_ns(),
                health="starting" if self._job.container.healthcheck else "",
            )
        )
        streams.decide(True)
        self._channel.send(started=True, note=self._note)
        if self._job.container.detached:
            self._channel.close()
        if self._job.container.healthcheck and pid:
            self._check_health(place, pid)

    def _check_health(self, place: Place, pid: int) -> None:
        from lamella.container.health import HealthMonitor

        def tell(health: str) -> None:
            self._change(lambda state: state._replace(health=health) if state.status == RUNNING else state)

        monitor = HealthMonitor(self._job, place, pid, tell)
        self._end_checks = monitor.end
        threading.Thread(target=monitor.run, name="health", daemon=True).start()

    def _change(self, change: Callable[[State], State]) -> None:
        """What is known of the container becomes something else; a disk that cannot take it stops nothing."""
        with self._mutex:
            self._state = change(self._state)
            try:
                self._job.folder.write_state(self._state)
            except LamellaError:
                pass
            if self._state.finished:
                self._job.folder.write_end(self._state.exit_code)

    def _fail(self, error: LamellaError) -> None:
        status = CREATED if not self._started else EXITED
        code = error.exit_code if error.exit_code > 3 else 128 + signal.SIGKILL if self._started else error.exit_code
        self._change(
            lambda state: state._replace(
                status=status, pid=0, exit_code=code, error=error.message, finished=time.time_ns()
            )
        )
        self._channel.send_error(error)

    # what others want

    def _listen(self) -> None:
        """What the caller says; its end is the container's end, where that was not detached."""
        while (message := self._channel.receive()) is not None:
            if "kill" in message or (message.get("signal") in _ENDING and not self._started):
                self._end()
            elif "signal" in message:
                self._signal(int(message["signal"]))
            elif "size" in message and self._streams is not None and self._launched is not None:
                set_size(self._streams.master, (message["size"][0], message["size"][1]))
                self._launched.resized()
        if not (self._started and self._job.container.detached):
            self._end()
            restore(self._attached)

    def _end(self) -> None:
        """The container is killed, or not started."""
        with self._mutex:
            self._aborted = not self._started
        self._kill()
        if self._aborted:
            signal.pthread_kill(self._main, signal.SIGTERM)

    def _kill(self) -> None:
        if self._launched is not None:
            self._launched.kill()

    def _signal(self, number: int) -> None:
        if self._process >= 0:
            try:
                signal.pidfd_send_signal(self._process, number)
            except ProcessLookupError:
                pass

    def _terminated(self, number: int, frame: object) -> None:
        """SIGTERM: the machine goes down, or nobody wants the container any more that has not started yet."""
        if self._started:
            threading.Thread(target=self._stop, name="stop", daemon=True).start()
        elif not self._interrupted:  # once: what tidies up is not to be interrupted
            self._interrupted = True
            raise Interrupted("the container was not started")

    def _stop(self) -> None:
        self._signal(self._job.container.stop_signal)
        time.sleep(self._job.container.stop_timeout)
        self._kill()


def handle_of(pid: int) -> int:
    """-1 where the process has ended already."""
    try:
        return os.pidfd_open(pid) if pid else -1
    except ProcessLookupError:
        return -1


def refusal(program: str, status: int) -> LamellaError:
    if status == NOT_FOUND:
        error = InputError(f"the program {program!r} was not found in the image", code="program-not-found")
    else:
        error = InputError(f"the program {program!r} cannot be executed", code="program-not-executable")
    error.exit_code = status
    return error

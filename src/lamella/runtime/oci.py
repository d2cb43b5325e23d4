"""Runs processes by an OCI runtime: runc, or another that takes its command line."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from lamella.errors import InputError, Interrupted, MachineError
from lamella.layer.disk import write_error
from lamella.runtime.capabilities import held
from lamella.runtime.cgroups import own_groups, remove_groups, warm_up
from lamella.runtime.failure import explain_failure, last_error
from lamella.runtime.folder import RunFolder, containers_of
from lamella.runtime.launch import ENVIRONMENT, PID_FILE, Ending, Launched, Place
from lamella.runtime.leash import NAMESPACE, Leash, MemoryFile, MemoryFolder
from lamella.runtime.mountpoints import place_mounts
from lamella.runtime.process import Child
from lamella.runtime.program import sealed_copy
from lamella.runtime.protocol import FileMount, Output, Sandbox
from lamella.runtime.spec import HostFacts, bundle_config
from lamella.runtime.stubs import Stubs, make_directory
from lamella.userns import current
from lamella.userns.ids import missing
from lamella.userns.standing import SINGLE

_Started = TypeVar("_Started")


class OCIRunner:
    """Implements Runner. Threads may share one; each runs its process to the end."""

    def __init__(self, program: str, state_root: str) -> None:
        """``program`` is the runtime's path, ``state_root`` the folder ROOT/lamella/run (made when first needed)."""
        self._program = program
        self._folder = RunFolder(state_root)
        self._leash = Leash()
        self._groups = own_groups()
        self._host = HostFacts(
            resource.getrlimit(resource.RLIMIT_NOFILE),
            held(),
            os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
            current(),
        )
        self._mutex = threading.Lock()
        self._copy: int | None = None
        self._copied = False
        self._running: set[Child] = set()
        self._stopped = threading.Event()

    @property
    def name(self) -> str:
        return os.path.basename(self._program)

    def run(self, sandbox: Sandbox, output: Output) -> int:
        with self._bundle(sandbox) as (container, log, memory):
            return self._execute(container, memory, log, output)

    @contextmanager
    def launch(
        self, sandbox: Sandbox, streams: tuple[int, int, int], last_words: Callable[[], bytes]
    ) -> Iterator[tuple[Launched, Place]]:
        """Starts the process with descriptors ``streams`` and does not wait for it. On leaving it is dead, and nothing
        is left of it. ``last_words`` gives the last that was written to the third of them.

        Raises MachineError where the runtime cannot be started."""
        with self._bundle(sandbox) as (container, log, memory):
            words = _run_words(memory.path, log, container, "--pid-file", f"{memory.path}/{PID_FILE}")
            pid = self._checked(lambda: self._leash.spawn([self._program, *words], ENVIRONMENT, streams, memory))
            ending = Ending(
                lambda status: explain_failure(self.name, status, log, last_words()),
                lambda: last_error(log) is not None,
                lambda: remove_groups(container, self._groups),
            )
            place = Place(pid, memory.path, container)
            launched = Launched(pid, place.outside(PID_FILE), ending)
            try:
                yield launched, place
            finally:
                launched.close()

    @contextmanager
    def _bundle(self, sandbox: Sandbox) -> Iterator[tuple[str, str, MemoryFolder]]:
        """The container's name, the path of the runtime's log and the bundle; what was made for them goes again."""
        threading.Thread(target=warm_up, args=(self._groups,), name="warm up", daemon=True).start()
        with self._folder.bundle() as (container, folder, own):
            stubs = Stubs(sandbox.rootfs)
            try:
                yield container, f"{folder}/log", self._prepare(sandbox, stubs, f"{folder}/bundle", own)
            finally:
                stubs.remove()

    def _prepare(self, sandbox: Sandbox, stubs: Stubs, bundle: str, own: str) -> MemoryFolder:
        """The bundle. In the environment and in files there may be secrets, so it is in memory, whatever there is."""
        self._require_ids(sandbox)
        try:
            mounts, files = place_mounts(sandbox, stubs, bundle, own)
            make_directory(sandbox.rootfs, sandbox.process.cwd, sandbox.process.uid, sandbox.process.gid)
        except OSError as error:
            raise write_error(error, error.filename or bundle) from None
        namespace = sandbox.network_namespace
        if namespace:  # its path may be ours alone
            if "," in bundle:
                raise InputError(
                    f"{self.name} takes no network namespace by a path with a comma, which the store's has",
                    where=bundle,
                    hint="--root names another store; --network host and none do without",
                )
            sandbox = sandbox._replace(network_namespace=f"{bundle}/{NAMESPACE}")
        config = json.dumps(bundle_config(sandbox, mounts, self._host), ensure_ascii=False)
        content = MemoryFile("config.json", config.encode("utf-8", "surrogateescape"))
        return MemoryFolder(bundle, (content, *files), namespace)

    def _require_ids(self, sandbox: Sandbox) -> None:
        """Raises NoPrivilege where a user namespace does not have an id that is asked for."""
        process, standing = sandbox.process, self._host.standing
        if not standing.has(process.uid, process.gid):
            raise missing("the process is to run as", process.uid, process.gid, standing)
        for file in sandbox.mounts:
            if isinstance(file, FileMount) and standing.kind != SINGLE and not standing.has(file.uid, file.gid):
                raise missing(f"the file {file.target} is to belong to", file.uid, file.gid, standing)

    def _execute(self, container: str, memory: MemoryFolder, log: str, output: Output) -> int:
        last = [b""]

        def listen(stream: int, data: bytes) -> None:
            last[0] = data if stream == 2 else b""
            output(stream, data)

        child = self._start(_run_words(memory.path, log, container), memory)
        try:
            self._copy_program()
            child.relay(listen)
            status = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            remove_groups(container, self._groups)
            raise
        finally:
            with self._mutex:
                self._running.discard(child)
            child.close()
        if self._stopped.is_set():
            remove_groups(container, self._groups)
            raise Interrupted("the command was stopped")
        return status if status == 0 else explain_failure(self.name, status, log, last[0])

    def _start(self, words: list[str], memory: MemoryFolder) -> Child:
        with self._mutex:
            if self._stopped.is_set():
                raise Interrupted("the command was stopped")
            child = self._spawn(words, memory)
            self._running.add(child)
            return child

    def _spawn(self, words: list[str], memory: MemoryFolder) -> Child:
        program = self._program if self._copy is None else f"/proc/self/fd/{self._copy}"
        return self._checked(lambda: Child(self._leash, [program, *words], ENVIRONMENT, memory))

    def _checked(self, start: Callable[[], _Started]) -> _Started:
        try:
            return start()
        except OSError as error:
            raise MachineError(
                f"{self.name} cannot be started: {error.strerror}",
                where=str(error.filename),
                hint="run as root; inside of a container, that one needs --privileged",
            ) from None

    def _copy_program(self) -> None:
        """Once, while the first container starts: the later ones start faster then."""
        with self._mutex:
            if self._copied:
                return
            self._copied = True
        copy = sealed_copy(self._program)
        with self._mutex:
            self._copy = copy

    def stop(self) -> None:
        """Kills what runs: ``run`` raises Interrupted, now and from now on. For another thread to call, at Ctrl-C."""
        with self._mutex:
            self._stopped.set()
            for child in self._running:
                child.kill()

    def recover(self) -> None:
        with self._folder.abandoned() as folders:
            for folder in folders:
                containers, groups = containers_of(folder)
                for container in containers:
                    remove_groups(container, groups)

    def close(self) -> None:
        """Removes this process's folder. Nothing may run any more."""
        self._folder.close()
        self._leash.close()
        if self._copy is not None:
            os.close(self._copy)
            self._copy = None


def _run_words(bundle: str, log: str, container: str, *flags: str) -> list[str]:
    """The runtime's command line. Its state too is in memory: crun copies the whole config.json there."""
    options = ["--root", f"{bundle}/state", "--log", log, "--log-format", "json"]
    return [*options, "run", *flags, "--bundle", bundle, container]

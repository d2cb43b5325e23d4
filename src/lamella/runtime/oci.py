"""Runs processes by an OCI runtime: runc, or another with its command line."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import threading

from lamella.errors import Interrupted, MachineError
from lamella.runtime.failure import explain_failure
from lamella.runtime.launcher import leash
from lamella.runtime.network import hosts_file, resolver_file
from lamella.runtime.process import Child
from lamella.runtime.protocol import BindMount, Output, Sandbox
from lamella.runtime.spec import BASE_TARGETS, bundle_config
from lamella.runtime.stubs import Stubs


class OCIRunner:
    """Implements Runner. Threads may share one.

    ``state_root``/OWNER/ holds what one process runs: ``lock`` (held by flock as long as it lives), the runtime's own
    ``state``, and a bundle for each container."""

    def __init__(self, program: str, state_root: str) -> None:
        self._program = program
        self._state_root = os.path.abspath(state_root)
        self._leash = leash()
        self._mutex = threading.Lock()
        self._counter = 0
        self._running: set[Child] = set()
        self._stopped = threading.Event()
        self._owner: str | None = None

    @property
    def name(self) -> str:
        return os.path.basename(self._program)

    def run(self, sandbox: Sandbox, output: Output) -> int:
        container, bundle = self._bundle()
        stubs = Stubs(sandbox.rootfs)
        try:
            mounts = self._mounts(sandbox, stubs, os.path.dirname(bundle))
            make_cwd(sandbox)
            config = bundle_config(sandbox, mounts, resource.getrlimit(resource.RLIMIT_NOFILE))
            with open(f"{bundle}/config.json", "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(config, file, ensure_ascii=False)
            return self._execute(container, bundle, output)
        finally:
            stubs.remove()
            for name in ("config.json", "log"):
                try:
                    os.unlink(f"{bundle}/{name}")
                except FileNotFoundError:
                    continue
            os.rmdir(bundle)

    def stop(self) -> None:
        """Kills what runs; ``run`` raises Interrupted, now and from now on. For another thread to call, at Ctrl-C."""
        with self._mutex:
            self._stopped.set()
            for child in self._running:
                child.kill()

    def _bundle(self) -> tuple[str, str]:
        with self._mutex:
            if self._owner is None:
                self._owner = self._register()
            self._counter += 1
            number = self._counter
        bundle = f"{self._state_root}/{self._owner}/{number}"
        os.mkdir(bundle, 0o700)
        return f"lamella-{self._owner}-{number}", bundle

    def _register(self) -> str:
        owner = os.urandom(4).hex()
        folder = f"{self._state_root}/{owner}"
        os.makedirs(f"{folder}/state", mode=0o700)
        self._lock = os.open(f"{folder}/lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        resolver_file(f"{folder}/resolv.conf")
        hosts_file(f"{folder}/hosts")
        return owner

    @staticmethod
    def _mounts(sandbox: Sandbox, stubs: Stubs, folder: str) -> tuple[BindMount, ...]:
        own = [
            BindMount("/etc/resolv.conf", f"{folder}/resolv.conf", readonly=True),
            BindMount("/etc/hosts", f"{folder}/hosts", readonly=True),
        ]
        taken = {mount.target for mount in sandbox.mounts}
        for target in BASE_TARGETS:
            stubs.ensure(target, directory=True)
        mounts = []
        for mount in [*(mount for mount in own if mount.target not in taken), *sandbox.mounts]:
            directory = mount.type == "tmpfs" or os.path.isdir(mount.source)
            mounts.append(mount._replace(target=stubs.ensure(mount.target, directory)))
        return tuple(mounts)

    def _execute(self, container: str, bundle: str, output: Output) -> int:
        state = f"{os.path.dirname(bundle)}/state"
        log = f"{bundle}/log"
        runtime = [self._program, "--root", state, "--log", log, "--log-format", "json"]
        last = [b""]

        def listen(stream: int, data: bytes) -> None:
            last[0] = data if stream == 2 else b""
            output(stream, data)

        with self._mutex:
            if self._stopped.is_set():
                raise Interrupted("stopped")
            child = Child([*self._leash, *runtime, "run", "--bundle", bundle, container], dict(os.environ))
            self._running.add(child)
        try:
            child.relay(listen)
            status = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            self._delete(runtime, container)
            raise
        finally:
            child.close()
            with self._mutex:
                self._running.discard(child)
        if self._stopped.is_set():
            self._delete(runtime, container)
            raise Interrupted("stopped")
        return status if status == 0 else explain_failure(self.name, status, log, last[0])

    @staticmethod
    def _delete(runtime: list[str], container: str) -> None:
        """Removes what the runtime keeps of a container that was killed: its state and its cgroups."""
        child = Child([*runtime, "delete", "--force", container], dict(os.environ))
        try:
            child.relay(lambda stream, data: None)
            child.wait()
        finally:
            child.close()

    def recover(self) -> None:
        try:
            owners = os.listdir(self._state_root)
        except FileNotFoundError:
            return
        for owner in owners:
            if owner != self._owner:
                self._recover_owner(f"{self._state_root}/{owner}")

    def _recover_owner(self, folder: str) -> None:
        import shutil

        lock = os.open(f"{folder}/lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for container in os.listdir(f"{folder}/state"):
                self._delete([self._program, "--root", f"{folder}/state"], container)
            shutil.rmtree(folder)
        except BlockingIOError:
            return
        finally:
            os.close(lock)

    def close(self) -> None:
        """Removes this process's folder. Nothing may run any more."""
        import shutil

        if self._owner is not None:
            shutil.rmtree(f"{self._state_root}/{self._owner}")
            os.close(self._lock)
            self._owner = None


def make_cwd(sandbox: Sandbox) -> None:
    """A working directory that is missing is made, for the process's user, as BuildKit does: it stays."""
    from lamella.runtime.stubs import resolve_in_root

    path = sandbox.rootfs
    for part in resolve_in_root(sandbox.rootfs, sandbox.process.cwd).split("/")[1:]:
        path = f"{path}/{part}"
        if part and not os.path.lexists(path):
            os.mkdir(path, 0o755)
            os.chmod(path, 0o755)
            os.chown(path, sandbox.process.uid, sandbox.process.gid)
    if not os.path.isdir(path):
        raise MachineError("the working directory is no directory", where=sandbox.process.cwd)

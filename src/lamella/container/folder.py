"""One container's folder, ROOT/lamella/containers/ID:

container.json          what was asked for; written once
state.json              how it is; replaced whole
health.json             the last results of its health check
log, log.1              what the process wrote
hosts, hostname, resolv.conf   the files of these names in its /etc
lock                    held by flock by its monitor, and by nobody once that has ended, by whatever death
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any, NamedTuple

from lamella.container.values import Container, State, Value, as_json, from_json
from lamella.errors import StoreDamaged
from lamella.store.disk import disk_errors

_NEW = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC


class Folder(NamedTuple):
    path: str

    @property
    def id(self) -> str:
        return os.path.basename(self.path)

    def file(self, name: str) -> str:
        return f"{self.path}/{name}"

    def container(self) -> Container:
        """Raises FileNotFoundError where it is gone, StoreDamaged where it cannot be read."""
        return _load(self.file("container.json"), Container)

    def state(self) -> State:
        """Raises as ``container`` does."""
        return _load(self.file("state.json"), State)

    def write_container(self, container: Container) -> None:
        self._write("container.json", as_json(container))

    def write_state(self, state: State) -> None:
        """On a disk that is full it takes the room of the old one."""
        self._write("state.json", as_json(state))

    def health(self) -> list[dict[str, Any]]:
        """The last results of the health check, the oldest first, in Docker's shape."""
        try:
            with open(self.file("health.json"), encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return []
        return found if isinstance(found, list) else []

    def write_health(self, results: list[dict[str, Any]]) -> None:
        self._write("health.json", results)

    def _write(self, name: str, data: Any) -> None:
        path = self.file(name)
        content = json.dumps(data, ensure_ascii=True).encode()
        with disk_errors(path, "write what is known of a container"):
            try:
                _put(f"{path}.new", content)
                os.rename(f"{path}.new", path)
            except OSError:
                if not os.path.exists(path):
                    raise
                _put(path, content, os.O_WRONLY | os.O_CLOEXEC)

    def lock(self) -> int | None:
        """A descriptor that holds the lock; None where its monitor does."""
        with disk_errors(self.path, "use a container"):
            descriptor = os.open(self.file("lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None

    def write_end(self, exit_code: int) -> None:
        """For those who wait for the lock: they have the file open, even when the folder is removed by then."""
        try:
            _put(self.file("lock"), str(exit_code).encode(), os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            pass

    def wait_for_end(self, pause: float) -> int | None:
        """Waits until no monitor holds the lock; the exit code that it left, None where there is none."""
        try:
            descriptor = os.open(self.file("lock"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            while not _is_free(descriptor):
                time.sleep(pause)
            content = os.pread(descriptor, 8, 0)
            return int(content) if content.isdigit() else None
        finally:
            os.close(descriptor)

    def watched(self) -> bool:
        """Whether its monitor lives."""
        try:
            descriptor = os.open(self.file("lock"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _is_free(descriptor)
        finally:
            os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _put(path: str, content: bytes, flags: int = _NEW) -> None:
    descriptor = os.open(path, flags, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def _load(path: str, kind: type[Value]) -> Value:
    try:
        with open(path, encoding="utf-8") as file:
            return from_json(kind, json.load(file))
    except (ValueError, TypeError, KeyError) as error:
        raise StoreDamaged(
            f"what is known of a container cannot be read ({error})",
            where=path,
            hint="lamella rm --force ID removes the container",
        ) from None

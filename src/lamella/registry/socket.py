"""Where a Docker or Podman daemon listens, and HTTP over its socket.

``DOCKER_HOST`` decides, then Docker's context (``DOCKER_CONTEXT``, or the one its configuration names), then
``CONTAINER_HOST``; else the first that is there of the sockets that Docker and Podman use. Plain TCP goes no further
than this machine; a daemon behind SSH or TLS is not asked.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from lamella.errors import LamellaError, MachineError, NoPrivilege, NotSupported, UsageError

_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
_HINT = "start it, or name it: DOCKER_HOST=unix:///path/to/docker.sock"


class Daemon(NamedTuple):
    """``address`` is as people write it, ``path`` that of its socket; "" where it is ``host`` and ``port``."""

    address: str
    path: str
    host: str = "localhost"
    port: int = 80

    def failed(self, error: Exception) -> LamellaError:
        """What it means that it could not be spoken to."""
        cause: BaseException | None = error
        while isinstance(cause, HTTPError) and cause.__cause__ is not None:
            cause = cause.__cause__
        number = cause.errno if isinstance(cause, OSError) else None
        if number in (errno.EACCES, errno.EPERM):
            return NoPrivilege(
                "this user may not speak to the daemon",
                where=self.address,
                hint="join the group of the socket, or use sudo",
            )
        if number in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK) or isinstance(error, NewConnectionError):
            return MachineError("no daemon answers there", where=self.address, hint=_HINT, code="daemon")
        if isinstance(error, TimeoutError):
            return MachineError("the daemon does not answer in time", where=self.address, code="daemon")
        why = getattr(cause, "strerror", None) or str(error)
        return MachineError(f"the daemon broke off ({why})", where=self.address, code="daemon")


def find_daemon(environment: Mapping[str, str] = os.environ) -> Daemon:
    """The daemon that is meant. Raises UsageError, NotSupported for its address, MachineError where there is none."""
    for text, source in (
        (environment.get("DOCKER_HOST", ""), "DOCKER_HOST"),
        (_context(environment), "Docker's context"),
        (environment.get("CONTAINER_HOST", ""), "CONTAINER_HOST"),
    ):
        if text:
            return parse_address(text, source)
    there = [path for path in _usual(environment) if os.path.exists(path)]
    open_ones = [path for path in there if os.access(path, os.W_OK)]
    for path in (*open_ones, *there):
        return Daemon(f"unix://{path}", path)
    raise MachineError(
        "neither Docker nor Podman listens here", where=", ".join(_usual(environment)), hint=_HINT, code="daemon"
    )


def parse_address(text: str, source: str) -> Daemon:
    """``unix://PATH`` or ``tcp://HOST[:PORT]`` on loopback; ``source`` says where it stands."""
    scheme, there, rest = text.partition("://")
    if there and scheme == "unix" and rest.startswith("/"):
        return Daemon(text, rest)
    if there and scheme in ("tcp", "http"):
        host, colon, port = rest.rstrip("/").rpartition(":") if not rest.endswith("]") else (rest, "", "")
        if not colon:
            host, port = rest.rstrip("/"), "2375"
        if host in _LOOPBACK and port.isdigit() and int(port) < 65536:
            return Daemon(text, "", host.strip("[]"), int(port))
        raise NotSupported(
            "a daemon on another machine is not asked: its plain HTTP would show and trust anything",
            where=f"{source}={text}",
            hint="forward its socket (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST), and name that",
        )
    if scheme == "ssh":
        raise NotSupported(
            "a daemon behind SSH is not asked",
            where=f"{source}={text}",
            hint="forward its socket (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST), and name that",
        )
    raise UsageError("not an address of a daemon", where=f"{source}={text}", hint="write unix:///path/to/docker.sock")


def open_pool(daemon: Daemon) -> HTTPConnectionPool:
    """To be closed."""
    if daemon.path:
        return _SocketPool(daemon.path)
    return HTTPConnectionPool(daemon.host, daemon.port, maxsize=1)


def _usual(environment: Mapping[str, str]) -> Iterator[str]:
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    yield "/var/run/docker.sock"
    if runtime:
        yield f"{runtime}/docker.sock"
    if os.geteuid() == 0:
        yield "/run/podman/podman.sock"
    if runtime:
        yield f"{runtime}/podman/podman.sock"


def _context(environment: Mapping[str, str]) -> str:
    """The address of the context that is in use; "" for the default one, and where nothing can be read."""
    folder = environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    name = environment.get("DOCKER_CONTEXT") or _read(f"{folder}/config.json", "currentContext")
    if not name or name == "default":
        return ""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return _read(f"{folder}/contexts/meta/{digest}/meta.json", "Endpoints", "docker", "Host")


def _read(path: str, *keys: str) -> str:
    try:
        with open(path, "rb") as file:
            found = json.load(file)
        for key in keys:
            found = found[key]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


class _SocketConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def _new_conn(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if isinstance(self.timeout, int | float):
                sock.settimeout(self.timeout)
            sock.connect(self._path)
        except OSError as error:
            sock.close()
            raise NewConnectionError(self, str(error)) from error
        return sock


class _SocketPool(HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", maxsize=1)
        self._path = path

    def _new_conn(self) -> _SocketConnection:
        return _SocketConnection(self._path)

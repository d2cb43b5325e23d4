"""What is known of a container: what it was asked to be, and how it is. Both are kept as JSON in its folder.

Times are in nanoseconds since the epoch (0: not yet), lengths of time in nanoseconds too where they come from an image
(as in Docker's API), in seconds where they come from a command line.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from lamella.oci.config import Healthcheck
from lamella.runtime.ports import PublishedPort
from lamella.runtime.protocol import Limits

STARTING, CREATED, RUNNING, EXITED = "starting", "created", "running", "exited"

Value = TypeVar("Value")


class Mounted(NamedTuple):
    """``kind`` is ``bind``, ``volume`` or ``tmpfs``. ``source`` is a folder of this machine or a volume's name, for
    tmpfs its options; ``anonymous`` volumes go with the container; ``fill``: an empty one gets what the image has."""

    kind: str
    target: str
    source: str = ""
    readonly: bool = False
    anonymous: bool = False
    fill: bool = True
    propagation: str = ""


class Container(NamedTuple):
    """What was asked for, made whole by the image's config. ``args`` is the whole command line of the process, ``env``
    all that it is given. ``image`` is what the user called it."""

    id: str
    name: str
    image: str
    image_id: str
    platform: str
    created: int
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    hostname: str
    labels: tuple[tuple[str, str], ...] = ()
    terminal: bool = False
    stdin: bool = False
    detached: bool = False
    remove: bool = False
    network: str = "bridge"
    ports: tuple[PublishedPort, ...] = ()
    exposed: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    mounts: tuple[Mounted, ...] = ()
    readonly: bool = False
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    limits: Limits = Limits()
    init: bool = False
    stop_signal: int = 15
    stop_timeout: int = 10
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] = ("/bin/sh", "-c")

    @property
    def short(self) -> str:
        return self.id[:12]


class State(NamedTuple):
    """``pid`` is the process's number on this machine; ``runtime``, ``bundle`` and ``name`` say where the OCI runtime
    is (launch.Place), ``ports`` are those that were given. ``health`` is "" where there is no check."""

    status: str = CREATED
    pid: int = 0
    runtime: int = 0
    bundle: str = ""
    name: str = ""
    monitor: int = 0
    started: int = 0
    finished: int = 0
    exit_code: int = 0
    error: str = ""
    health: str = ""
    ports: tuple[PublishedPort, ...] = ()
    addresses: tuple[str, ...] = ()


def as_json(value: Any) -> Any:
    """NamedTuples as objects, tuples as lists."""
    if isinstance(value, tuple):
        if hasattr(value, "_asdict"):
            return {name: as_json(one) for name, one in value._asdict().items()}
        return [as_json(one) for one in value]
    return value


def from_json(kind: type[Value], data: Any) -> Value:
    """The opposite. Fields that are missing get their defaults, unknown ones are left out: other versions wrote them.
    Raises TypeError, ValueError, KeyError where it is something else."""
    result: Value = _read(kind, data)
    return result


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Working them out takes longer than the rest of reading a container."""
    return get_type_hints(kind)


def _read(kind: Any, data: Any) -> Any:
    origin = get_origin(kind)
    if origin is tuple:
        inner = get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_read(inner[0], one) for one in data)
        return tuple(_read(each, one) for each, one in zip(inner, data, strict=True))
    if origin is not None:  # X | None
        return None if data is None else _read(next(one for one in get_args(kind) if one is not type(None)), data)
    if hasattr(kind, "_fields"):
        hints = _hints(kind)
        return kind(**{name: _read(hints[name], data[name]) for name in kind._fields if name in data})
    if not isinstance(data, kind) and not (kind is float and isinstance(data, int)):
        raise TypeError(f"{data!r} is no {kind.__name__}")
    return data

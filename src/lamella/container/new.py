"""From an image's config and what the user asked for to a container. Source: Docker's reference of ``docker run``."""

from __future__ import annotations

import os
import re
import time
from typing import NamedTuple

from lamella.container.names import check_name
from lamella.container.signals import parse_signal
from lamella.container.surroundings import extra_host, is_address
from lamella.container.values import Container, Mounted
from lamella.errors import ImageInvalid, InputError
from lamella.oci.config import Healthcheck, ImageConfig, RunConfig
from lamella.runtime import capabilities as caps
from lamella.runtime.limits import require_controllers
from lamella.runtime.ports import PublishedPort
from lamella.runtime.protocol import Limits

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELL = ("/bin/sh", "-c")
_STOP_SIGNAL = "SIGTERM"
_HOSTNAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")  # the kernel's limit: uname(2)


class Asked(NamedTuple):
    """The flags of ``run``. None is not given. ``command`` are the words behind the image's name; ``publish_all``
    publishes each exposed port; ``no_healthcheck`` leaves the image's out, ``healthcheck`` goes in its place."""

    command: tuple[str, ...] = ()
    entrypoint: str | None = None
    name: str = ""
    env: tuple[str, ...] = ()
    cwd: str | None = None
    user: str | None = None
    hostname: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    terminal: bool = False
    stdin: bool = False
    detached: bool = False
    remove: bool = False
    network: str = "bridge"
    ports: tuple[PublishedPort, ...] = ()
    publish_all: bool = False
    exposed: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    mounts: tuple[Mounted, ...] = ()
    readonly: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    limits: Limits = Limits()
    init: bool = False
    stop_signal: str | None = None
    stop_timeout: int | None = None
    healthcheck: Healthcheck | None = None
    no_healthcheck: bool = False


def new_container(asked: Asked, image: str, config: ImageConfig) -> Container:
    """Raises InputError for what cannot be, ImageInvalid for an image that cannot be run, MachineError for a limit that
    this machine cannot keep."""
    require_controllers(asked.limits)
    _check_network(asked)
    run = config.config
    id_ = os.urandom(32).hex()
    hostname = asked.hostname or (os.uname().nodename if asked.network == "host" else id_[:12])
    exposed = tuple(dict.fromkeys((*map(_with_protocol, (*run.exposed_ports, *asked.exposed)),)))
    return Container(
        id_,
        check_name(asked.name) if asked.name else "",
        image,
        str(config.image_id),
        str(config.platform),
        time.time_ns(),
        _arguments(asked, run, image),
        _environment(asked, run, hostname),
        _absolute(asked.cwd if asked.cwd is not None else run.working_dir or "/"),
        asked.user if asked.user is not None else run.user,
        hostname,
        labels=tuple({**dict(run.labels), **dict(asked.labels)}.items()),
        terminal=asked.terminal,
        stdin=asked.stdin,
        detached=asked.detached,
        remove=asked.remove,
        network=asked.network,
        ports=_ports(asked, exposed),
        exposed=exposed,
        hosts=asked.hosts,
        dns=asked.dns,
        mounts=_mounts(asked, run),
        readonly=asked.readonly,
        privileged=asked.privileged,
        capabilities=_capabilities(asked),
        limits=asked.limits,
        init=asked.init,
        stop_signal=_stop_signal(asked, run, image),
        stop_timeout=10 if asked.stop_timeout is None else asked.stop_timeout,
        healthcheck=_healthcheck(asked, run),
        shell=run.shell or _SHELL,
    )


def _check_network(asked: Asked) -> None:
    """What goes into the files of surroundings.py, where a line break or a word too many would say something else."""
    if asked.hostname and not _HOSTNAME.fullmatch(asked.hostname):
        raise InputError(
            f"--hostname {asked.hostname!r} is no host name", hint="at most 64 letters, digits, '-', '.' and '_'"
        )
    for text in asked.hosts:
        extra_host(text)
    for address in asked.dns:
        if not is_address(address):
            raise InputError(f"--dns {address!r} is no IP address", hint="for example --dns 9.9.9.9")


def _arguments(asked: Asked, run: RunConfig, image: str) -> tuple[str, ...]:
    """--entrypoint takes the place of the image's, and its CMD with it; words behind the image's name that of CMD."""
    if asked.entrypoint is not None:
        args = (*((asked.entrypoint,) if asked.entrypoint else ()), *asked.command)
    else:
        args = (*(run.entrypoint or ()), *(asked.command or run.cmd or ()))
    if not args:
        raise InputError(
            f"nothing says which program to run in {image}",
            hint="write it behind the image's name; the image has neither ENTRYPOINT nor CMD",
            code="no-command",
        )
    return args


def _environment(asked: Asked, run: RunConfig, hostname: str) -> tuple[str, ...]:
    """Later ones win: Docker's own, then the image's, then the user's. A name alone takes a variable away."""
    variables: dict[str, str] = {}
    own = (_PATH, f"HOSTNAME={hostname}", *(("TERM=xterm",) if asked.terminal else ()))
    for text in (*own, *run.env, *asked.env):
        name, equals, _ = text.partition("=")
        variables.pop(name, None)
        if equals:
            variables[name] = text
    return tuple(variables.values())


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise InputError(f"the working directory {path!r} is not absolute", hint="it begins with a slash")
    return _normal(path)


def _with_protocol(port: str) -> str:
    return port if "/" in port else f"{port}/tcp"


def _ports(asked: Asked, exposed: tuple[str, ...]) -> tuple[PublishedPort, ...]:
    given = {(port.container, port.protocol) for port in asked.ports}
    rest: list[PublishedPort] = []
    for text in exposed if asked.publish_all else ():
        number, _, protocol = text.partition("/")
        if number.isdigit() and (int(number), protocol) not in given:
            rest.append(PublishedPort(int(number), protocol))
    return (*asked.ports, *rest)


def _mounts(asked: Asked, run: RunConfig) -> tuple[Mounted, ...]:
    """What was asked for, and an anonymous volume for each VOLUME of the image that nothing else is mounted on."""
    taken: dict[str, Mounted] = {}
    for one in asked.mounts:
        target = _normal(one.target)
        if target in taken:
            raise InputError(f"two things are to be mounted on {target}", hint="leave one out", code="duplicate-mount")
        if target in ("/", "/proc"):
            raise InputError(f"nothing can be mounted on {target} of a container", hint="choose a folder below")
        taken[target] = one._replace(target=target, source=one.source or _unnamed(one.kind))
    for path in run.volumes:
        target = _normal(path)
        if target not in taken and target != "/":
            taken[target] = Mounted("volume", target, _unnamed("volume"), anonymous=True)
    return tuple(taken.values())


def _normal(path: str) -> str:
    """Absolute, with one slash in front: normpath keeps two."""
    return os.path.normpath("/" + path.lstrip("/"))


def _unnamed(kind: str) -> str:
    return os.urandom(32).hex() if kind == "volume" else ""


def _capabilities(asked: Asked) -> tuple[str, ...]:
    added, dropped = [[_capability(word) for word in words] for words in (asked.cap_add, asked.cap_drop)]
    base = caps.NAMES if asked.privileged or "ALL" in added else () if "ALL" in dropped else caps.DEFAULT
    kept = {*base, *(name for name in added if name != "ALL")} - {name for name in dropped if name not in added}
    return tuple(name for name in caps.NAMES if name in kept)


def _capability(word: str) -> str:
    name = word.upper()
    name = name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}"
    if name != "ALL" and name not in caps.NAMES:
        raise InputError(f"there is no capability {word!r}", hint="for example NET_ADMIN; ALL are all of them")
    return name


def _stop_signal(asked: Asked, run: RunConfig, image: str) -> int:
    if asked.stop_signal is not None:
        return parse_signal(asked.stop_signal)
    try:
        return parse_signal(run.stop_signal or _STOP_SIGNAL)
    except InputError as error:
        raise ImageInvalid(
            f"the image's StopSignal: {error.message}", where=image, hint="--stop-signal names another"
        ) from None


def _healthcheck(asked: Asked, run: RunConfig) -> Healthcheck | None:
    """A test of --health-cmd with the image's times where none are given; None where there is none."""
    if asked.no_healthcheck:
        return None
    check = run.healthcheck or Healthcheck(())
    if asked.healthcheck is not None:
        given = asked.healthcheck
        check = Healthcheck(
            given.test or check.test,
            *(one or other for one, other in zip(given[1:], check[1:], strict=True)),
        )
    return check if check.test and check.test[0] in ("CMD", "CMD-SHELL") and len(check.test) > 1 else None

"""The flags of ``lamella run``, which are Docker's, and what they ask for."""

from __future__ import annotations

import argparse
import os
import re

from lamella.cli.mounted import parse_mounts
from lamella.container.names import check_name
from lamella.container.new import Asked
from lamella.container.signals import parse_signal
from lamella.errors import InputError, UsageError
from lamella.oci.config import Healthcheck
from lamella.runtime.ports import parse_ports
from lamella.runtime.protocol import Limits

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_PORTS = re.compile(r"[\d.:\[\]-]*\d+(/\w+)?")
_NETWORKS = ("bridge", "host", "none")
_SECOND = 1_000_000_000
_LEAST_MEMORY = 6 << 20  # as Docker: a runtime cannot start in less


def add_run_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="leave it running and print its ID")
    add("-i", "--interactive", action="store_true", help="hand standard input on")
    add("-t", "--tty", action="store_true", help="give it a terminal")
    add("--rm", action="store_true", help="remove it when it has ended")
    add("--name", default="", metavar="NAME", help="its name")
    many = {"action": "append", "default": []}
    add("-p", "--publish", **many, metavar="[HOST:]PORT", help="reach its port at this one of this machine")  # type: ignore[arg-type]
    add("-P", "--publish-all", action="store_true", help="publish every exposed port at some free one")
    add("--expose", **many, metavar="PORT", help="a port that it listens on")  # type: ignore[arg-type]
    add("--network", "--net", default="bridge", metavar="NAME", help="bridge (its own), host, or none")
    add("-e", "--env", **many, metavar="NAME[=VALUE]", help="a variable; without a value that of this environment")  # type: ignore[arg-type]
    add("--env-file", **many, metavar="FILE", help="variables, a line each")  # type: ignore[arg-type]
    add("-v", "--volume", **many, metavar="SOURCE:TARGET[:ro]", help="a folder of this machine, or a volume by name")  # type: ignore[arg-type]
    add("--mount", **many, metavar="SPEC", help="type=bind|volume|tmpfs,src=…,dst=…,ro")  # type: ignore[arg-type]
    add("--tmpfs", **many, metavar="TARGET[:OPTIONS]", help="an empty folder in memory")  # type: ignore[arg-type]
    add("-w", "--workdir", metavar="DIR", help="the working directory")
    add("-u", "--user", metavar="USER[:GROUP]", help="who runs it, by name or number")
    add("--entrypoint", metavar="PROGRAM", help="in place of the image's ENTRYPOINT and CMD")
    add("--hostname", default="", metavar="NAME", help="its host name")
    add("--add-host", **many, metavar="NAME:ADDRESS", help="a line for /etc/hosts")  # type: ignore[arg-type]
    add("--dns", **many, metavar="ADDRESS", help="a name server in place of this machine's")  # type: ignore[arg-type]
    add("-l", "--label", **many, metavar="NAME[=VALUE]", help="a label of the container")  # type: ignore[arg-type]
    add("--read-only", action="store_true", help="its root file system cannot be written to")
    add("-m", "--memory", metavar="SIZE", help="the most memory that it gets: 512m, 2g")
    add("--cpus", type=float, default=0.0, metavar="NUMBER", help="the most processors that it gets: 1.5")
    add("--pids-limit", type=int, default=0, metavar="NUMBER", help="the most processes that it may have")
    add("--cap-add", **many, metavar="NAME", help="one capability more")  # type: ignore[arg-type]
    add("--cap-drop", **many, metavar="NAME", help="one capability less")  # type: ignore[arg-type]
    add("--privileged", action="store_true", help="all capabilities and no filter of system calls")
    add("--init", action="store_true", help="a small init as its first process")
    add("--stop-signal", metavar="SIGNAL", help="how it is asked to stop")
    add("--stop-timeout", type=int, metavar="SECONDS", help="how long it is given to stop")
    add("--health-cmd", metavar="COMMAND", help="in place of the image's HEALTHCHECK")
    for word, what in (
        ("interval", "between two checks"),
        ("timeout", "that one may take"),
        ("start-period", "in which failures do not count"),
        ("start-interval", "between two checks in that period"),
    ):
        add(f"--health-{word}", metavar="TIME", help=f"the time {what}: 30s, 1m")
    add("--health-retries", type=int, default=0, metavar="NUMBER", help="failures in a row that make it unhealthy")
    add("--no-healthcheck", action="store_true", help="do not run the image's HEALTHCHECK")
    add("--pull", choices=("missing", "always", "never"), default="missing", help="when the image is fetched")
    add("--platform", metavar="OS/ARCH", help="which image of a multi-platform one")
    add("--cidfile", metavar="FILE", help="write the container's ID to this file")


def asked_for(args: argparse.Namespace) -> Asked:
    """Raises UsageError, InputError."""
    if args.image == "p" and args.command and _PORTS.fullmatch(args.command[0]):
        raise UsageError("p is taken for the image's name: its dash is missing", hint=f"write -p {args.command[0]}")
    if args.network not in _NETWORKS:
        raise UsageError(f"--network {args.network}: there is no such network", hint=f"one of {', '.join(_NETWORKS)}")
    if args.name:
        check_name(args.name)
    if args.stop_signal is not None:
        parse_signal(args.stop_signal)
    for spec in args.expose:
        if ":" in spec:
            raise UsageError(f"--expose {spec}: a port of the container alone", hint="-p publishes one")
    for host in args.add_host:
        if ":" not in host:
            raise UsageError(f"--add-host {host}: not NAME:ADDRESS", hint="for example --add-host db:10.0.0.5")
    return Asked(
        command=tuple(args.command),
        entrypoint=args.entrypoint,
        name=args.name,
        env=environment(args.env, args.env_file),
        cwd=args.workdir,
        user=args.user,
        hostname=args.hostname,
        labels=tuple((name, value) for name, _, value in (label.partition("=") for label in args.label)),
        terminal=args.tty,
        stdin=args.interactive,
        detached=args.detach,
        remove=args.rm,
        network=args.network,
        ports=parse_ports(args.publish),
        publish_all=args.publish_all,
        exposed=tuple(f"{port.container}/{port.protocol}" for port in parse_ports(args.expose)),
        hosts=tuple(args.add_host),
        dns=tuple(args.dns),
        mounts=parse_mounts(args.volume, args.mount, args.tmpfs),
        readonly=args.read_only,
        privileged=args.privileged,
        cap_add=tuple(args.cap_add),
        cap_drop=tuple(args.cap_drop),
        limits=_limits(args),
        init=args.init,
        stop_signal=args.stop_signal,
        stop_timeout=args.stop_timeout,
        healthcheck=_healthcheck(args),
        no_healthcheck=args.no_healthcheck,
    )


def _limits(args: argparse.Namespace) -> Limits:
    memory = parse_size(args.memory, "--memory") if args.memory else 0
    if memory and memory < _LEAST_MEMORY:
        raise UsageError(f"--memory {args.memory}: less than 6 MB, in which nothing starts", hint="for example 64m")
    if args.cpus < 0 or (args.cpus and args.cpus < 0.01):
        raise UsageError(f"--cpus {args.cpus}: at least 0.01")
    cpus = os.cpu_count() or 1
    if args.cpus > cpus:
        raise UsageError(f"--cpus {args.cpus}: this machine has {cpus}")
    return Limits(memory, args.cpus, max(0, args.pids_limit))


def parse_size(text: str, flag: str) -> int:
    """``512m``, ``1.5g``, ``1073741824``: bytes. Raises UsageError."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise UsageError(f"{flag} {text}: this is no size", hint="a number with b, k, m or g behind it")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def environment(given: list[str], files: list[str]) -> tuple[str, ...]:
    """``NAME=value``; a ``NAME`` alone has the value of this environment, and is taken away where that has none. Those
    of files come first. Raises InputError for a file that cannot be read."""
    lines = [line for path in files for line in _env_lines(path)]
    return tuple(_variable(text) for text in (*lines, *given))


def _variable(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not name:
        raise UsageError(f"-e {text}: a variable has a name", hint="write -e NAME=VALUE, or NAME for your own value")
    if equals or name not in os.environ:
        return text
    return f"{name}={os.environ[name]}"


def _env_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = [line.lstrip() for line in file.read().splitlines()]
    except OSError as error:
        raise InputError(f"--env-file: the file cannot be read ({error.strerror})", where=path) from None
    for number, line in enumerate(lines, 1):
        name = line.partition("=")[0]
        if line and not line.startswith("#") and (not name or " " in name):
            raise InputError(
                f"{name!r} is no name of a variable", where=f"{path}:{number}", hint="NAME=VALUE, a line each"
            )
    return [line for line in lines if line and not line.startswith("#")]


def _healthcheck(args: argparse.Namespace) -> Healthcheck | None:
    times = {
        word: _duration(getattr(args, f"health_{word}"), f"--health-{word.replace('_', '-')}")
        for word in ("interval", "timeout", "start_period", "start_interval")
    }
    if not args.health_cmd and not any(times.values()) and not args.health_retries:
        return None
    if args.no_healthcheck:
        raise UsageError("--no-healthcheck stands against the other --health flags", hint="leave one out")
    return Healthcheck(("CMD-SHELL", args.health_cmd) if args.health_cmd else (), **times, retries=args.health_retries)


def _duration(text: str | None, flag: str) -> int:
    """Nanoseconds of Go's ``1m30s``."""
    if not text:
        return 0
    units = {"h": 3600 * _SECOND, "m": 60 * _SECOND, "s": _SECOND, "ms": _SECOND // 1000, "us": 1000, "ns": 1}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{flag} {text}: this is no time", hint="for example 30s, 1m30s, 500ms")
    return sum(int(float(number) * units[unit]) for number, unit in parts)

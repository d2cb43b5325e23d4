"""HEALTHCHECK."""

from __future__ import annotations

import re

from lamella.syntax.arguments import read_arguments
from lamella.syntax.command import as_command
from lamella.syntax.duration import parse_duration
from lamella.syntax.flags import Flags, read_flags
from lamella.syntax.instructions import HealthcheckInstruction
from lamella.syntax.request import Request, short
from lamella.syntax.words import Words

_TIMES = ("interval", "timeout", "start-period", "start-interval")
_SHORTEST = 1_000_000  # one millisecond
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")


def type_healthcheck(request: Request) -> HealthcheckInstruction:
    """Dockerfile reference, "HEALTHCHECK"."""
    arguments = read_arguments(request)
    if not arguments.words:
        raise request.refuse(
            "HEALTHCHECK requires at least one argument", "write HEALTHCHECK CMD command, or HEALTHCHECK NONE"
        )
    flags = read_flags(request, texts=(*_TIMES, "retries"))
    kind, *rest = arguments.words
    if kind.upper() == "NONE":
        if rest:
            raise request.refuse("HEALTHCHECK NONE takes no arguments", "remove what stands behind NONE")
        return HealthcheckInstruction(request.node, None, 0, 0, 0, 0, 0)
    if kind.upper() != "CMD":
        raise request.refuse(
            f"unknown type {short(kind)!r} in HEALTHCHECK", "write HEALTHCHECK CMD command, or HEALTHCHECK NONE"
        )
    if not rest:
        raise request.refuse("missing command after HEALTHCHECK CMD", "write the command that tells whether it is well")
    return HealthcheckInstruction(
        node=request.node,
        command=as_command(Words(tuple(rest), arguments.json)),
        interval=_time(request, flags, "interval"),
        timeout=_time(request, flags, "timeout"),
        start_period=_time(request, flags, "start-period"),
        start_interval=_time(request, flags, "start-interval"),
        retries=_retries(request, flags),
    )


def _time(request: Request, flags: Flags, name: str) -> int:
    """Nanoseconds; 0 where it is not given, which stands for the default."""
    for flag in flags.all(name):
        if not flag.value:
            return 0
        time = parse_duration(flag.value)
        if time is None:
            raise request.refuse(
                f"--{name}={short(flag.value)} is no duration",
                "write a number with a unit: 500ms, 30s, 1m30s, 2h",
                at=flag,
            )
        if time != 0 and time < _SHORTEST:
            raise request.refuse(f"--{name}={short(flag.value)} is less than 1ms", "write 1ms or more, or 0", at=flag)
        return time
    return 0


def _retries(request: Request, flags: Flags) -> int:
    for flag in flags.all("retries"):
        if not flag.value:
            return 0
        number = int(flag.value) if _INTEGER.fullmatch(flag.value) else -1
        if not 0 <= number < 2**31:
            raise request.refuse(
                f"--retries={short(flag.value)} is no number of retries", "write a whole number such as 3", at=flag
            )
        return number
    return 0

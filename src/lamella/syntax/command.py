"""RUN, CMD, ENTRYPOINT and SHELL: what is executed, as a shell's text or as words."""

from __future__ import annotations

from lamella.errors import NotSupported
from lamella.syntax.arguments import read_arguments
from lamella.syntax.flags import Flags, read_flags
from lamella.syntax.instructions import Cmd, Command, Entrypoint, Mount, Run, Shell
from lamella.syntax.request import Request, short
from lamella.syntax.words import Words

_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")


def as_command(arguments: Words) -> Command:
    """Exec form for a JSON array, else shell form; no arguments at all are an empty shell text."""
    if arguments.json:
        return Command(None, arguments.words)
    return Command(" ".join(arguments.words), None)


def type_run(request: Request) -> Run:
    """Dockerfile reference, "RUN"."""
    flags = read_flags(request, texts=("network", "security"), lists=("mount", "device"))
    for flag in flags.all("device"):
        raise NotSupported(
            "RUN --device is not supported yet",
            where=request.document.where(flag.line),
            hint="remove the flag, or build this file with BuildKit",
        )
    command = as_command(read_arguments(request))
    if command.exec == ():
        raise request.refuse("RUN [] has no command", 'write RUN ["program", "argument"]')
    return Run(
        node=request.node,
        command=command,
        mounts=_mounts(request, flags),
        network=_choice(request, flags, "network", _NETWORKS),
        security=_choice(request, flags, "security", _SECURITIES),
        heredocs=request.node.heredocs,
    )


def _mounts(request: Request, flags: Flags) -> tuple[Mount, ...]:
    given = flags.all("mount")
    if not given:
        return ()
    from lamella.syntax.mounts import parse_mount  # only where it is needed: start-up time is a feature

    return tuple(parse_mount(request, flag) for flag in given)


def _choice(request: Request, flags: Flags, name: str, values: tuple[str, ...]) -> str:
    """The flag's value, one of ``values``; the first of them where it is not given."""
    for flag in flags.all(name):
        if flag.value not in values:
            raise request.refuse(
                f"{short(flag.value or '')!r} is no value for --{name}", f"write one of {', '.join(values)}", at=flag
            )
        return flag.value
    return values[0]


def type_cmd(request: Request) -> Cmd:
    """Dockerfile reference, "CMD"."""
    read_flags(request)
    return Cmd(request.node, as_command(read_arguments(request)))


def type_entrypoint(request: Request) -> Entrypoint:
    """Dockerfile reference, "ENTRYPOINT"."""
    read_flags(request)
    return Entrypoint(request.node, as_command(read_arguments(request)))


def type_shell(request: Request) -> Shell:
    """Dockerfile reference, "SHELL"; JSON form only."""
    read_flags(request)
    arguments = read_arguments(request)
    hint = 'write SHELL ["executable", "parameter"]'
    if not arguments.words:
        raise request.refuse("SHELL requires at least one argument", hint)
    if not arguments.json:
        raise request.refuse("SHELL requires the arguments to be in JSON form", hint)
    return Shell(request.node, arguments.words)

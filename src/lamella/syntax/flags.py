"""The flags of an instruction, checked against those it knows."""

from __future__ import annotations

from typing import NamedTuple

from lamella.syntax.keywords import nearest
from lamella.syntax.nodes import Flag
from lamella.syntax.request import Request, short


class Flags(NamedTuple):
    """Flags that passed the check. An empty value counts as not given, as in BuildKit."""

    found: tuple[Flag, ...]

    def text(self, name: str) -> str | None:
        return next((flag.value for flag in self.found if flag.name == name and flag.value), None)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(flag.value or "" for flag in self.found if flag.name == name)

    def switch(self, name: str) -> bool | None:
        """True or False for a switch, None where it is not given."""
        flag = next((flag for flag in self.found if flag.name == name), None)
        return None if flag is None else flag.value is None or flag.value.lower() == "true"

    def all(self, name: str) -> tuple[Flag, ...]:
        return tuple(flag for flag in self.found if flag.name == name)


def read_flags(
    request: Request,
    *,
    texts: tuple[str, ...] = (),
    switches: tuple[str, ...] = (),
    lists: tuple[str, ...] = (),
) -> Flags:
    """Checks the instruction's flags: ``texts`` take a value, ``switches`` are ``--x`` or ``--x=true|false``, ``lists``
    take a value and may stand several times. Raises DockerfileError for any other, with the nearest known flag."""
    seen: set[str] = set()
    known = (*texts, *switches, *lists)
    for flag in request.node.flags:
        if flag.name not in known:
            raise _unknown(request, flag, known)
        if flag.name in seen and flag.name not in lists:
            raise request.refuse(f"the flag --{flag.name} is given twice", "keep one of the two", at=flag)
        seen.add(flag.name)
        if flag.name in switches:
            _check_switch(request, flag)
        elif flag.value is None:
            raise request.refuse(
                f"the flag --{flag.name} has no value", f"write --{flag.name}=VALUE, without blanks around =", at=flag
            )
    return Flags(request.node.flags)


def _check_switch(request: Request, flag: Flag) -> None:
    if flag.value is not None and flag.value.lower() not in ("true", "false"):
        raise request.refuse(
            f"the flag --{flag.name} is a switch and cannot be {short(flag.value)!r}",
            f"write --{flag.name}, --{flag.name}=true or --{flag.name}=false",
            at=flag,
        )


def _unknown(request: Request, flag: Flag, known: tuple[str, ...]) -> Exception:
    keyword = request.node.keyword
    if not known:
        hint = f"{keyword} takes no flags; put quotes around a first argument that begins with --"
    else:
        hint = f"did you mean --{nearest(flag.name, known)}? {keyword} knows {', '.join(f'--{name}' for name in known)}"
    return request.refuse(f"unknown flag --{short(flag.name)} of {keyword}", hint, at=flag)

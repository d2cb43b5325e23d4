"""Which shell reads a RUN body: what a SHELL instruction, or Docker's default, means for it."""

from __future__ import annotations

from typing import NamedTuple

#: Docker's default on Linux: dash on Debian, BusyBox ash on Alpine, bash in its POSIX mode on others
DEFAULT_SHELL = ("/bin/sh", "-c")

_POSIX = frozenset({"sh", "ash", "dash"})


class Dialect(NamedTuple):
    """``name`` is ``sh`` (what dash, BusyBox ash and bash in POSIX mode agree on) or ``bash``. ``errexit`` and
    ``nounset`` tell of ``-e`` and ``-u`` among the shell's own arguments."""

    name: str
    errexit: bool = False
    nounset: bool = False

    @property
    def bash(self) -> bool:
        return self.name == "bash"


class UnknownShell(NamedTuple):
    """A shell whose bodies are not touched. ``reason`` is for a person."""

    reason: str


def read_shell(argv: tuple[str, ...]) -> Dialect | UnknownShell:
    """The dialect that ``argv`` (the words of a SHELL instruction) runs bodies in."""
    program = argv[0].rpartition("/")[2] if argv else ""
    arguments = argv[1:]
    if program == "busybox" and arguments[:1] in (("sh",), ("ash",)):
        program, arguments = "sh", arguments[1:]
    if program != "bash" and program not in _POSIX:
        return UnknownShell(f"the shell {program or 'of no name'} is not one that Lamella reads")
    options = _read_options(arguments)
    if options is None or "c" not in options:
        return UnknownShell(f"the shell's arguments are not understood: {' '.join(argv)}")
    if options & {"l", "login", "i", "rcfile", "init-file"}:
        # A body may change the profile, which the next one reads when its shell starts.
        return UnknownShell("the shell reads its start-up files for each RUN")
    name = "bash" if program == "bash" and "posix" not in options else "sh"
    return Dialect(name, bool(options & {"e", "errexit"}), bool(options & {"u", "nounset"}))


def _read_options(arguments: tuple[str, ...]) -> frozenset[str] | None:
    """Letters and long names that are switched on; None where a word is no option."""
    on: set[str] = set()
    words = iter(arguments)
    for word in words:
        if word.startswith("--") and len(word) > 2:
            on.add(word[2:])
        elif word[:1] in "-+" and len(word) > 1:
            letters = set(word[1:])
            names = {next(words, "")} if letters & {"o", "O"} else set()
            change = (letters - {"o", "O"}) | names
            on = on | change if word[0] == "-" else on - change
        else:
            return None
    return frozenset(on)

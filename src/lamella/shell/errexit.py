"""Where ``set -e`` makes a difference.

A shell ignores ``-e`` in every command of an ``&&`` or ``||`` list but the last, also inside of a subshell or a group
there (POSIX, Shell Command Language, "set"). So ``( set -e; a; b ) && c`` goes on after a failing ``a``.
"""

from __future__ import annotations

from lamella.shell.command import Command
from lamella.shell.dialect import Dialect
from lamella.shell.script import Script


def minds_errexit(script: Script, dialect: Dialect) -> bool:
    """Whether the body may end otherwise when it stands before ``&&``."""
    if any(_traps_errors(command) for command in script.commands):
        return True
    if script.plain:
        return False
    return dialect.errexit or any(may_set_errexit(command) for command in script.commands)


def may_set_errexit(command: Command) -> bool:
    """Whether ``-e`` may be on after the command."""
    if command.opaque:
        return True
    if command.name == "shopt":
        return any(word is None or word == "errexit" for word in command.words)
    return command.name == "set" and any(_is_errexit(word) for word in command.words)


def sets_errexit(command: Command) -> bool:
    """Whether the command is a ``set`` that surely switches ``-e`` on."""
    words = command.words
    return (
        command.name == "set" and None not in words and any(_is_errexit(word) for word in words) and "+e" not in words
    )


def _is_errexit(word: str | None) -> bool:
    return word is None or word == "errexit" or (word.startswith("-") and not word.startswith("--") and "e" in word)


def _traps_errors(command: Command) -> bool:
    """``trap … ERR`` (bash, BusyBox) runs exactly where ``-e`` would end the shell."""
    return command.name == "trap" and any(word is None or word.upper() == "ERR" for word in command.words[1:])

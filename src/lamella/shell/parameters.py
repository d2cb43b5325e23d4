"""The parameters that a body reads, and what happens where one of them is not set."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.shell.command import Command
from lamella.shell.dialect import Dialect
from lamella.shell.node import Node
from lamella.shell.script import Script

#: always set in a shell
_ALWAYS = frozenset({*"?#@*-$!0", "PATH", "PWD", "HOME", "IFS", "PPID", "OPTIND", "RANDOM", "UID", "EUID", "HOSTNAME"})
_GUARDS = frozenset({":-", "-", ":+", "+", ":=", "=", "#"})
_REQUIRED = frozenset({":?", "?"})


def read_parameters(script: Script) -> Iterator[str]:
    """Names of parameters that are read, at any depth, as often as they stand there."""
    for expansion, name in _expansions(script.root, script.text):
        del expansion
        yield name


def unset_risk(script: Script, dialect: Dialect, known: frozenset[str]) -> str | None:
    """The first parameter whose absence may end the shell: in ``${x:?}``, or any under ``set -u``.

    ``known`` are names that are set when the body starts. What the body itself assigns before counts as set.
    """
    strict = dialect.nounset or any(_sets_nounset(command) for command in script.commands)
    assigned: dict[str, int] = {}
    for node in script.root.walk():
        if node.kind in ("variable_assignment", "for_statement"):
            for child in node.children:
                if child.kind == "variable_name":
                    since = node.end if node.kind == "variable_assignment" else child.end
                    assigned.setdefault(script.text[child.start : child.end], since)
    for expansion, name in _expansions(script.root, script.text):
        operators = {child.kind for child in expansion.children} if expansion.kind == "expansion" else set()
        wanted = bool(operators & _REQUIRED) or (strict and not operators & _GUARDS)
        if wanted and name not in _ALWAYS and name not in known and assigned.get(name, expansion.end) >= expansion.end:
            return name
    return None


def _expansions(node: Node, text: str) -> Iterator[tuple[Node, str]]:
    reads = node.kind in ("simple_expansion", "expansion", "subscript", "arithmetic_expansion") or node.kind.endswith(
        "_expression"
    )
    for child in node.children:
        if reads and child.kind in ("variable_name", "special_variable_name"):
            yield node, text[child.start : child.end]
        yield from _expansions(child, text)


def _sets_nounset(command: Command) -> bool:
    return command.name == "set" and any(_is_nounset(word) for word in command.words)


def _is_nounset(word: str | None) -> bool:
    return word is None or word == "nounset" or (word.startswith("-") and not word.startswith("--") and "u" in word)

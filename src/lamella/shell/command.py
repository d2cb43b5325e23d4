"""One simple command of a body: its name and words where they are literal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from lamella.shell.node import Node

#: words in front of a command that leave it running in the same shell
_PREFIXES = frozenset({"command", "builtin", "time"})
_UNQUOTE = re.compile(r"\\(.)", re.DOTALL)
_LITERALS = frozenset({"word", "number", "extglob_pattern", "variable_name", "test_operator", "regex"})


class Command(NamedTuple):
    """``name`` is None where it is computed (``$CMD``), but for a path (``$HOME/bin/x``), which is kept as written: no
    built-in or function is called so. A prefix such as ``command`` is passed over. ``words`` are the
    arguments, quotes taken off, None for one that holds an expansion; patterns are kept as written. ``own_shell`` says
    that the body's own shell runs it, not a subshell, a substitution or an end of a pipe. ``assigns`` are the names
    of the variables set in front of it (``A=1 make``). ``redirects`` is what files it is pointed at."""

    name: str | None
    words: tuple[str | None, ...]
    start: int
    end: int
    own_shell: bool
    assigns: tuple[str, ...] = ()
    redirects: tuple[str | None, ...] = ()

    @property
    def opaque(self) -> bool:
        """Whether it runs text in this shell that the tree does not show, or may do so."""
        return self.name is None or self.name in ("eval", ".", "source")

    @property
    def program(self) -> str | None:
        """The name without its folder."""
        return None if self.name is None else self.name.rpartition("/")[2]


def read_command(node: Node, text: str, *, own_shell: bool, redirects: tuple[Node, ...] = ()) -> Command:
    """A ``command``, ``declaration_command``, ``unset_command`` or ``test_command`` of the tree.

    ``redirects`` are the redirections that the grammar puts beside the command.
    """
    words: list[str | None] = []
    assigns: list[str] = []
    targets: list[str | None] = []
    for child in (*node.children, *redirects):
        if child.kind == "file_redirect":
            target, *rest = _redirected(child, text)
            targets.append(target)
            words += rest
        elif child.kind == "variable_assignment" and node.kind == "command":
            assigns.append(text[child.start : child.children[0].end])
        elif child.kind != "herestring_redirect":
            words.append(literal(child, text))
    if node.kind == "test_command":
        words.pop()  # its closing bracket
    if words and words[0] is None:
        words[0] = _written_path(node, text)
    while words and words[0] in _PREFIXES:
        words = _without_prefix(words)
    name, *arguments = words or [None]
    end = redirects[-1].end if redirects else node.end
    return Command(name, tuple(arguments), node.start, end, own_shell, tuple(assigns), tuple(targets))


def _written_path(node: Node, text: str) -> str | None:
    """The command's name as it stands there, where a literal part of it has a slash."""
    name = next((child for child in node.children if child.kind == "command_name"), None)
    if name is None or not any("/" in text[part.start : part.end] for part in _literal_parts(name)):
        return None
    return text[name.start : name.end].strip('"')


def _literal_parts(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.kind in ("word", "string_content", "raw_string"):
            yield child
        elif child.kind in ("concatenation", "string"):
            yield from _literal_parts(child)


def _redirected(node: Node, text: str) -> list[str | None]:
    """Where it points, and the command's further words, which the grammar counts to the redirection."""
    ends = [child for child in node.children if child.kind not in _OPERATORS]
    return [literal(child, text) for child in ends] or [None]


_OPERATORS = frozenset({">", "<", ">>", ">|", "<>", ">&", "<&", "&>", "&>>", "file_descriptor", "<&-", ">&-"})


def _without_prefix(words: list[str | None]) -> list[str | None]:
    """``command -v x`` only asks, and stays what it is; ``command cd x`` is ``cd x``."""
    rest = words[1:]
    while rest and rest[0] in ("-p", "--"):
        rest = rest[1:]
    if not rest or (rest[0] or "").startswith("-"):
        return ["type", *rest]
    return rest


def literal(node: Node, text: str) -> str | None:
    """What a word says once its quotes are off; None where an expansion decides."""
    source = text[node.start : node.end]
    if node.kind == "command_name":
        return literal(node.children[0], text)
    if node.kind == "raw_string":
        return source[1:-1]
    if node.kind == "string":
        return None if _expands(node) else re.sub(r'\\([$`"\\\n])', r"\1", source[1:-1])
    if node.kind == "concatenation":
        parts = [literal(child, text) for child in node.children]
        return None if None in parts else "".join(part for part in parts if part is not None)
    if node.kind == "variable_assignment":
        value = literal(node.children[2], text) if len(node.children) > 2 else ""
        return None if value is None else text[node.start : node.children[1].end] + value
    if node.kind in _LITERALS:
        return _UNQUOTE.sub(r"\1", source)
    if not node.children:
        return source
    return None


def _expands(node: Node) -> bool:
    return any(child.kind not in ('"', "string_content") and child.kind.strip() != '"' for child in node.children)

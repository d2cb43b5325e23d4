"""Several RUN bodies as one with the same meaning.

Each body was a shell of its own, and a failing one ended the build with its status. Two forms keep that:

- ``a && b && c``, with a group around what has ``;`` or ``||`` in it, and a subshell around what changes its shell;
- ``set -e; (a); (b); c`` where a body other than the last depends on ``set -e``, which a shell ignores before ``&&``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lamella.shell.dialect import Dialect
from lamella.shell.errexit import minds_errexit, sets_errexit
from lamella.shell.hazards import find_end, find_hazard
from lamella.shell.lookup import looks_up, remembered
from lamella.shell.node import Node, Unreadable
from lamella.shell.parameters import read_parameters, unset_risk
from lamella.shell.script import Script, is_plain, read_script

#: Linux takes 128 KiB for one argument (MAX_ARG_STRLEN)
MAX_BYTES = 120_000


class Part(NamedTuple):
    """One body in the joined one: its ``script.source`` between ``opening`` and ``closing``. ``rehash`` names a command
    that must be looked up again before it, because an earlier body ran it in the same shell."""

    script: Script
    opening: str
    closing: str
    rehash: str | None = None

    @property
    def text(self) -> str:
        return f"{self.opening}{self.script.source}{self.closing}"


class Joined(NamedTuple):
    """``glue`` stands between the parts: ``&&``, or ``;`` behind the ``prologue`` (``set -e``, or nothing where the
    shell is started with ``-e``)."""

    parts: tuple[Part, ...]
    glue: str
    prologue: str

    @property
    def text(self) -> str:
        """The joined body on one line, comments left out."""
        words = [self.prologue] if self.prologue else []
        for part in self.parts:
            words += ["hash -r", part.text] if part.rehash else [part.text]
        return (" && " if self.glue == "&&" else "; ").join(words)


class Refused(NamedTuple):
    """``body`` is the number of the one that cannot be joined, from 0; ``reason`` is a clause for a person."""

    reason: str
    body: int


def read_body(text: str, dialect: Dialect) -> Script | Unreadable:
    """A body that may be joined with others, or why it has to stay alone."""
    script = read_script(text)
    if isinstance(script, Unreadable):
        return script
    hazard = find_hazard(script, dialect)
    return script if hazard is None else Unreadable(hazard, script.start)


def join_bodies(
    bodies: Sequence[str],
    dialect: Dialect,
    *,
    folder: str | None = None,
    known: frozenset[str] = frozenset(),
) -> Joined | Refused:
    """One body that does what ``bodies`` do one after another, each in a shell of its own, until one fails.

    ``folder`` is the working directory, ``known`` the names of variables that are surely set.
    """
    scripts: list[Script] = []
    for index, body in enumerate(bodies):
        script = read_body(body, dialect)
        if isinstance(script, Unreadable):
            return Refused(script.reason, index)
        end = find_end(script, folder) if index < len(bodies) - 1 else None
        if end is not None:
            return Refused(end, index)
        scripts.append(script)
    return join_scripts(scripts, dialect, known=known)


def join_scripts(
    scripts: Sequence[Script], dialect: Dialect, *, known: frozenset[str] = frozenset()
) -> Joined | Refused:
    """As ``join_bodies``, for bodies that ``read_body`` has let pass and that ``find_end`` lets be followed."""
    strict = any(minds_errexit(script, dialect) for script in scripts[:-1])
    parts: list[Part] = []
    hashed: frozenset[str] = frozenset()
    for index, script in enumerate(scripts):
        last = index == len(scripts) - 1
        part = _strict_part(script, dialect, last=last) if strict else _and_part(script)
        if part.opening.startswith("(") and dialect.bash:
            name = unset_risk(script, dialect, known)
            if name is not None:
                reason = f"${name} may be unset, for which bash exits with 127, but with 1 in parentheses"
                return Refused(reason, index)
        rehash = looks_up(script, hashed)
        own = frozenset() if part.opening.startswith("(") else remembered(script)
        hashed = own if rehash else hashed | own
        parts.append(part._replace(rehash=rehash))
    joined = Joined(tuple(parts), ";" if strict else "&&", "set -e" if strict and not dialect.errexit else "")
    if len(joined.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return Refused("the joined body would be longer than Linux takes as one argument", len(scripts) - 1)
    return joined


def _and_part(script: Script) -> Part:
    """Between ``&&``."""
    if script.changes:
        return _subshell(script)
    return Part(script, "{ ", "; }") if script.listed else Part(script, "", "")


def _strict_part(script: Script, dialect: Dialect, *, last: bool) -> Part:
    """Between ``;`` under ``set -e``. A body that did not ask for ``-e`` must not come to feel it."""
    feels = not dialect.errexit and (not script.plain or "-" in read_parameters(script))
    if not feels and not script.changes and (last or _fails_visibly(script.statements[-1])):
        return Part(script, "", "")
    own = script.first is not None and sets_errexit(script.first)
    return _subshell(script, "set +e; " if feels and not own else "")


def _fails_visibly(last: Node) -> bool:
    """A pipeline of simple commands without ``&&`` and ``!``: its failure is one that ``set -e`` sees."""
    return is_plain(last) and not any(node.kind in ("list", "!") for node in last.walk())


def _subshell(script: Script, prologue: str = "") -> Part:
    nested = not prologue and script.source.startswith("(")  # "((" would begin an arithmetic command
    return Part(script, "( " if nested else f"({prologue}", " )" if nested else ")")

"""What a pass is. One file each in ``rewrite/passes``, with a value ``PASS``.

A pass is pure: it reads a document and says which edits it wants. It may believe the document (it was parsed) and must
leave alone whatever it is not sure of, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamella.shell.dialect import DEFAULT_SHELL
from lamella.syntax.edits import Edit
from lamella.syntax.instructions import TypedInstruction
from lamella.syntax.nodes import Document

#: meaning kept by construction; removes exactly the declared paths; only with ``--unsafe``
SAFE, DECLARED, UNSAFE = "safe", "declared", "unsafe"


class Scope(NamedTuple):
    """What the text does not tell. ``target`` is the stage that is built (None: the last); ``shell`` is the SHELL that
    the base images set."""

    target: str | None = None
    shell: tuple[str, ...] = DEFAULT_SHELL


#: the last stage, on images that set no SHELL
DEFAULT_SCOPE = Scope()


class Change(NamedTuple):
    """Something a pass did. ``lines`` are the first and last in the text that the pass was given; ``layers`` how many
    fewer there will be; ``details`` are further remarks, a sentence each without a full stop."""

    pass_name: str
    lines: tuple[int, int]
    explanation: str
    layers: int = 0
    details: tuple[str, ...] = ()


class LeftAlone(NamedTuple):
    """Something a pass could have touched and did not. ``lines`` as in Change."""

    pass_name: str
    lines: tuple[int, int]
    reason: str


class PassResult(NamedTuple):
    """``declared`` are path patterns that the edits remove from the image on purpose."""

    edits: tuple[Edit, ...] = ()
    changes: tuple[Change, ...] = ()
    left: tuple[LeftAlone, ...] = ()
    declared: tuple[str, ...] = ()


class Pass(NamedTuple):
    """``order`` sorts the passes. ``rules`` are the rules of ``check`` whose findings it mends.

    ``verify`` is given the document before and after, parsed, and says what is wrong with the result, or None: a last
    check that does not share the code which made the edits.
    """

    name: str
    order: int
    kind: str
    summary: str
    rules: tuple[str, ...]
    apply: Callable[[Document, tuple[TypedInstruction, ...], Scope], PassResult]
    verify: Callable[[Document, Document, Scope], str | None]

    def answers_to(self, names: frozenset[str]) -> bool:
        """Whether one of ``names`` is the pass's or that of a rule it mends."""
        return bool(names & {self.name, *self.rules})

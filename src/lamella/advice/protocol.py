"""What a rule is. One file each in ``advice/rules``, with a value ``RULE`` that carries its own examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lamella.advice.facts import Facts
from lamella.syntax.nodes import Span

#: from the gravest
SEVERITIES = ("error", "warning", "info")


class Hit(NamedTuple):
    """What a rule found. ``span`` is in the document's text, ``lines`` the first and last; ``hint`` is what to do."""

    span: Span
    lines: tuple[int, int]
    message: str
    hint: str


class Rule(NamedTuple):
    """``docs`` is a page in Markdown without heading and examples. ``valid`` and ``invalid`` are whole Dockerfiles,
    without and with findings of this rule. ``fixed_by`` names the pass of ``fix`` that mends what the rule finds."""

    name: str
    severity: str
    summary: str
    docs: str
    valid: tuple[str, ...]
    invalid: tuple[str, ...]
    check: Callable[[Facts], Iterable[Hit]]
    fixed_by: str | None = None


class Finding(NamedTuple):
    """``bytes`` is what it costs, None where it was not measured. ``line`` and ``end_line`` count from 1."""

    rule: str
    severity: str
    name: str  # of the Dockerfile, as messages call it
    span: Span
    line: int
    end_line: int
    message: str
    hint: str
    fixable: bool
    bytes: int | None = None

    @property
    def where(self) -> str:
        return f"{self.name}:{self.line}"

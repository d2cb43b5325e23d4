"""The warnings of a build: each is said once, and those that the Dockerfile skips not at all."""

from __future__ import annotations

import threading

from lamella.errors import AnswerNo
from lamella.events import Emit, Note
from lamella.plan.stage import Checks, Warning_


class Warned:
    """Stages that run side by side share it."""

    def __init__(self, checks: Checks, emit: Emit) -> None:
        self._checks = checks
        self._emit = emit
        self._said: dict[Warning_, None] = {}
        self._guard = threading.Lock()

    def say(self, warning: Warning_) -> None:
        with self._guard:
            if warning in self._said or self._checks.skips(warning.rule):
                return
            self._said[warning] = None
        self._emit(Note("warning", warning.text, warning.where))

    def refuse(self) -> None:
        """Raises AnswerNo where a warning was said that has a rule's name; all of them stand in it, by line."""
        warnings = [warning for warning in self._said if warning.rule]
        if warnings:
            warnings.sort(key=lambda warning: int(warning.where.rpartition(":")[2]))
            raise AnswerNo(
                f"the build stops at its warnings, of {', '.join(sorted({warning.rule for warning in warnings}))}",
                where=warnings[0].where,
                detail="\n".join(f"{warning.where}: {warning.text}" for warning in warnings),
                hint="mend them, or name the rules that do not matter: # check=skip=RULE;error=true",
                code="checks",
            )

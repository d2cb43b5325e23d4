"""What every reader of an instruction is given, and how it refuses."""

from __future__ import annotations

from typing import NamedTuple

from lamella.errors import DockerfileError
from lamella.syntax.nodes import Document, Flag, Instruction


class Request(NamedTuple):
    """An instruction to be typed, with the document it stands in."""

    document: Document
    node: Instruction

    def refuse(self, message: str, hint: str, at: Flag | None = None) -> DockerfileError:
        """The error to raise; its place is the flag's line, or the instruction's first one."""
        return DockerfileError(message, where=self.document.where((at or self.node).line), hint=hint)


def short(text: str) -> str:
    """The beginning of a text, short enough for a message."""
    return text if len(text) <= 40 else f"{text[:37]}..."

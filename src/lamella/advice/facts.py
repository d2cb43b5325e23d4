"""What rules share: the document, and what is worked out from it once, when a rule first asks."""

from __future__ import annotations

from functools import cached_property

from lamella.plan.runchain import RunChains, find_chains
from lamella.plan.textstages import TextStage, read_stages
from lamella.shell.dialect import DEFAULT_SHELL
from lamella.syntax.instructions import TypedInstruction
from lamella.syntax.nodes import Document
from lamella.syntax.typed import type_document


class Facts:
    """``target`` is the stage that is built (None: the last); ``shell`` is the SHELL that the base images set.

    Raises DockerfileError for a document with a wrong instruction or without FROM, InputError for an unknown target.
    """

    def __init__(self, document: Document, target: str | None = None, shell: tuple[str, ...] = DEFAULT_SHELL) -> None:
        self.document = document
        self.target = target
        self.shell = shell
        self.typed: tuple[TypedInstruction, ...] = type_document(document)
        self.stages: tuple[TextStage, ...] = read_stages(document, self.typed, target)

    @cached_property
    def runs(self) -> RunChains:
        """RUNs that can be one."""
        return find_chains(self.document, self.typed, target=self.target, shell=self.shell)

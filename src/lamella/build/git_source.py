"""A git repository as what ADD copies."""

from __future__ import annotations

from lamella.build.copyplan import Found
from lamella.build.sources import CopySource
from lamella.build.work import Work
from lamella.errors import NotSupported
from lamella.plan.step import CopyStep


class GitSource:
    def __init__(self, work: Work, step: CopyStep, address: str) -> None:
        raise NotSupported(f"ADD of {address} is not supported yet", where=step.info.where)

    def identity(self) -> str:
        return ""

    def fetch(self) -> tuple[CopySource, Found]:
        raise NotImplementedError

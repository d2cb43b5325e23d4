"""What a mount of RUN is made from, and what it comes to: the same for every type."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from lamella.build.copyplan import Found
from lamella.build.sources import CopySource
from lamella.build.work import Work
from lamella.plan.step import MountStep, RunStep

if TYPE_CHECKING:
    from lamella.runtime.protocol import Mount


class Files(NamedTuple):
    """What a bind mount shows, or a cache begins with: one path of a source."""

    source: CopySource
    found: Found


class Surroundings(NamedTuple):
    """``open`` closes, when the step is over, what its mounts need meanwhile."""

    work: Work
    step: RunStep
    open: ExitStack

    @property
    def where(self) -> str:
        return self.step.info.where


class Ready(NamedTuple):
    """A mount for the sandbox, or None where there is nothing to mount, and variables for the process."""

    mount: Mount | None = None
    env: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """A mount as the step asks for it. ``files`` are there for a bind mount, and for a cache that has ``from``."""

    step: MountStep
    files: Files | None = None

"""Stages and the plan: which stages there are, what each stands on, which ones the target needs."""

from __future__ import annotations

from typing import NamedTuple

from lamella.oci.config import RunConfig
from lamella.oci.platform import Platform
from lamella.plan.step import Source, Step
from lamella.syntax.instructions import From, TypedInstruction
from lamella.syntax.nodes import Document


class BaseScratch(NamedTuple):
    pass


class BaseStage(NamedTuple):
    number: int


class BaseImage(NamedTuple):
    """``reference`` is as written, variables expanded; it may be the name of a ``--build-context``."""

    reference: str


Base = BaseScratch | BaseStage | BaseImage


class PlanOptions(NamedTuple):
    """What the command line says of a build. ``build_args`` are NAME → value; ``named_contexts`` are in the short form
    of images (``alpine`` for ``alpine:latest``)."""

    build_args: tuple[tuple[str, str], ...] = ()
    target: str | None = None
    build_platform: Platform = Platform("linux", "amd64")
    target_platform: Platform = Platform("linux", "amd64")
    named_contexts: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


class Stage(NamedTuple):
    """One FROM and what follows it. ``name`` is lower case. ``platform`` is None where the target's is meant.
    ``needs`` are the numbers of the stages it reads (base, COPY --from, RUN --mount from), sorted."""

    number: int
    name: str | None
    base: Base
    platform: Platform | None
    from_: From
    instructions: tuple[TypedInstruction, ...]
    needs: tuple[int, ...]


class Warning_(NamedTuple):
    """Something odd that does not stop a build. ``rule`` is BuildKit's name for it, "" where it has none."""

    where: str
    message: str
    rule: str = ""

    @property
    def text(self) -> str:
        return f"{self.message} ({self.rule})" if self.rule else self.message


class Checks(NamedTuple):
    """What ``# check=`` says: the rules (in lower case) whose warnings are not wanted; whether others are errors."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    error: bool = False

    def skips(self, rule: str) -> bool:
        return bool(rule) and (self.skip_all or rule.lower() in self.skip)


class Plan(NamedTuple):
    """``target`` is the number of the stage to build; ``order`` the numbers of the stages it needs, itself last,
    each after what it needs. ``global_args`` are the ARGs before the first FROM, with their values."""

    document: Document
    options: PlanOptions
    stages: tuple[Stage, ...]
    target: int
    order: tuple[int, ...]
    global_args: tuple[tuple[str, str | None], ...]
    warnings: tuple[Warning_, ...] = ()
    checks: Checks = Checks()


class StageState(NamedTuple):
    """What a finished stage hands to one that stands on it: config, and the ARGs in scope."""

    config: RunConfig
    platform: Platform
    args: tuple[tuple[str, str | None], ...] = ()


class LoweredStage(NamedTuple):
    """A stage as steps. ``sources`` are every source its steps read."""

    stage: Stage
    steps: tuple[Step, ...]
    state: StageState
    sources: tuple[Source, ...]
    author: str = ""
    warnings: tuple[Warning_, ...] = ()

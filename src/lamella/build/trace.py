"""What each stage of a Dockerfile was when it was built last: which base, which steps, and their cache keys.

Kept as a note of a few lines a stage, by the Dockerfile's path and the stage's name: a miss is explained by what is no
longer as it was then. A build that stops half way keeps what it came to; the steps that it did not reach stay as they
were known before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from lamella.build.base import Base
from lamella.build.level import Level
from lamella.build.request import BuildRequest
from lamella.errors import LamellaError
from lamella.plan.stage import BaseImage, BaseStage, LoweredStage, Plan
from lamella.plan.step import ConfigStep, Step, WorkdirStep
from lamella.store.notes import Notes

_KIND = "trace"


class StepTrace(NamedTuple):
    """``text`` is the instruction as displayed, ``key`` its full cache key."""

    text: str
    key: str


class StageTrace(NamedTuple):
    """``base`` is ``("image", reference, manifest digest)``, ``("stage", name)`` or ``("scratch",)``."""

    base: tuple[str, ...]
    steps: tuple[StepTrace, ...]


class Miss(NamedTuple):
    """A step that was not found in the cache. ``contents`` is None where nobody looked at them, ``asked`` False where
    --no-cache left the cache out."""

    step: str
    level: Level | None
    definition: bytes
    contents: str | None
    asked: bool

    @property
    def number(self) -> int:
        return _number(self.step)


class Running:
    """One stage as it is being built: ``keys`` by the step's number, of steps that are in the cache by now; ``made``
    the numbers of those that were not found there. ``explain`` is called for a miss, None where nobody asks why."""

    def __init__(self, lowered: LoweredStage, base: tuple[str, ...]) -> None:
        self.lowered = lowered
        self.base = base
        self.keys: dict[int, str] = {}
        self.made: set[int] = set()
        self.explain: Callable[[Miss], None] | None = None

    def cached(self, step: str, key: str) -> None:
        """The step is in the cache, found or just put there (the thread that packed its layer says so)."""
        self.keys[_number(step)] = key

    def missed(self, miss: Miss) -> None:
        self.made.add(miss.number)
        if self.explain is not None:
            self.explain(miss)

    def numbers(self) -> list[int]:
        """Of the steps that may be cached."""
        steps = enumerate(self.lowered.steps)
        return [number for number, step in steps if not isinstance(step, ConfigStep) and not _at_root(step)]

    def text(self, number: int) -> str:
        return self.lowered.steps[number].info.text


def _number(step: str) -> int:
    """Of a step in its stage, from its key among the events."""
    return int(step.partition(".")[2])


def _at_root(step: Step) -> bool:
    """``WORKDIR /`` makes nothing."""
    return isinstance(step, WorkdirStep) and not step.path.strip("/")


class Traces:
    """The notes of one Dockerfile: read when first asked for, written once at the end."""

    def __init__(self, notes: Notes, request: BuildRequest) -> None:
        self._notes = notes
        self._place = "\n".join(_place(request))
        self._running: dict[str, Running] = {}

    def begin(self, plan: Plan, lowered: LoweredStage, base: Base) -> Running:
        running = Running(lowered, _describe(plan, lowered, base))
        self._running[_name(lowered)] = running
        return running

    def last(self, lowered: LoweredStage) -> StageTrace | None:
        """The stage in the last build; None where there was none, or nobody knows of it."""
        text = self._notes.get(_KIND, f"{self._place}\n{_name(lowered)}")
        return None if text is None else _decode(text)

    def save(self) -> None:
        """Keeps what this build came to, where that is something new. Losing it costs explanations only."""
        with suppress(LamellaError):
            new: dict[str, str] = {}
            for name, running in self._running.items():
                key = f"{self._place}\n{name}"
                old = self._notes.get(_KIND, key)
                text = _encode(_finished(running, old))
                if text != old:
                    new[key] = text
            if new:
                self._notes.put(_KIND, new)


def _place(request: BuildRequest) -> tuple[str, ...]:
    import os

    path = request.dockerfile or os.path.join(request.context or "", request.name)
    return os.path.abspath(path), str(request.platform or "")


def _name(lowered: LoweredStage) -> str:
    return lowered.stage.name or str(lowered.stage.number)


def _describe(plan: Plan, lowered: LoweredStage, base: Base) -> tuple[str, ...]:
    match lowered.stage.base:
        case BaseImage(reference):
            return ("image", reference, str(base.image.manifest.digest) if base.image is not None else "")
        case BaseStage(number):
            return ("stage", plan.stages[number].name or str(number))
        case _:
            return ("scratch",)


def _finished(running: Running, old: str | None) -> StageTrace:
    numbers = [number for number in running.numbers() if number in running.keys]
    steps = [StepTrace(running.text(number), running.keys[number]) for number in numbers]
    if len(numbers) < len(running.numbers()) and old is not None and (before := _decode(old)) is not None:
        from lamella.build.align import align

        pairs = align([step.text for step in before.steps], [step.text for step in steps])
        steps += before.steps[max(pairs.values(), default=-1) + 1 :]
    return StageTrace(running.base, tuple(steps))


def _encode(trace: StageTrace) -> str:
    return json.dumps(trace, separators=(",", ":"))


def _decode(text: str) -> StageTrace | None:
    """None for what is no trace of this version."""
    try:
        base, steps = json.loads(text)
        return StageTrace(tuple(base), tuple(StepTrace(text, key) for text, key in steps))
    except (ValueError, TypeError):
        return None

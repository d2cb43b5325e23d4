"""What a step is given to work with, and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lamella.build import cache
from lamella.build.level import Level, chain_of
from lamella.build.machine import Machine, content_size
from lamella.build.request import AgentSource, SecretSource
from lamella.build.sources import CopySource
from lamella.build.trace import Miss, Running
from lamella.events import StepFinished
from lamella.layer.packed import PackedLayer, PackItem
from lamella.oci.digest import chain_id
from lamella.oci.platform import Platform
from lamella.plan.step import Source
from lamella.snapshot.protocol import Snapshot
from lamella.store.cache import CacheRecord


def _no_contents(packed: PackedLayer) -> str:
    return ""


class NotBuilt(Exception):
    """Looked for in the cache alone, and not there."""


class Outcome(NamedTuple):
    """``level`` is the file system after the step. ``layer`` False: the step made none. ``created`` is the time for
    the history in nanoseconds, None for now. ``finished`` waits for the packing and tells the layer's content in bytes
    and what it all took in seconds; None where there is no layer."""

    level: Level | None
    layer: bool = False
    cached: bool = False
    created: int | None = None
    finished: Callable[[], tuple[int, float]] | None = None


class Work(NamedTuple):
    """One stage's surroundings. ``open_source`` waits for the stage it names; ``step`` is the running step's event
    key; ``network`` is the command line's choice for RUN, ``platform`` that of the programs it runs. With
    ``only_cached`` a step that the cache does not hold raises NotBuilt instead of being executed. ``secrets`` and
    ``agents`` are for the mounts of RUN. ``running`` is told of every hit and miss."""

    machine: Machine
    open_source: Callable[[Source, str], CopySource]
    use_cache: bool
    network: str
    platform: Platform
    step: str = ""
    only_cached: bool = False
    secrets: tuple[SecretSource, ...] = ()
    agents: tuple[AgentSource, ...] = ()
    running: Running | None = None

    def find_cached(
        self, level: Level | None, definition: bytes, contents: str = "", *, alone: bool = False
    ) -> Outcome | None:
        """The step's outcome from the cache. ``alone``: its layer does not depend on what is below it."""
        below = None if alone else level
        found = cache.find(self.machine, below, definition, contents) if self.use_cache else None
        if found is None:
            self._missed(below, definition, contents)
            return None
        if self.running is not None:
            self.running.cached(self.step, found.key)
        return _from_record(level, found)

    def may_be_cached(self, level: Level | None, definition: bytes, *, alone: bool = False) -> bool:
        """Whether to look at what the step reads and ask :meth:`find_cached`; False is a miss."""
        below = None if alone else level
        known = self.use_cache and cache.may_hit(self.machine, below, definition)
        if not known:
            self._missed(below, definition, None)
        return known

    def _missed(self, level: Level | None, definition: bytes, contents: str | None) -> None:
        if self.only_cached:
            raise NotBuilt
        if self.running is not None:
            self.running.missed(Miss(self.step, level, definition, contents, self.use_cache))

    def pack(
        self,
        level: Level | None,
        items: Callable[[], Iterable[PackItem]],
        definition: bytes,
        where: str,
        *,
        contents: Callable[[PackedLayer], str] = _no_contents,
        snapshot: Snapshot | None = None,
        started: float | None = None,
        alone: bool = False,
    ) -> Outcome:
        """Packs the step's layer beside what follows, and remembers it in the cache, ``alone`` or as one on ``level``.

        ``contents`` gives the last part of the cache key; ``snapshot`` is the file system after the step where one
        was made; ``started`` (perf_counter seconds) is when the step began, if not now."""
        began = time.perf_counter() if started is None else started
        machine = self.machine
        told: list[tuple[int, float]] = []

        def packed(result: PackedLayer) -> None:
            size, seconds = content_size(result.entries), time.perf_counter() - began
            told.append((size, seconds))
            machine.emit(StepFinished(self.step, False, seconds, size))
            below = None if alone else level
            key = cache.record(machine, below, definition, contents(result), result, seconds=seconds)
            if self.running is not None:
                self.running.cached(self.step, key)
            if snapshot is not None:
                machine.snapshotter.bind(snapshot, chain_id(chain_of(level), result.diff_id))

        task = machine.pack(items, where, packed)

        def finished() -> tuple[int, float]:
            task.result()
            return told[0]

        return Outcome(Level(level, task, snapshot), layer=True, created=machine.started, finished=finished)


def _from_record(level: Level | None, found: CacheRecord) -> Outcome:
    if found.layer is None:
        return Outcome(level, cached=True, created=found.created)
    known = (found.content_size, 0.0)
    return Outcome(Level(level, found.layer), layer=True, cached=True, created=found.created, finished=lambda: known)

"""Which steps share a layer. Steps are cached one by one, whatever the policy; it is chosen when the image is put
together, from the layers that the steps made.

``faithful``  one layer a step, as BuildKit makes them
``tight``     neighbours of the same kind share one; what is not there in the end is in none
``single``    all of them in one, above the base image

A comment ``# lamella: layer`` above an instruction begins a new layer there, under every policy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lamella.build.level import Level, chain_of, stack
from lamella.events import StepFinished, StepStarted
from lamella.plan.key import cache_key
from lamella.plan.step import CopyStep, RunStep, SourceImage, SourceStage, Step
from lamella.store.cache import CacheRecord

if TYPE_CHECKING:
    from lamella.build.machine import Machine
    from lamella.image.regroup import Joined
    from lamella.oci.config import HistoryEntry
    from lamella.oci.image import LayerRef

POLICIES = ("faithful", "tight", "single")
_VERSION = "lamella-join-1"


class MadeLayer(NamedTuple):
    """The layer of one step. ``position`` is that of its history entry. ``begins``: ``# lamella: layer`` stands above
    the step. ``shared``: others have the layers below too. ``kind`` and ``alone`` are as in ``image.regroup.Part``."""

    position: int
    kind: str
    begins: bool = False
    shared: bool = False
    alone: bool = False


class _Chosen(NamedTuple):
    """A layer of the image: the steps' layers that it stands for, by their numbers, and the one that completes it."""

    layer: LayerRef
    parts: range
    part: int


def made_layer(step: Step, position: int, *, shared: bool) -> MadeLayer:
    """COPY --link asks for a layer of its own, so that others may have it too."""
    return MadeLayer(position, _kind(step), step.info.begins_layer, shared, isinstance(step, CopyStep) and step.linked)


def _kind(step: Step) -> str:
    """What changes together is of one kind: joining it costs those nothing who have a part of it already."""
    if isinstance(step, RunStep):
        return "run"
    if not isinstance(step, CopyStep):
        return "folder"
    if isinstance(step.source, SourceStage):
        return "stage"
    if isinstance(step.source, SourceImage):
        return "image"
    return "remote" if step.remotes else "context"


def layered(
    machine: Machine, policy: str, level: Level | None, made: Sequence[MadeLayer], history: Sequence[HistoryEntry]
) -> tuple[tuple[LayerRef, ...], tuple[HistoryEntry, ...]]:
    """The image's layers above its base, bottom first, and its whole history. ``made`` describes the uppermost levels
    of ``level``, one each. Waits for the packing."""
    levels = stack(level)
    own = [one.layer for one in levels[len(levels) - len(made) :]]
    if policy == "faithful" or not made:
        return tuple(own), tuple(history)
    from lamella.image.regroup import join_history

    base = levels[len(levels) - len(made) - 1] if len(levels) > len(made) else None
    chosen = _choose(machine, policy, base, own, made)
    positions = [one.position for one in made]
    return tuple(one.layer for one in chosen), join_history(history, positions, [one[1:] for one in chosen])


def _choose(
    machine: Machine, policy: str, base: Level | None, own: Sequence[LayerRef], made: Sequence[MadeLayer]
) -> list[_Chosen]:
    if policy == "single":
        made = [MadeLayer(one.position, "", one.begins) for one in made]
    memory = _Memory(machine, base, own, made)
    known = memory.recall()
    if known is not None:
        return known
    from lamella.image.regroup import Part, regroup

    contents = [machine.contents(layer) for layer in own]
    parts = [
        Part(entries, one.kind, one.begins or one.shared, one.alone)
        for entries, one in zip(contents, made, strict=True)
    ]
    joined = regroup(machine.tree(base), parts)
    chosen = _pack(machine, [one.layer for one in stack(base)], own, joined, policy)
    memory.keep(chosen)
    return chosen


def _pack(
    machine: Machine, below: list[LayerRef], own: Sequence[LayerRef], joined: Sequence[Joined], policy: str
) -> list[_Chosen]:
    from lamella.store.repack import repack

    started = time.perf_counter()
    layers = f"{len(joined)} layer{'' if len(joined) == 1 else 's'}"
    machine.emit(StepStarted(policy, "[layers]", f"{policy}: {layers} of {len(own)} steps", ""))
    chosen = []
    size = 0
    for one in joined:
        layer = own[one.part]
        if not one.kept:
            packed = repack(
                machine.store,
                one.entries,
                [*below, *own],
                compression=machine.compression,
                clamp_mtime=machine.epoch,
                cancelled=lambda: machine.abandoned,
            )
            layer = packed.ref
            size += sum(entry.size for entry in packed.entries)
        chosen.append(_Chosen(layer, one.parts, one.part))
    machine.emit(StepFinished(policy, False, time.perf_counter() - started, size))
    return chosen


class _Memory:
    """The cache's record of how these very layers were put together: one for each layer of the image, and one without
    a layer behind the last."""

    def __init__(
        self, machine: Machine, base: Level | None, own: Sequence[LayerRef], made: Sequence[MadeLayer]
    ) -> None:
        marks = [[one.kind, one.begins, one.shared, one.alone] for one in made]
        definition = [_VERSION, machine.compression, machine.epoch, marks, [layer.diff_id for layer in own]]
        self._definition = json.dumps(definition, separators=(",", ":")).encode("ascii")
        self._parent = chain_of(base) or ""
        self._machine = machine

    def recall(self) -> list[_Chosen] | None:
        chosen: list[_Chosen] = []
        while (found := self._machine.store.cache.get(self._key(len(chosen)))) is not None:
            if found.layer is None:
                return chosen
            start, stop, part = map(int, found.contents.split())
            chosen.append(_Chosen(found.layer, range(start, stop), part))
        return None

    def keep(self, chosen: Sequence[_Chosen]) -> None:
        for number, one in enumerate(chosen):
            self._put(number, one.layer, f"{one.parts.start} {one.parts.stop} {one.part}")
        self._put(len(chosen), None, "")

    def _key(self, number: int) -> str:
        return cache_key(self._parent, self._definition, str(number))

    def _put(self, number: int, layer: LayerRef | None, contents: str) -> None:
        record = CacheRecord(
            key=self._key(number),
            layer=layer,
            parent_chain=self._parent,
            content_size=0,
            seconds=0.0,
            created=self._machine.started,
            definition=self._definition,
            contents=contents,
            prefix=cache_key(self._parent, self._definition),
        )
        self._machine.store.cache.put(record)

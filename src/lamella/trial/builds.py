"""One build for a trial: built, measured, opened for comparison, and not left behind in the list of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self

from lamella.build.request import BuildRequest, BuildResult
from lamella.events import Emit, Event, StepErrored, StepFinished, StepOutput, StepStarted
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import Image
from lamella.prove.model import Side
from lamella.prove.open import open_side
from lamella.store.store import Store
from lamella.trial.verdict import Measure

Build = Callable[[BuildRequest, Store, Emit], BuildResult]


class Built(NamedTuple):
    """``layers`` are those of the image, ``cached`` those that a step took from the cache."""

    side: Side
    measure: Measure
    layers: frozenset[DiffID]
    cached: frozenset[DiffID]


class Builds:
    """Builds without names. Use it in a ``with``: what it put into the list of images is taken out at the end; the
    layers stay in the cache until garbage is collected."""

    def __init__(self, store: Store, emit: Emit, build: Build) -> None:
        self._store = store
        self._emit = emit
        self._build = build
        self._made: list[Digest] = []
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for image in self._store.images.list():
            if image.descriptor.digest in self._made and not image.names:  # somebody may have named it meanwhile
                self._store.images.forget(image.descriptor.digest)

    def build(self, request: BuildRequest, name: str) -> Built:
        """Raises what a build raises; ``name`` is what the comparison calls it."""
        known = {entry.descriptor.digest for entry in self._store.images.entries()}
        self._number += 1
        result = self._build(
            request._replace(tags=(), remember=False), self._store, _numbered(self._emit, self._number)
        )
        if result.manifest.digest not in known:
            self._made.append(result.manifest.digest)
        image = self._store.images.get(result.manifest.digest).image
        return Built(
            open_side(image, self._store, name),
            self._measure(result, image),
            frozenset(image.config.diff_ids),
            frozenset(step.layer.diff_id for step in result.steps if step.cached and step.layer is not None),
        )

    def _measure(self, result: BuildResult, image: Image) -> Measure:
        return Measure(
            result.image_id,
            _added(result, image),
            len(image.layers),
            sum(self._store.layers.uncompressed_size(layer.diff_id) for layer in image.layers),
            sum(layer.blob.size for layer in image.layers),
            result.seconds,
            len(result.steps),
            sum(step.cached for step in result.steps),
        )


def _numbered(emit: Emit, number: int) -> Emit:
    """Steps of several builds told apart."""

    def pass_on(event: Event) -> None:
        if isinstance(event, StepStarted | StepOutput | StepFinished | StepErrored):
            event = event._replace(step=f"{number}:{event.step}")
        emit(event)

    return pass_on


def _added(result: BuildResult, image: Image) -> int:
    """Layers from the top down that a step of this build made; below them lies the base."""
    made = [step.layer.diff_id for step in result.steps if step.layer is not None]
    return min(len(made), _leading(layer.diff_id in made for layer in reversed(image.layers)))


def _leading(flags: Iterable[bool]) -> int:
    count = 0
    for flag in flags:
        if not flag:
            break
        count += 1
    return count

"""The sizes after a build: what each step added, wrote again and lost later, and what the image came to.

What steps added is counted on the layers that they made, whatever layers the image has. It follows from these layers
alone, so it is worked out once and kept as a note: a cached build reads a row.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from lamella.build.request import BuildResult, StageLayers
from lamella.errors import LamellaError
from lamella.insight.growth import Growth, LargeFile, LayerGrowth
from lamella.oci.digest import chain_ids
from lamella.oci.image import LayerRef
from lamella.store.store import Store

_KIND = "growth"


class StepSizes(NamedTuple):
    """A step of the build; ``growth`` is None where it made no layer."""

    position: int
    growth: LayerGrowth | None


class StageSizes(NamedTuple):
    """``target`` marks the stage that became the image; what the others hold is not in it."""

    name: str
    target: bool
    base: str
    base_layers: int
    base_growth: LayerGrowth
    steps: tuple[StepSizes, ...]


class Brought(NamedTuple):
    """One of the largest files; ``step`` is a position in the result's steps, None for the base."""

    path: str
    bytes: int
    step: int | None


class BuildSizes(NamedTuple):
    """``compressed`` are the bytes of the image's blobs of layers, ``unpacked`` those of file contents in its layers.
    ``stages`` are in the order they were built, the target last."""

    stages: tuple[StageSizes, ...]
    compressed: int
    unpacked: int
    base_layers: int
    added_layers: int
    largest: tuple[Brought, ...]


def build_sizes(result: BuildResult, store: Store) -> BuildSizes:
    """Raises what reading a table of contents does."""
    told: set[int] = set()
    stages: list[StageSizes] = []
    largest: tuple[Brought, ...] = ()
    for stage in result.stages:
        growth = _growth(stage, store)
        stages.append(_stage(stage, growth, result, told, target=not stages))
        if len(stages) == 1:
            largest = tuple(_brought(file, stage) for file in growth.largest)
    base = result.stages[0].base_layers
    return BuildSizes(
        tuple(reversed(stages)),
        sum(layer.blob.size for layer in result.layers),
        sum(store.layers.measure(layer, store.blobs).content for layer in result.layers),
        base,
        len(result.layers) - base,
        largest,
    )


def as_json(sizes: BuildSizes, result: BuildResult) -> dict[str, Any]:
    """The event ``sizes`` of ``build --progress json``, version 1."""
    growth = {step.position: step.growth for stage in sizes.stages for step in stage.steps}
    in_image = {step.position for stage in sizes.stages if stage.target for step in stage.steps}
    target = sizes.stages[-1]
    return {
        "event": "sizes",
        "schema": 1,
        "platform": str(result.config.platform),
        "base": {"reference": target.base, "layers": target.base_layers, **_numbers(target.base_growth)},
        "steps": [
            {
                "where": step.where,
                "text": step.text,
                "stage": step.stage,
                "in_image": position in in_image,
                "cached": step.cached,
                "seconds": round(step.seconds, 3),
                "layer": str(step.layer.diff_id) if step.layer is not None else None,
                **_numbers(growth.get(position)),
            }
            for position, step in enumerate(result.steps)
        ],
        "image": {"compressed": sizes.compressed, "unpacked": sizes.unpacked},
        "layers": {
            "base": sizes.base_layers,
            "added": sizes.added_layers,
            "total": sizes.base_layers + sizes.added_layers,
        },
        "largest": [
            {
                "path": file.path,
                "bytes": file.bytes,
                "where": result.steps[file.step].where if file.step is not None else None,
            }
            for file in sizes.largest
        ],
    }


def _numbers(growth: LayerGrowth | None) -> dict[str, int | None]:
    return dict(zip(LayerGrowth._fields, growth or (None,) * 3, strict=True))


def _stage(stage: StageLayers, growth: Growth, result: BuildResult, told: set[int], *, target: bool) -> StageSizes:
    """A step of a stage that several stand on is told once, with the target where that is one of them."""
    base, *each = growth.layers
    by_step = dict(zip(stage.steps, each, strict=True))
    mine = [
        position
        for position, step in enumerate(result.steps)
        if position not in told and (position in by_step or (step.layer is None and step.stage in stage.numbers))
    ]
    told.update(mine)
    steps = tuple(StepSizes(position, by_step.get(position)) for position in mine)
    return StageSizes(stage.name, target, stage.base, stage.base_layers, base, steps)


def _brought(file: LargeFile, stage: StageLayers) -> Brought:
    return Brought(file.path, file.bytes, stage.steps[file.layer - 1] if file.layer else None)


def _growth(stage: StageLayers, store: Store) -> Growth:
    if not stage.layers:
        return Growth((LayerGrowth(0, 0, 0),), ())
    chain = chain_ids(tuple(layer.diff_id for layer in stage.layers))[-1]
    key = f"{chain} {stage.base_layers}"
    kept = _decode(store.notes.get(_KIND, key), len(stage.steps) + 1)
    if kept is not None:
        return kept
    from lamella.insight.growth import measure_growth

    growth = measure_growth([_contents(store, layer) for layer in stage.layers], stage.base_layers)
    with suppress(LamellaError):  # the image is there, whether there is room for a note or not
        store.notes.put(_KIND, {key: json.dumps(growth, separators=(",", ":"))})
    return growth


def _contents(store: Store, layer: LayerRef) -> list[Any]:
    store.layers.ensure_toc(layer)
    return list(store.layers.toc(layer.diff_id))


def _decode(text: str | None, layers: int) -> Growth | None:
    """None for what is no note of this version."""
    try:
        each, largest = json.loads(text or "")
        growth = Growth(tuple(LayerGrowth(*sums) for sums in each), tuple(LargeFile(*file) for file in largest))
    except (ValueError, TypeError):
        return None
    return growth if len(growth.layers) == layers else None

"""Layers of an image that exists, put together into one; those below and above stay as they are."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.errors import UsageError
from lamella.filetree.tree import merge_layers
from lamella.image.assemble import from_config
from lamella.image.regroup import Part, join_history, regroup
from lamella.oci.config import HistoryEntry
from lamella.oci.image import Image, LayerRef
from lamella.store.repack import repack
from lamella.store.store import Store


def squash(store: Store, image: Image, first: int, last: int, *, clamp_mtime: int | None = None) -> Image:
    """``image``, whose layers are in the store, with those from ``first`` to ``last`` (from 0, both counted) as one, or
    none where nothing of them is left. The file system stays the same. What it returns is not stored, its new layer
    is. Raises UsageError for numbers that the image does not have, ImageInvalid, NotFound, StoreDamaged."""
    layers = image.layers
    if not 0 <= first <= last < len(layers):
        raise UsageError(
            f"there are no layers {first} to {last} in an image of {len(layers)}",
            hint="layers are counted from 0, the lowest; 'lamella explain IMAGE' shows them",
        )
    for layer in layers[: last + 1]:
        store.layers.ensure_toc(layer)
    names = [str(layer.blob.digest) for layer in layers[:first]]
    below = merge_layers((list(store.layers.toc(layer.diff_id)) for layer in layers[:first]), names)
    parts = [Part(list(store.layers.toc(layer.diff_id))) for layer in layers[first : last + 1]]
    joined = regroup(below, parts)
    made = [
        layers[first + one.part]
        if one.kept
        else repack(store, one.entries, layers[: last + 1], clamp_mtime=clamp_mtime).ref
        for one in joined
    ]
    stack = [
        *((range(number, number + 1), number) for number in range(first)),
        *((range(first, last + 1), first + one.part) for one in joined),
        *((range(number, number + 1), number) for number in range(last + 1, len(layers))),
    ]
    return _with_layers(image, [*layers[:first], *made, *layers[last + 1 :]], stack)


def _with_layers(image: Image, layers: Sequence[LayerRef], stack: Sequence[tuple[range, int]]) -> Image:
    config = image.config
    history = _history(config.history, len(config.diff_ids), stack)
    changed = config._replace(diff_ids=tuple(layer.diff_id for layer in layers), history=history)
    return from_config(changed, [layer.blob for layer in layers], image.manifest.annotations)


def _history(
    history: tuple[HistoryEntry, ...], layers: int, stack: Sequence[tuple[range, int]]
) -> tuple[HistoryEntry, ...]:
    """As many entries with a layer as there are layers. Where the old one did not fit, nobody knows which entry goes
    with which layer; the uppermost then get them."""
    positions = [number for number, entry in enumerate(history) if not entry.empty_layer]
    if len(positions) == layers:
        return join_history(history, positions, stack)
    empty = len(history) - len(stack)
    entries = [entry._replace(empty_layer=number < empty) for number, entry in enumerate(history)]
    return (*[HistoryEntry(comment="(not in the history)")] * -empty, *entries)

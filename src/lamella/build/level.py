"""The file system of a stage as it grows, one level a layer; stages that share levels share the objects.

A level may still be being packed. Its layer, chain ID and tree wait for that; its snapshot, where a step has made
one, does not: that is how packing overlaps the next step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from lamella.build.task import Task
from lamella.filetree.entry import Entry
from lamella.filetree.tree import apply_layer, merge_layers, named_layer
from lamella.oci.digest import ChainID, chain_id
from lamella.oci.image import LayerRef
from lamella.snapshot.protocol import Snapshot

Contents = Callable[[LayerRef], "list[Entry]"]


class Level:
    """``below`` is None for the first layer. ``layer`` is settled, or a task that packs it."""

    def __init__(self, below: Level | None, layer: LayerRef | Task[LayerRef], snapshot: Snapshot | None = None) -> None:
        self.below = below
        self._layer = layer
        self.snapshot = snapshot
        self._chain: ChainID | None = None
        self._tree: dict[str, Entry] | None = None
        self._lock = threading.Lock()

    @property
    def settled(self) -> bool:
        """Whether ``layer`` and ``chain`` can be told without waiting."""
        level: Level | None = self
        while level is not None and level._chain is None:
            if isinstance(level._layer, Task) and level._layer.running:
                return False
            level = level.below
        return True

    @property
    def layer(self) -> LayerRef:
        """Waits for the packing; raises what it raised."""
        if isinstance(self._layer, Task):
            self._layer = self._layer.result()
        return self._layer

    @property
    def chain(self) -> ChainID:
        if self._chain is None:
            for level in stack(self):
                if level._chain is None:
                    below = level.below._chain if level.below is not None else None
                    level._chain = chain_id(below, level.layer.diff_id)
        assert self._chain is not None
        return self._chain

    def tree(self, contents: Contents) -> dict[str, Entry]:
        """The merged file system, path to entry. Shared: not to be changed by the caller."""
        with self._lock:
            if self._tree is None:
                below = self.below
                known = below._tree if below is not None else {}
                if known is not None:
                    with named_layer(str(self.layer.blob.digest)):
                        self._tree = apply_layer(dict(known), contents(self.layer))  # it works in place
                else:
                    layers = [level.layer for level in stack(self)]
                    self._tree = merge_layers(map(contents, layers), [str(layer.blob.digest) for layer in layers])
            return self._tree


def stack(level: Level | None) -> list[Level]:
    """All levels, bottom first."""
    levels = []
    while level is not None:
        levels.append(level)
        level = level.below
    levels.reverse()
    return levels


def chain_of(level: Level | None) -> ChainID | None:
    """None for the empty file system."""
    return level.chain if level is not None else None


def tree_of(level: Level | None, contents: Contents) -> dict[str, Entry]:
    return level.tree(contents) if level is not None else {}

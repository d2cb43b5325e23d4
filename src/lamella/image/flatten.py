"""Layers put together into one: what it has to hold."""

from __future__ import annotations

from collections.abc import Iterable

from lamella.filetree.changeset import changes_as_layer
from lamella.filetree.entry import Entry
from lamella.filetree.tree import apply_layer, merge_layers


def flatten(lower: Iterable[Iterable[Entry]], layers: Iterable[Iterable[Entry]]) -> list[Entry]:
    """The entries of the one layer that does on ``lower`` what ``layers`` do (each bottom first): in the order to pack
    them, with whiteouts only of what ``lower`` holds. Entries should have content digests, or files that came back as
    they were are kept a second time. Raises ImageInvalid."""
    before = merge_layers(lower)
    after = dict(before)
    for entries in layers:
        apply_layer(after, entries)
    return changes_as_layer(before, after)

"""Waste: bytes of an image's layers that its final file system does not use, and contents it holds twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lamella.filetree.entry import Entry
from lamella.insight.attribution import Attribution, attribute_layers

DUPLICATE = "duplicate"


class WastedPath(NamedTuple):
    """``path`` is absolute. ``why``: ``deleted``, ``opaque``, ``overwritten``, ``metadata`` or ``duplicate``.

    Layers count from 0, the base's included; ``hidden_by`` is None for a duplicate, whose ``twin`` is the path that
    is kept. ``change`` says of a metadata copy what it changed (``mode``, ``owner``, ``xattrs``, ``mtime``).
    """

    path: str
    bytes: int
    why: str
    brought_by: int
    hidden_by: int | None
    change: str = ""
    twin: str = ""


class Waste(NamedTuple):
    """``bytes`` are what the final file system does not use, ``used`` what it does: together all bytes of file
    content in the layers. ``duplicate_bytes`` are part of ``used``. ``paths`` come largest first."""

    bytes: int
    duplicate_bytes: int
    used: int
    paths: tuple[WastedPath, ...]


def measure_waste(layers: Iterable[Sequence[Entry]], names: Iterable[str] = ()) -> Waste:
    """From the tables of contents of the layers, bottom first, with content digests. Raises ImageInvalid as merging
    does."""
    return waste_of(attribute_layers(layers, names))


def waste_of(attribution: Attribution) -> Waste:
    """The same, for one who has walked the layers already."""
    lost = [
        WastedPath("/" + loss.path, loss.bytes, loss.why, loss.brought_by, loss.hidden_by, loss.change)
        for loss in attribution.losses
        if loss.bytes
    ]
    twins = _duplicates(attribution)
    return Waste(
        sum(path.bytes for path in lost),
        sum(path.bytes for path in twins),
        sum(entry.size for _, entry in attribution.files),
        tuple(sorted(lost + twins, key=lambda path: (-path.bytes, path.path, path.brought_by))),
    )


def _duplicates(attribution: Attribution) -> list[WastedPath]:
    """Files with the content of another; the one that came first (lowest layer, first path) is kept."""
    groups: dict[str, list[tuple[int, str, int]]] = {}
    for path, entry in attribution.files:
        if entry.size and entry.digest:
            groups.setdefault(entry.digest, []).append((attribution.layers[path], path, entry.size))
    found: list[WastedPath] = []
    for group in groups.values():
        (_, first, _), *others = sorted(group)
        found += [
            WastedPath("/" + path, size, DUPLICATE, layer, None, twin="/" + first) for layer, path, size in others
        ]
    return found

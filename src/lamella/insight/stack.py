"""The layer stack: instructions on one side, layers on the other, each instruction joined to its layer.

A stack is made from an image (measured) or from a prediction (before anything is built); the screens draw both alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lamella.filetree.entry import FILE, Entry
from lamella.image.regroup import IN_A_LATER_LAYER, NOTHING_LEFT
from lamella.insight.created_by import LAYERED, parse_created_by
from lamella.oci.config import HistoryEntry


class LayerBytes(NamedTuple):
    """One layer of an image. ``content`` is bytes of file contents (a hard link adds none), ``compressed`` those of
    the stored blob; ``entries`` counts what its tar holds."""

    digest: str
    diff_id: str
    content: int
    compressed: int
    entries: int = 0


class Base(NamedTuple):
    """What the image stands on; ``reference`` is "" for an image whose base nobody knows. ``layers`` and ``size``
    (content bytes) are None where the base is not at hand, ``entries`` counts its history, ``line`` is that of its
    FROM."""

    reference: str
    layers: int | None
    size: int | None
    entries: int = 0
    line: int | None = None


class Row(NamedTuple):
    """One instruction. ``line`` is None where no Dockerfile is at hand. ``layer`` says whether it makes one,
    ``number`` which (from 0, the base's counted, None where not known). ``size`` is content bytes, None where not
    known; ``compressed`` likewise; ``measured`` False marks a prediction. ``in_base`` rows came with the base."""

    line: int | None
    instruction: str
    text: str
    layer: bool
    reason: str
    size: int | None = None
    measured: bool = False
    number: int | None = None
    compressed: int | None = None
    in_base: bool = False


class Stack(NamedTuple):
    """``target`` is the stage's name or number, or the image's name; ``title`` what people see in its place.
    ``added`` counts the layers above the base. ``notes`` are remarks for people, such as a history that does not fit
    the layers."""

    target: str
    dialect: str
    base: Base
    rows: tuple[Row, ...]
    added: int
    layers: tuple[LayerBytes, ...] = ()
    notes: tuple[str, ...] = ()
    title: str = ""

    @property
    def total(self) -> int | None:
        """None where the base's layers are not known."""
        return None if self.base.layers is None else self.base.layers + self.added

    @property
    def size(self) -> int | None:
        """Content bytes of all layers, None where one is not known."""
        sizes = [row.size for row in self.rows if row.layer and not row.in_base]
        if self.base.size is None or None in sizes:
            return None
        return self.base.size + sum(size for size in sizes if size is not None)


def layer_content(entries: Sequence[Entry]) -> int:
    """Bytes of file contents that a layer holds."""
    return sum(entry.size for entry in entries if entry.kind == FILE)


def image_stack(
    target: str,
    history: Sequence[HistoryEntry],
    layers: Sequence[LayerBytes],
    base: Base,
) -> Stack:
    """Joins the history of an image to its layers, bottom first.

    Real histories lie. When the counts agree, entry and layer go together in order. With too few entries the lowest
    layers stay without one; with too many, entries that only change the config are taken as making no layer, and
    what is then still too much, from the oldest on, is said to have none.
    """
    makes, notes = _reconcile(history, len(layers))
    base_layers = base.layers or 0
    number = len(layers) - sum(makes)
    rows = [_nameless(layer, index, base_layers) for index, layer in enumerate(layers[:number])]
    for index, (entry, has_layer) in enumerate(zip(history, makes, strict=True)):
        if has_layer:
            rows.append(_layer_row(entry, layers[number], number, number < base_layers))
            number += 1
        else:
            rows.append(_empty_row(entry, index < base.entries))
    return Stack(target, "", base, tuple(rows), len(layers) - base_layers, tuple(layers), notes)


def _layer_row(entry: HistoryEntry, layer: LayerBytes, number: int, in_base: bool) -> Row:
    instruction, text = _origin(entry)
    reason = _measured_reason(layer)
    return Row(None, instruction, text, True, reason, layer.content, True, number, layer.compressed, in_base)


def _empty_row(entry: HistoryEntry, in_base: bool) -> Row:
    instruction, text = _origin(entry)
    reason = "changes the config only"
    if instruction in LAYERED:
        reason = "changed nothing on disk" if entry.empty_layer else "its layer is not in the image"
        if entry.comment in (IN_A_LATER_LAYER, NOTHING_LEFT):
            reason = entry.comment.removeprefix("lamella: ")
    return Row(None, instruction, text, False, reason, 0, True, None, 0, in_base)


def _origin(entry: HistoryEntry) -> tuple[str, str]:
    origin = parse_created_by(entry.created_by)
    return origin.instruction, origin.text or entry.comment or "(no text)"


def _reconcile(history: Sequence[HistoryEntry], layers: int) -> tuple[list[bool], tuple[str, ...]]:
    """For each entry whether it has a layer; never more than there are layers."""
    makes = [not entry.empty_layer for entry in history]
    surplus = sum(makes) - layers
    if surplus == 0:
        return makes, ()
    if not history:
        return makes, ("the image has no history: nothing tells which instruction made which layer",)
    note = f"the history speaks of {_layers(sum(makes))}, the image has {layers}; they are joined from the top down"
    if surplus > 0:
        config_only = [parse_created_by(entry.created_by).config_only for entry in history]
        doubtful = sorted(range(len(history)), key=lambda index: not config_only[index])
        for index in [index for index in doubtful if makes[index]][:surplus]:
            makes[index] = False
    return makes, (note,)


def _layers(number: int) -> str:
    return f"{number} layer" if number == 1 else f"{number} layers"


def _nameless(layer: LayerBytes, number: int, base_layers: int) -> Row:
    text = "(not in the history)"
    reason = _measured_reason(layer)
    return Row(None, "", text, True, reason, layer.content, True, number, layer.compressed, number < base_layers)


def _measured_reason(layer: LayerBytes) -> str:
    if not layer.entries:
        return "an empty layer: it changed nothing on disk"
    return f"{layer.entries} path" + ("s" if layer.entries != 1 else "")

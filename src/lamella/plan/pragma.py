"""``# lamella: …`` comments above an instruction: ``layer`` and ``ignore=rule,rule``."""

from __future__ import annotations

from typing import NamedTuple

from lamella.syntax.edits import comments_above
from lamella.syntax.nodes import Comment, Document, Instruction


class Pragma(NamedTuple):
    """``layer``: the instruction begins a new layer. ``ignore``: rules and passes that leave it alone (``all`` too)."""

    layer: bool = False
    ignore: frozenset[str] = frozenset()

    def ignores(self, *names: str) -> bool:
        return bool(self.ignore & {"all", *names})


def read_pragma(document: Document, node: Instruction) -> Pragma:
    """What the comment lines directly above an instruction say. Words that are not known are passed over."""
    return parse_pragma(comments_above(document, node))


def parse_pragma(comments: tuple[Comment, ...]) -> Pragma:
    layer, ignore = False, set[str]()
    for comment in comments:
        prefix, colon, rest = comment.text.partition(":")
        if not colon or prefix.strip().lower() != "lamella":
            continue
        for word in rest.split():
            layer = layer or word == "layer"
            key, equals, names = word.partition("=")
            if key == "ignore" and equals:
                ignore |= {name for name in names.split(",") if name}
    return Pragma(layer, frozenset(ignore))

"""``# lamella: …`` comments above an instruction: ``layer`` and ``ignore=rule,rule``."""

from __future__ import annotations

from typing import NamedTuple

from lamella.plan.stage import Warning_
from lamella.syntax.edits import comments_above
from lamella.syntax.nodes import Comment, Document, Instruction

_FEW = 2


class Pragma(NamedTuple):
    """``layer``: the instruction begins a new layer. ``ignore``: rules and passes that leave it alone (``all`` too)."""

    layer: bool = False
    ignore: frozenset[str] = frozenset()

    def ignores(self, *names: str) -> bool:
        return bool(self.ignore & {"all", *names})


def read_pragma(document: Document, node: Instruction) -> Pragma:
    """What the comment lines directly above an instruction say. Words that are not known are passed over."""
    return parse_pragma(comments_above(document, node))


def unknown_words(document: Document) -> list[Warning_]:
    """Of ``# lamella: …`` comments anywhere: a slip would be silently nothing. A whole sentence is none."""
    if "lamella:" not in document.text.lower():
        return []
    return [
        Warning_(document.where(comment.line), f"# lamella: {word} says nothing: known are layer and ignore=RULE,RULE")
        for comment in document.items
        if isinstance(comment, Comment) and len(_words(comment)) <= _FEW
        for word in _words(comment)
        if word != "layer" and not word.startswith("ignore=")
    ]


def _words(comment: Comment) -> list[str]:
    prefix, colon, rest = comment.text.partition(":")
    return rest.split() if colon and prefix.strip().lower() == "lamella" else []


def parse_pragma(comments: tuple[Comment, ...]) -> Pragma:
    layer, ignore = False, set[str]()
    for comment in comments:
        for word in _words(comment):
            layer = layer or word == "layer"
            key, equals, names = word.partition("=")
            if key == "ignore" and equals:
                ignore |= {name for name in names.split(",") if name}
    return Pragma(layer, frozenset(ignore))

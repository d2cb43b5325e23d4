"""The nodes of a body's tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Node(NamedTuple):
    """``kind`` is the grammar's name, or for a token its text. Offsets count characters of the body."""

    kind: str
    start: int
    end: int
    children: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of the text."""
        yield self
        for child in self.children:
            yield from child.walk()


class Unreadable(NamedTuple):
    """``reason`` is for a person; ``offset`` is where in the body it shows."""

    reason: str
    offset: int

"""A path that only one side has."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.prove.model import ABSENT, PRESENCE, Difference, Tree
from lamella.prove.trees import describe

NAME = PRESENCE


def compare_trees(a: Tree, b: Tree) -> Iterator[Difference]:
    for path in sorted(a.keys() - b.keys()):
        yield Difference("/" + path, NAME, describe(a[path]), ABSENT)
    for path in sorted(b.keys() - a.keys()):
        yield Difference("/" + path, NAME, ABSENT, describe(b[path]))

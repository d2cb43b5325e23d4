"""Trees as values."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from lamella.filetree.entry import DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry
from lamella.filetree.tree import merge_layers, order

_PATHS = st.lists(st.sampled_from(["a", "b", "c", "a-"]), min_size=1, max_size=3).map("/".join)
_NODES = st.builds(
    Entry,
    path=_PATHS,
    kind=st.sampled_from([FILE, FILE, FILE, DIRECTORY, DIRECTORY, SYMLINK, FIFO, HARDLINK]),
    mode=st.sampled_from([0o644, 0o755]),
    uid=st.sampled_from([0, 7]),
    gid=st.just(0),
    size=st.just(0),
    mtime=st.sampled_from([0, 10**9]),
    link=st.just(""),
    major=st.just(0),
    minor=st.just(0),
    xattrs=st.just(()),
    digest=st.sampled_from(["1" * 64, "2" * 64]),
)


def _plant(nodes: list[Entry]) -> dict[str, Entry]:
    """A tree as trees are: parents there, links to files that are there, each field only where it belongs."""
    tree: dict[str, Entry] = {}
    for node in sorted(nodes, key=lambda node: order(node.path)):
        parents = node.path.split("/")[:-1]
        above = ["/".join(parents[: depth + 1]) for depth in range(len(parents))]
        if any(path in tree and tree[path].kind != DIRECTORY for path in above):
            continue
        for path in above:
            tree.setdefault(path, Entry(path, DIRECTORY, 0o755))
        fields = {"size": len(node.digest) if node.kind == FILE else 0}
        if node.kind != FILE:
            fields["digest"] = ""
        if node.kind == SYMLINK:
            fields["link"] = "a/b"
        if node.kind == HARDLINK:
            files = [entry for entry in tree.values() if entry.kind == FILE]
            if not files or node.path in tree:
                continue
            first = files[node.uid % len(files)]
            tree[node.path] = first._replace(path=node.path, kind=HARDLINK, link=first.path, size=0, digest="")
            continue
        tree.setdefault(node.path, node._replace(**fields))
    return tree


@pytest.fixture(scope="session")
def draw_tree() -> Callable[[st.DataObject], dict[str, Entry]]:
    """Draws a tree as :func:`merge_layers` gives them."""
    trees = st.lists(_NODES, max_size=10).map(_plant)

    def draw(data: st.DataObject) -> dict[str, Entry]:
        tree = data.draw(trees)
        assert merge_layers([tree.values()]) == tree
        return tree

    return draw

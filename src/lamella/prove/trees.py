"""Trees made comparable."""

from __future__ import annotations

from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, Entry
from lamella.prove.model import Tree

_KINDS = {
    "f": "file",
    "d": "directory",
    "l": "symbolic link",
    "h": "hard link to nothing",
    "c": "character device",
    "b": "block device",
    "p": "fifo",
}
#: what a runtime takes for a root directory that no layer speaks of
_ROOT = Entry("", DIRECTORY, 0o755)


def normalize_tree(tree: Tree) -> dict[str, Entry]:
    """The tree with its root, and with each HARDLINK as what it is a name of, under its own path: a FILE mostly.

    ``link`` of such a FILE is the path of the group's FILE entry. A link whose target is gone stays what it is.
    """
    result = dict(tree)
    result.setdefault("", _ROOT)
    for path, entry in tree.items():
        if entry.kind == HARDLINK:
            target = tree.get(entry.link)
            if target is not None and target.kind not in (HARDLINK, DIRECTORY):
                result[path] = target._replace(path=path, link=target.path if target.kind == FILE else target.link)
    return result


def kind_name(entry: Entry) -> str:
    """``file``, ``directory`` … as messages say it."""
    return _KINDS.get(entry.kind, entry.kind)


def describe(entry: Entry) -> str:
    """An entry in a few words: ``file, 12 bytes``."""
    if entry.kind == FILE:
        return f"{kind_name(entry)}, {entry.size} bytes"
    return kind_name(entry)

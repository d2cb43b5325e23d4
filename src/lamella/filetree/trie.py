"""A tree of names under construction: what layers are applied to."""

from __future__ import annotations

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, HARDLINK, SYMLINK, Entry

_MAX_LINKS = 40  # as the kernel


class Node:
    """``children`` is None for anything but a directory. The root's entry is None where no layer brings one."""

    __slots__ = ("children", "entry")

    def __init__(self, entry: Entry | None, children: dict[str, Node] | None) -> None:
        self.entry = entry
        self.children = children


class Trie:
    """Mutable. Names of one hard-linked file hold the very same entry object."""

    def __init__(self) -> None:
        self.root = Node(None, {})
        self._known: tuple[str, Node] | None = None  # the last parent: members come directory by directory

    def put(self, entry: Entry) -> None:
        """Adds or replaces; missing parents are made. Raises ImageInvalid for a hard link that leads nowhere."""
        path, kind = entry.path, entry.kind
        if not path:
            self.root.entry = entry
            return
        parent, _, name = path.rpartition("/")
        children = self._directory(parent)
        if kind == DIRECTORY:
            node = children.get(name)
            if node is not None and node.children is not None:
                node.entry = entry
            else:
                self._known = None
                children[name] = Node(entry, {})
            return
        if kind == HARDLINK:
            target = self._target(entry)
            if target is children.get(name):
                return
            if _holds(children.get(name), target):
                raise _nowhere(entry)
            assert target.entry is not None  # only the root may lack one
            entry = target.entry
        old = children.get(name)
        if old is not None and old.children is not None:
            self._known = None
        children[name] = Node(entry, None)

    def remove(self, path: str) -> None:
        """Removes ``path`` and all below it; nothing happens where there is nothing."""
        parent, _, name = path.rpartition("/")
        node = self.find(parent)
        if node is not None and node.children is not None and node.children.pop(name, None) is not None:
            self._known = None

    def empty(self, path: str) -> None:
        """Removes all below the directory ``path``."""
        node = self.find(path)
        if node is not None and node.children:
            node.children.clear()
            self._known = None

    def find(self, path: str) -> Node | None:
        """The directory at ``path``, links followed; None where there is none."""
        return self._walk(path, False)

    def _directory(self, path: str) -> dict[str, Node]:
        if self._known is not None and self._known[0] == path:
            node: Node | None = self._known[1]
        else:
            node = self._walk(path, True)
        assert node is not None and node.children is not None
        self._known = (path, node)
        return node.children

    def _walk(self, path: str, make: bool) -> Node | None:
        trail = [self.root]
        names: list[str] = []  # real names of the trail, below the root
        pending = path.split("/")[::-1] if path else []
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                if names:
                    names.pop()
                    trail.pop()
                continue
            if name in ("", "."):
                continue
            children = trail[-1].children
            assert children is not None
            node = children.get(name)
            if node is not None and node.entry is not None and node.entry.kind == SYMLINK:
                links += 1
                if links > _MAX_LINKS:
                    raise ImageInvalid("too many symbolic links, or a loop of them", where=path)
                target = node.entry.link
                if target.startswith("/"):
                    del trail[1:], names[:]
                pending.extend(target.split("/")[::-1])
                continue
            names.append(name)
            if node is None or node.children is None:
                if not make:
                    return None
                node = Node(Entry("/".join(names), DIRECTORY, 0o755), {})
                children[name] = node
            trail.append(node)
        return trail[-1]

    def _target(self, entry: Entry) -> Node:
        parent, _, name = entry.link.rpartition("/")
        folder = self.find(parent)
        node = folder.children.get(name) if folder is not None and folder.children is not None else None
        if node is None or node.children is not None:
            raise _nowhere(entry)
        return node


def _holds(node: Node | None, wanted: Node) -> bool:
    """Whether ``wanted`` lies somewhere below ``node``, which is about to be replaced."""
    todo = [node] if node is not None else []
    while todo:
        children = todo.pop().children
        if children:
            if wanted in children.values():
                return True
            todo += children.values()
    return False


def _nowhere(entry: Entry) -> ImageInvalid:
    return ImageInvalid(f"is a hard link to {entry.link!r}, which is not there", where=entry.path)

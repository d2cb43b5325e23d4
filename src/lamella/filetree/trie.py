"""A tree of names under construction: what layers are applied to."""

from __future__ import annotations

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, HARDLINK, SYMLINK, Entry

_MAX_LINKS = 40  # as the kernel


class Folder:
    """A directory: its entry (the root's is None where no layer brings one) and what is in it. Anything else than a
    directory is its entry, for a million of them take memory."""

    __slots__ = ("entry", "names")

    def __init__(self, entry: Entry | None) -> None:
        self.entry = entry
        self.names: dict[str, Folder | Entry] = {}


class Trie:
    """Mutable. The names of one hard-linked file hold the very same entry object."""

    def __init__(self) -> None:
        self.root = Folder(None)
        #: identities of the entries that have, or once had, several names
        self.linked: set[int] = set()
        self._path = ""  # the last directory that was put into: members come directory by directory
        self._names = self.root.names

    def put(self, entry: Entry) -> None:
        """Adds or replaces; missing parents are made. Raises ImageInvalid for a hard link that leads nowhere."""
        path, kind = entry.path, entry.kind
        if not path:
            self.root.entry = entry
            return
        parent, _, name = path.rpartition("/")
        if parent != self._path:
            folder = self._walk(parent, True)
            assert folder is not None
            self._path, self._names = parent, folder.names
        names = self._names
        old = names.get(name)
        if kind == DIRECTORY:
            if isinstance(old, Folder):
                old.entry = entry
                return
            names[name] = Folder(entry)
        elif kind == HARDLINK:
            target = self._target(entry)
            if target is old:
                return
            if isinstance(old, Folder) and _holds(old, target):
                raise _nowhere(entry)
            names[name] = target
            self.linked.add(id(target))
        else:
            names[name] = entry

    def remove(self, path: str) -> None:
        """Removes ``path`` and all below it; nothing happens where there is nothing."""
        parent, _, name = path.rpartition("/")
        folder = self._walk(parent, False)
        if folder is not None and folder.names.pop(name, None) is not None:
            self._forget()

    def empty(self, path: str) -> None:
        """Removes all below the directory ``path``."""
        folder = self._walk(path, False)
        if folder is not None:
            folder.names.clear()
            self._forget()

    def replaces_link(self, path: str) -> bool:
        """Whether a symbolic link stands at ``path`` itself."""
        parent, _, name = path.rpartition("/")
        folder = self._walk(parent, False)
        node = folder.names.get(name) if folder is not None else None
        return isinstance(node, Entry) and node.kind == SYMLINK

    def find(self, path: str) -> Folder | None:
        """The directory at ``path``, links followed inside the root; None where there is none."""
        return self._walk(path, False)

    def _forget(self) -> None:
        self._path, self._names = "", self.root.names

    def _walk(self, path: str, make: bool) -> Folder | None:
        """The directory at ``path``, links followed inside the root. What is missing, or is no directory, is made if
        ``make`` says so; else the answer is None."""
        folder = self.root
        above: list[Folder] = []
        real: list[str] = []  # the names of the trail, below the root
        pending = path.split("/")[::-1] if path else []
        links = 0
        while pending:
            name = pending.pop()
            node = folder.names.get(name)
            if not isinstance(node, Folder):
                if name == "..":
                    if real:
                        real.pop()
                        folder = above.pop()
                    continue
                if name in ("", "."):
                    continue
                if node is not None and node.kind == SYMLINK:
                    links += 1
                    if links > _MAX_LINKS:
                        raise ImageInvalid("too many symbolic links, or a loop of them", where=path)
                    if node.link.startswith("/"):
                        folder = self.root
                        del above[:], real[:]
                    pending.extend(node.link.split("/")[::-1])
                    continue
                if not make:
                    return None
                node = folder.names[name] = Folder(Entry("/".join([*real, name]), DIRECTORY, 0o755))
            above.append(folder)
            real.append(name)
            folder = node
        return folder

    def _target(self, entry: Entry) -> Entry:
        parent, _, name = entry.link.rpartition("/")
        folder = self._walk(parent, False)
        node = folder.names.get(name) if folder is not None else None
        if node is None or isinstance(node, Folder):
            raise _nowhere(entry)
        return node


def _holds(folder: Folder, wanted: Entry) -> bool:
    """Whether ``wanted`` has a name somewhere below ``folder``, which is about to be replaced."""
    todo = [folder]
    while todo:
        for node in todo.pop().names.values():
            if node is wanted:
                return True
            if isinstance(node, Folder):
                todo.append(node)
    return False


def _nowhere(entry: Entry) -> ImageInvalid:
    return ImageInvalid(f"is a hard link to {entry.link!r}, which is not there", where=entry.path)

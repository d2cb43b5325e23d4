"""A tree of names under construction: what layers are applied to."""

from __future__ import annotations

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, HARDLINK, SYMLINK, Entry

_MAX_LINKS = 40  # as the kernel
_MAX_PATH, _MAX_NAME = 4095, 255  # bytes, as the kernel
_LONGEST = 120  # characters of a path in a message


class Folder:
    """A directory: its entry (the root's is None where no layer brings one) and what is in it. Anything else than a
    directory is its entry, for a million of them take memory. ``since`` is the number of the layer that made it, or
    the last that hid all that lay in it below."""

    __slots__ = ("entry", "names", "since")

    def __init__(self, entry: Entry | None, since: int) -> None:
        self.entry = entry
        self.names: dict[str, Folder | Entry] = {}
        self.since = since


class Trie:
    """Mutable. The names of one hard-linked file hold the very same entry object."""

    def __init__(self) -> None:
        self.root = Folder(None, 0)
        #: identities of the entries that have, or once had, several names
        self.linked: set[int] = set()
        self._layer = 0
        #: identities of the entries of this layer, where it matters
        self._brought: set[int] | None = None
        self._made: list[Entry] = []  # keeps them, for their identities are among those
        self._path = ""  # the last directory that was put into: members come directory by directory
        self._names = self.root.names

    def begin_layer(self, *, tracked: bool) -> None:
        """What follows is of one more layer; ``tracked``: it removes something, or has hard links. Those lead to
        nothing of other layers, and only what is of other layers is removed."""
        self._layer += 1
        self._brought = set() if tracked else None
        self._made = []

    def put(self, entry: Entry) -> None:
        """Adds or replaces; missing parents are made. Raises ImageInvalid for a hard link that leads nowhere."""
        path, kind = entry.path, entry.kind
        if self._brought is not None and kind != HARDLINK:
            self._brought.add(id(entry))
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
        if old is not None and (isinstance(old, Folder) or old.kind == SYMLINK):
            self._forget()  # the way to the last directory may lead through it: a link `a` to `/` has itself as `a/a`
        if kind == DIRECTORY:
            if isinstance(old, Folder):
                old.entry = entry
                return
            names[name] = Folder(entry, self._layer)
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

    def remove(self, path: str) -> list[Entry]:
        """Removes what lower layers have at ``path`` and below it; returns what is gone and no directory, an entry for
        each of its names. Nothing happens where there is nothing."""
        gone: list[Entry] = []
        parent, _, name = path.rpartition("/")
        folder = self._walk(parent, False, lower=True)
        if folder is not None and name in folder.names:
            self._purge(folder, name, gone)
            self._forget()
        return gone

    def empty(self, path: str) -> list[Entry]:
        """Removes what lower layers have below the directory ``path``; returns the like."""
        gone: list[Entry] = []
        folder = self._walk(path, False, lower=True)
        if folder is not None and folder.since < self._layer:
            folder.since = self._layer
            for name in list(folder.names):
                self._purge(folder, name, gone)
            self._forget()
        return gone

    def _purge(self, parent: Folder, name: str, gone: list[Entry]) -> None:
        todo, below = [(parent, name)], []
        while todo:  # without recursion: it may be deep
            holder, key = todo.pop()
            below.append((holder, key))
            node = holder.names[key]
            if isinstance(node, Folder) and node.since < self._layer:
                todo.extend((node, inner) for inner in node.names)
        for holder, key in reversed(below):
            node = holder.names[key]
            if isinstance(node, Entry):
                if not self._is_brought(node):
                    gone.append(node)
                    del holder.names[key]
                continue
            node.since = self._layer
            if self._is_brought(node.entry):
                continue
            if not node.names:
                del holder.names[key]
            elif node.entry is not None:  # it is there for what this layer has in it
                node.entry = Entry(node.entry.path, DIRECTORY, 0o755)

    def _is_brought(self, entry: Entry | None) -> bool:
        return self._brought is not None and id(entry) in self._brought

    def find(self, path: str) -> Folder | None:
        """The directory at ``path``, links followed inside the root; None where there is none."""
        return self._walk(path, False)

    def _forget(self) -> None:
        self._path, self._names = "", self.root.names

    def _walk(self, path: str, make: bool, *, lower: bool = False) -> Folder | None:
        """The directory at ``path``, links followed inside the root. What is missing, or is no directory, is made if
        ``make`` says so; else the answer is None. With ``lower`` what this layer brings is on no way."""
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
                if node is not None and node.kind == SYMLINK and not (lower and self._is_brought(node)):
                    links += 1
                    if links > _MAX_LINKS:
                        raise ImageInvalid("too many symbolic links, or a loop of them", where=_shown(path))
                    if node.link.startswith("/"):
                        folder = self.root
                        del above[:], real[:]
                    pending.extend(node.link.split("/")[::-1])
                    if len(pending) > _MAX_PATH:
                        raise _too_deep(path)
                    continue
                if not make:
                    return None
                node = folder.names[name] = self._implicit("/".join([*real, name]))
            elif lower and node.since == self._layer:
                return None
            above.append(folder)
            real.append(name)
            folder = node
        if links and len("/".join(real).encode("utf-8", "surrogateescape")) > _MAX_PATH - _MAX_NAME - 1:
            raise _too_deep(path)
        return folder

    def _implicit(self, path: str) -> Folder:
        """A directory that no member brings, but that is of this layer as if one did."""
        entry = Entry(path, DIRECTORY, 0o755)
        if self._brought is not None:
            self._brought.add(id(entry))
            self._made.append(entry)
        return Folder(entry, self._layer)

    def _target(self, entry: Entry) -> Entry:
        parent, _, name = entry.link.rpartition("/")
        folder = self._walk(parent, False)
        node = folder.names.get(name) if folder is not None else None
        if node is None or isinstance(node, Folder) or not self._is_brought(node):
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
    message = f"is a hard link to {_shown(entry.link)!r}, which the layer does not hold before it"
    return ImageInvalid(message, where=_shown(entry.path))


def _too_deep(path: str) -> ImageInvalid:
    return ImageInvalid("its links lead too deep for a file system", where=_shown(path))


def _shown(path: str) -> str:
    """For messages: in one line, and not too long."""
    text = path if path.isprintable() else ascii(path)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

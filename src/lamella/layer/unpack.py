"""Unpacking a layer into a directory. The layer is taken to be hostile: nothing is ever written outside.

Parents that are symbolic links are followed inside the target, as Docker and containerd do (``bin/x`` on a base whose
``bin`` links to ``usr/bin``). A directory over a directory changes its attributes, any other clash replaces.
Whiteouts and opaque directories hide lower content only, wherever they stand in the tar. Directories that no member
brings take the attributes of the lower one, else 0755, root and the epoch.

Source: OCI image-spec layer.md, "Applying Changesets"; kernel documentation, overlayfs.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Callable
from typing import BinaryIO, Literal

from lamella.errors import ImageInvalid, LamellaError, MachineError, NoPrivilege, NoSpace
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry, Xattrs
from lamella.layer.compression import CHUNK
from lamella.layer.read import read_entries
from lamella.layer.rootdir import RootDirectory, remove_tree

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DEVICE_MODES = {kinds.CHARACTER_DEVICE: modes.S_IFCHR, kinds.BLOCK_DEVICE: modes.S_IFBLK, kinds.FIFO: modes.S_IFIFO}
_HOSTILE_XATTRS = ("trusted.overlay.", "user.overlay.")


def unpack_layer(
    tar: BinaryIO,
    target: str,
    where: str,
    *,
    whiteouts: Literal["overlay", "apply"],
    lower: Callable[[str], Entry | None] | None,
    privileged: bool,
    digests: bool = False,
) -> list[Entry]:
    """Unpacks the uncompressed layer ``tar`` into the directory ``target`` and returns its entries, as
    :func:`read_entries` gives them; with ``digests`` they hold their content's sha256.

    ``whiteouts``: ``overlay`` writes them as overlayfs has them (character device 0:0, opaque attribute), for a fresh
    ``target`` that becomes one layer of a mount; ``apply`` removes what lies in ``target``, which holds the lower
    layers already. ``lower`` gives the lower layers' entry at a path whose parents are no links (None: there is
    none); without it there is nothing below. ``privileged`` False leaves out what only root may do: ownership that is
    refused, devices, capabilities; opaque directories are then marked by ``user.overlay.opaque``.

    Raises ImageInvalid naming ``where`` and the path, NoSpace, NoPrivilege or MachineError; ``target`` is then half
    written and should be removed."""
    unpacker = _Unpacker(target, where, whiteouts == "overlay", lower, privileged)
    entries: list[Entry] = []
    path = ""
    try:
        for entry, content in read_entries(tar, where):
            path = entry.path
            digest = unpacker.add(entry, content, digests)
            entries.append(entry._replace(digest=digest) if digest else entry)
        unpacker.finish()
    except OSError as error:
        raise _failure(error, where, path) from None
    finally:
        unpacker.close()
    return entries


def _failure(error: OSError, where: str, path: str) -> LamellaError:
    place = f"{where}: {path}" if path else where
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("the disk is full", where=place, hint="free some space, or choose another store")
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.EILSEQ):
        return ImageInvalid(f"cannot be unpacked ({reason})", where=place)
    if error.errno in (errno.EPERM, errno.EACCES):
        return NoPrivilege(f"cannot be unpacked ({reason})", where=place, hint="root, or a user namespace, is needed")
    return MachineError(f"cannot be unpacked ({reason})", where=place)


class _Unpacker:
    def __init__(
        self,
        target: str,
        where: str,
        overlay: bool,
        lower: Callable[[str], Entry | None] | None,
        privileged: bool,
    ) -> None:
        self._where, self._overlay, self._privileged = where, overlay, privileged
        self._below = lower
        self._hidden: set[str] = set()  # real paths whose lower content this layer hides
        self._brought: set[str] = set()  # real paths of the layer's own files and directories
        self._attributes: dict[str, Entry] = {}  # of directories, set at the end: their times would not last
        self._implicit: set[str] = set()  # directories that no member brought (yet)
        self._times: dict[str, tuple[int, int]] = {}  # of lower directories that are only passed through
        self._tree = RootDirectory(target, where, self._lower)
        if overlay and lower is not None and (root := lower("")) is not None:
            self._attributes[""] = root
            self._implicit.add("")

    def close(self) -> None:
        self._tree.close()

    def _lower(self, path: str) -> Entry | None:
        if self._below is None or not self._overlay:
            return None
        if self._hidden and any(path == hidden or path.startswith(hidden + "/") for hidden in self._hidden):
            return None
        return self._below(path)

    def add(self, entry: Entry, content: BinaryIO | None, digests: bool) -> str:
        kind = entry.kind
        if kind == kinds.WHITEOUT:
            self._whiteout(entry.path)
            return ""
        if kind == kinds.OPAQUE:
            self._opaque(entry.path)
            return ""
        path = entry.path
        if not path:
            self._attributes[""] = entry
            self._implicit.discard("")
            return ""
        parent, _, name = path.rpartition("/")
        real = self._tree.resolve(parent, self._make_parent)
        assert real is not None
        self._touch(real)
        descriptor = self._tree.descriptor(real)
        place = f"{real}/{name}" if real else name
        digest = ""
        if kind == kinds.FILE:
            assert content is not None
            digest = self._file(entry, content, descriptor, place, digests)
        elif kind == kinds.DIRECTORY:
            self._directory(entry, descriptor, name, place)
        elif kind == kinds.HARDLINK:
            self._hard_link(entry, name, real, place)
        else:
            self._special(entry, descriptor, name, place)
        if not self._overlay:
            self._brought.add(place)
        return digest

    def _touch(self, directory: str) -> None:
        """Notes the times of a lower directory before it changes; they are set back at the end."""
        if directory in self._attributes or directory in self._times:
            return
        status = os.stat(self._tree.descriptor(directory))
        self._times[directory] = (status.st_atime_ns, status.st_mtime_ns)

    def _make_parent(self, path: str, parent: int, name: str) -> None:
        self._touch(path.rpartition("/")[0])
        below = self._lower(path)
        self._clear(parent, name, path)
        os.mkdir(name, 0o700, dir_fd=parent)
        known = below is not None and below.kind == kinds.DIRECTORY
        self._attributes[path] = below if known and below is not None else Entry(path, kinds.DIRECTORY, 0o755)
        self._implicit.add(path)

    def _clear(self, parent: int, name: str, path: str) -> bool:
        """Removes what stands at ``path``. True when lower content stays hidden there only by what replaces it."""
        try:
            status = os.lstat(name, dir_fd=parent)
        except FileNotFoundError:
            return False
        if modes.S_ISDIR(status.st_mode):
            self._forget(path)
            remove_tree(name, parent)
            return False
        os.unlink(name, dir_fd=parent)
        return modes.S_ISCHR(status.st_mode) and status.st_rdev == 0

    def _forget(self, path: str) -> None:
        self._tree.forget(path)
        below = path + "/"
        for known in [known for known in self._attributes if known == path or known.startswith(below)]:
            del self._attributes[known]
        for known in [known for known in self._times if known == path or known.startswith(below)]:
            del self._times[known]

    def _file(self, entry: Entry, content: BinaryIO, parent: int, place: str, digests: bool) -> str:
        name = entry.name
        try:
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, name, place)
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        try:
            digest = _copy(content, descriptor, digests) if entry.size else (_EMPTY if digests else "")
            self._own(descriptor, entry)
            os.fchmod(descriptor, entry.mode)
            if entry.xattrs:
                self._set_xattrs(descriptor, entry.xattrs, entry.path)
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)
        return digest

    def _own(self, descriptor: int, entry: Entry) -> None:
        try:
            os.chown(descriptor, entry.uid, entry.gid)
        except OSError:
            if self._privileged:
                raise

    def _set_xattrs(self, descriptor: int, xattrs: Xattrs, path: str) -> None:
        for name, value in xattrs:
            if name.startswith(_HOSTILE_XATTRS):
                raise ImageInvalid(f"has the attribute {name}, which steers overlayfs", where=f"{self._where}: {path}")
            if name != "security.capability" and not name.startswith("user."):
                continue
            try:
                os.setxattr(descriptor, name, value)
            except OSError as error:
                if self._privileged and error.errno != errno.ENOTSUP:
                    raise

    def _directory(self, entry: Entry, parent: int, name: str, place: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not modes.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                hidden = self._clear(parent, name, place)
                os.mkdir(name, 0o700, dir_fd=parent)
                if hidden and self._overlay:
                    self._mark_opaque(place)
        if self._overlay and place in self._hidden:
            self._mark_opaque(place)
        self._attributes[place] = entry
        self._implicit.discard(place)
        self._times.pop(place, None)

    def _hard_link(self, entry: Entry, name: str, real: str, place: str) -> None:
        folder, _, target = entry.link.rpartition("/")
        source = self._tree.resolve(folder, None) if target else None
        problem = ImageInvalid(
            f"is a hard link to {entry.link!r}, which this layer does not hold", where=f"{self._where}: {entry.path}"
        )
        if source is None:
            raise problem
        source_place = f"{source}/{target}" if source else target
        if source_place == place:
            return
        try:
            status = os.lstat(target, dir_fd=self._tree.descriptor(source))
        except FileNotFoundError:
            raise problem from None
        whiteout = self._overlay and modes.S_ISCHR(status.st_mode) and status.st_rdev == 0
        if modes.S_ISDIR(status.st_mode) or whiteout or source_place.startswith(place + "/"):
            raise problem
        self._clear(self._tree.descriptor(real), name, place)
        source_descriptor = self._tree.descriptor(source)
        os.link(
            target,
            name,
            src_dir_fd=source_descriptor,
            dst_dir_fd=self._tree.descriptor(real),
            follow_symlinks=False,
        )

    def _special(self, entry: Entry, parent: int, name: str, place: str) -> None:
        self._clear(parent, name, place)
        if entry.kind == kinds.SYMLINK:
            os.symlink(entry.link, name, dir_fd=parent)
        else:
            if entry.kind != kinds.FIFO and not self._privileged:
                return
            device = os.makedev(entry.major, entry.minor)
            os.mknod(name, _DEVICE_MODES[entry.kind] | 0o600, device, dir_fd=parent)
        try:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        except OSError:
            if self._privileged:
                raise
        if entry.kind != kinds.SYMLINK:
            os.chmod(name, entry.mode, dir_fd=parent)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _whiteout(self, path: str) -> None:
        if self._overlay and self._below is None:
            return
        folder, _, name = path.rpartition("/")
        real = self._tree.resolve(folder, None)
        if self._overlay:
            self._hide_overlay(folder, name)
            return
        if real is None:
            return
        descriptor = self._tree.descriptor(real)
        place = f"{real}/{name}" if real else name
        self._touch(real)
        self._purge(descriptor, name, place)

    def _hide_overlay(self, folder: str, name: str) -> None:
        real = self._tree.resolve(folder, self._make_parent)
        assert real is not None
        place = f"{real}/{name}" if real else name
        if self._lower(place) is None:
            return
        descriptor = self._tree.descriptor(real)
        self._touch(real)
        self._hide(place)
        try:
            status = os.lstat(name, dir_fd=descriptor)
        except FileNotFoundError:
            os.mknod(name, modes.S_IFCHR, 0, dir_fd=descriptor)
            return
        if modes.S_ISDIR(status.st_mode):
            self._mark_opaque(place)

    def _hide(self, path: str) -> None:
        """From now on nothing lower is seen at and below ``path``; directories made in its image lose that."""
        self._hidden.add(path)
        below = path + "/"
        for known in self._implicit:
            if known == path or known.startswith(below):
                self._attributes[known] = Entry(known, kinds.DIRECTORY, 0o755)

    def _opaque(self, path: str) -> None:
        if self._overlay:
            if self._below is None:
                return
            real = self._tree.resolve(path, self._make_parent)
            assert real is not None
            self._hide(real)
            self._mark_opaque(real)
            return
        real = self._tree.resolve(path, None)
        if real is None:
            return
        self._touch(real)
        descriptor = self._tree.descriptor(real)
        for name in os.listdir(f"/proc/self/fd/{descriptor}"):
            self._purge(descriptor, name, f"{real}/{name}" if real else name)

    def _purge(self, parent: int, name: str, place: str) -> None:
        """Removes lower content at ``place``; what this layer brought stays."""
        prefix = place + "/"
        if place not in self._brought and not any(known.startswith(prefix) for known in self._brought):
            self._clear(parent, name, place)
            return
        if not modes.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            return
        if place not in self._brought:
            self._attributes[place] = Entry(place, kinds.DIRECTORY, 0o755)
        descriptor = self._tree.descriptor(place)
        for child in os.listdir(f"/proc/self/fd/{descriptor}"):
            self._purge(self._tree.descriptor(place), child, prefix + child)

    def _mark_opaque(self, path: str) -> None:
        name = "trusted.overlay.opaque" if self._privileged else "user.overlay.opaque"
        descriptor = self._open_directory(path)
        try:
            os.setxattr(descriptor, name, b"y")
        finally:
            os.close(descriptor)

    def _open_directory(self, path: str) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(".", flags, dir_fd=self._tree.descriptor(path))

    def finish(self) -> None:
        """Sets the attributes of directories, deepest first."""
        for path in sorted(self._attributes.keys() | self._times.keys(), reverse=True):
            entry = self._attributes.get(path)
            descriptor = self._open_directory(path)
            try:
                if entry is None:
                    os.utime(descriptor, ns=self._times[path])
                    continue
                self._own(descriptor, entry)
                if entry.xattrs:
                    self._set_xattrs(descriptor, entry.xattrs, entry.path)
                os.fchmod(descriptor, entry.mode)
                os.utime(descriptor, ns=(entry.mtime, entry.mtime))
            finally:
                os.close(descriptor)


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _copy(content: BinaryIO, descriptor: int, digests: bool) -> str:
    if digests:
        import hashlib

        digest = hashlib.sha256()
    while data := content.read(CHUNK):
        if digests:
            digest.update(data)
        while len(data) > (written := os.write(descriptor, data)):
            data = data[written:]
    return digest.hexdigest() if digests else ""

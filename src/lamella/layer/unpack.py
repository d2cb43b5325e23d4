"""Unpacking a layer into a directory. The layer is taken to be hostile: nothing is ever written outside.

Parents that are symbolic links are followed inside the target, as Docker and containerd do (``bin/x`` on a base whose
``bin`` links to ``usr/bin``). A directory over a directory changes its attributes, any other clash replaces.
Whiteouts and opaque directories hide lower content only, wherever they stand in the tar. Directories that no member
brings take the attributes of the lower one, else 0755, root and the epoch. Of names of one file (hard links) the first
member's attributes count. Directories that only get new content keep their times.

Source: OCI image-spec layer.md, "Applying Changesets".
"""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Iterable
from typing import BinaryIO, Literal

from lamella.errors import ImageInvalid, LamellaError, NoPrivilege
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.layer.compression import CHUNK
from lamella.layer.disk import write_error
from lamella.layer.hiding import ApplyHiding, OverlayHiding
from lamella.layer.names import at, shown
from lamella.layer.read import read_entries
from lamella.layer.rootdir import Lower, LowerNames
from lamella.layer.target import Target, join

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DEVICE_MODES = {kinds.CHARACTER_DEVICE: modes.S_IFCHR, kinds.BLOCK_DEVICE: modes.S_IFBLK, kinds.FIFO: modes.S_IFIFO}
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # sha256 of nothing


def unpack_layer(
    tar: BinaryIO,
    target: str,
    where: str,
    *,
    whiteouts: Literal["overlay", "apply"],
    lower: Lower | None,
    privileged: bool,
    lower_names: LowerNames | None = None,
    digests: bool = False,
) -> list[Entry]:
    """Unpacks the uncompressed layer ``tar`` into the directory ``target`` and returns its entries, as
    :func:`read_entries` gives them; with ``digests`` they hold their content's sha256.

    ``whiteouts``: ``overlay`` writes them as overlayfs has them (character device 0:0, opaque attribute), for an empty
    ``target`` that becomes one layer of a mount; ``apply`` removes what lies in ``target``, which holds the lower
    layers already. ``lower`` (overlay only) gives the lower layers' entry at a path whose parents are no links, None
    where there is none; without it there is nothing below. ``lower_names`` gives the names in a lower directory; only
    for an opaque root it is needed, which overlayfs cannot express otherwise (NotSupported without). ``privileged``
    False leaves out what only root may do: ownership that is refused, devices, capabilities; opaque directories are
    then marked by ``user.overlay.opaque``, as they are in a user namespace. What that cannot make is there as
    :mod:`lamella.layer.standin` says.

    Raises ImageInvalid naming ``where`` and the path, NoSpace, NoPrivilege or MachineError; ``target`` is then half
    written and should be removed."""
    hiding = OverlayHiding(lower, lower_names, where) if whiteouts == "overlay" else ApplyHiding()
    members = read_entries(tar, where)
    return _unpack(members, target, where, hiding, privileged=privileged, digests=digests)


def unpack_entries(
    members: Iterable[tuple[Entry, BinaryIO | None]],
    target: str,
    where: str,
    *,
    privileged: bool,
    digests: bool = False,
) -> list[Entry]:
    """Writes entries that were read elsewhere, a FILE with its content, into the directory ``target`` over what lies
    there, as :func:`unpack_layer` does with ``apply``."""
    return _unpack(members, target, where, ApplyHiding(), privileged=privileged, digests=digests)


def _unpack(
    members: Iterable[tuple[Entry, BinaryIO | None]],
    target: str,
    where: str,
    hiding: OverlayHiding | ApplyHiding,
    *,
    privileged: bool,
    digests: bool = False,
) -> list[Entry]:
    entries: list[Entry] = []
    path = ""
    try:
        unpacker = _Unpacker(Target(target, where, hiding.lower, privileged), hiding, where, digests)
        try:
            for entry, content in members:
                path = entry.path
                digest = unpacker.add(entry, content)
                entries.append(entry._replace(digest=digest) if digest else entry)
            path = ""
            hiding.finish()
            unpacker.target.finish()
        finally:
            unpacker.target.close()
    except OSError as error:
        raise _failure(error, where, path) from error
    return entries


def _failure(error: OSError, where: str, path: str) -> LamellaError:
    place = at(where, path) if path else where
    reason = error.strerror or str(error)
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.EILSEQ, errno.EMLINK, errno.E2BIG):
        return ImageInvalid(f"cannot be unpacked ({reason})", where=place)
    if error.errno in (errno.EPERM, errno.EACCES):
        return NoPrivilege(f"cannot be unpacked ({reason})", where=place, hint="root, or a user namespace, is needed")
    return write_error(error, place)


class _Unpacker:
    def __init__(self, target: Target, hiding: OverlayHiding | ApplyHiding, where: str, digests: bool) -> None:
        self.target, self._hiding, self._where, self._digests = target, hiding, where, digests
        self._left_out: set[str] = set()  # real paths of devices that only root could make, and of their other names
        hiding.start(target)

    def add(self, entry: Entry, content: BinaryIO | None) -> str:
        """Unpacks one entry; returns its content's digest where that is wanted."""
        kind = entry.kind
        if kind == kinds.WHITEOUT:
            self._hiding.whiteout(entry.path)
            return ""
        if kind == kinds.OPAQUE:
            self._hiding.opaque(entry.path)
            return ""
        if not entry.path:
            self.target.set_attributes("", entry)
            return ""
        folder, _, name = entry.path.rpartition("/")
        parent = self.target.directory(folder)
        real = join(parent, name)
        digest = ""
        if kind == kinds.FILE:
            assert content is not None
            digest = self._file(entry, content, parent, name)
        elif kind == kinds.DIRECTORY:
            self.target.make(parent, name)
            self.target.set_attributes(real, entry)
        elif kind == kinds.HARDLINK:
            self._hard_link(entry, parent, name)
        else:
            self._special(entry, parent, name)
        self._hiding.brings(real)
        return digest

    def _file(self, entry: Entry, content: BinaryIO, parent: str, name: str) -> str:
        folder = self.target.tree.descriptor(parent)
        try:
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=folder)
        except FileExistsError:
            self.target.clear(parent, name)
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=folder)
        try:
            digest = _copy(content, descriptor, self._digests) if entry.size else _EMPTY if self._digests else ""
            # In this order: a change of owner takes setuid bits and capabilities away, a write changes the time.
            self.target.own(descriptor, entry)
            os.fchmod(descriptor, entry.mode)
            if entry.xattrs:
                self.target.set_xattrs(descriptor, entry)
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)
        return digest

    def _hard_link(self, entry: Entry, parent: str, name: str) -> None:
        folder, _, link = entry.link.rpartition("/")
        missing = ImageInvalid(
            f"is a hard link to {shown(entry.link)}, which the layer does not hold before it",
            where=at(self._where, entry.path),
        )
        tree = self.target.tree
        source = tree.resolve(folder, None) if link else None
        if source is None:
            raise missing
        source_real, real = join(source, link), join(parent, name)
        try:
            status = os.lstat(link, dir_fd=tree.descriptor(source))
        except FileNotFoundError:
            if source_real not in self._left_out:
                raise missing from None
            self.target.clear(parent, name)
            self._left_out.add(real)
            return
        if modes.S_ISDIR(status.st_mode) or source_real.startswith(real + "/") or not self._hiding.holds(source_real):
            raise missing
        if source_real == real:
            return
        self.target.clear(parent, name)
        source_folder, new_folder = tree.descriptor(source), tree.descriptor(parent)
        os.link(link, name, src_dir_fd=source_folder, dst_dir_fd=new_folder, follow_symlinks=False)

    def _special(self, entry: Entry, parent: str, name: str) -> None:
        privileged = self.target.privileged
        self.target.clear(parent, name)
        folder = self.target.tree.descriptor(parent)
        if entry.kind == kinds.SYMLINK:
            os.symlink(entry.link, name, dir_fd=folder)
        elif self.target.namespace is not None and entry.kind != kinds.FIFO:
            self._stand_in(entry, folder, name)
            return
        elif entry.kind == kinds.FIFO or privileged:
            os.mknod(name, _DEVICE_MODES[entry.kind] | 0o600, os.makedev(entry.major, entry.minor), dir_fd=folder)
        else:
            self._left_out.add(join(parent, name))
            return
        self.target.own_special(folder, name, entry)
        if entry.kind != kinds.SYMLINK:
            os.chmod(name, entry.mode, dir_fd=folder)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)

    def _stand_in(self, entry: Entry, folder: int, name: str) -> None:
        """An empty file in the place of a device."""
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=folder)
        try:
            self.target.own(descriptor, entry)
            self.target.mark(descriptor, entry)
            os.fchmod(descriptor, entry.mode)
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)


def _copy(content: BinaryIO, descriptor: int, digests: bool) -> str:
    if digests:
        import hashlib

        digest = hashlib.sha256()
    while data := content.read(CHUNK):
        if digests:
            digest.update(data)
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, data[written:])
    return digest.hexdigest() if digests else ""

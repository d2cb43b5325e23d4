"""Reading layers: a tar stream as entries, checked. What comes in is taken to be hostile.

Refused with ImageInvalid naming the layer and the path: names with ``..`` or NUL, names too long for Linux, sizes
that lie, damaged or cut headers, sparse files, types that no layer knows, character devices 0:0 (overlayfs's own
whiteouts) and whiteouts of nothing. Absolute names are made relative, as Docker does. A path may come twice: the
later one counts.

Source: OCI image-spec layer.md; POSIX.1-2017 pax.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from lamella.errors import ImageInvalid
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.layer import limits
from lamella.layer import tarformat as tar
from lamella.layer.limits import MAX_NAME, MAX_PATH
from lamella.layer.members import WITH_CONTENT, Member, read_members, skip
from lamella.layer.names import at, shown
from lamella.layer.tarformat import padding
from lamella.layer.whiteout import decode_whiteout, is_reserved

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_KINDS = {
    tar.REGULAR: kinds.FILE,
    tar.OLD_REGULAR: kinds.FILE,
    tar.CONTIGUOUS: kinds.FILE,
    tar.HARD_LINK: kinds.HARDLINK,
    tar.SYMBOLIC_LINK: kinds.SYMLINK,
    tar.CHARACTER: kinds.CHARACTER_DEVICE,
    tar.BLOCK_SPECIAL: kinds.BLOCK_DEVICE,
    tar.DIRECTORY_TYPE: kinds.DIRECTORY,
    tar.FIFO_TYPE: kinds.FIFO,
}


def read_entries(
    stream: BinaryIO, where: str, *, on_duplicate: Callable[[str], None] | None = None
) -> Iterator[tuple[Entry, BinaryIO | None]]:
    """The entries of an uncompressed layer in its order; a FILE with a reader of its content, valid until the next
    entry is asked for (what is left of it is skipped). Whiteouts come decoded. ``stream`` is read to its very end.

    ``on_duplicate`` is told of each path that comes again, and may raise. ``where`` names the layer in errors. Raises
    ImageInvalid."""
    seen: set[str] = set()
    metadata = 0
    for count, member in enumerate(read_members(stream, where)):
        header = member.header
        metadata += len(header.name) + len(header.link)
        if member.xattrs:
            metadata += sum(len(name) + len(value) for name, value in member.xattrs)
        if count >= limits.MAX_MEMBERS or metadata > limits.MAX_METADATA:
            raise _too_much(count, metadata, at(where, header.name))
        size = header.size if header.type in WITH_CONTENT else 0
        entry = _entry(member, where)
        if on_duplicate is not None and entry is not None and entry.kind not in (kinds.WHITEOUT, kinds.OPAQUE):
            if entry.path in seen:
                on_duplicate(entry.path)
            seen.add(entry.path)
        if entry is None or not size:
            if entry is not None:
                yield entry, (io.BytesIO() if entry.kind == kinds.FILE else None)
            skip(stream, size + padding(size), where)
            continue
        content = _Content(stream, size, at(where, entry.path))
        yield entry, (cast(BinaryIO, content) if entry.kind == kinds.FILE else None)
        content.skip_rest()


def _too_much(members: int, metadata: int, where: str) -> ImageInvalid:
    what = f"{limits.MAX_MEMBERS} members"
    if metadata > limits.MAX_METADATA:
        what = f"{limits.MAX_METADATA >> 20} MiB of names, links and attributes, after {members} members"
    return ImageInvalid(f"the layer holds more than {what}: it would fill the memory", where=where)


class _Content(io.RawIOBase):
    """The content of one member; short reads mean the end, and a cut stream raises."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream, self._left, self._padding, self._where = stream, size, padding(size), where

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= self._left:
            size = self._left
        if not size:
            return b""
        data = self._stream.read(size)
        if not data:
            raise ImageInvalid("the layer ends in the middle of a file", where=self._where)
        self._left -= len(data)
        return data

    def readall(self) -> bytes:
        parts = []
        while data := self.read():
            parts.append(data)
        return b"".join(parts)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def skip_rest(self) -> None:
        skip(self._stream, self._left + self._padding, self._where)
        self._left = self._padding = 0


def _entry(member: Member, where: str) -> Entry | None:
    """The entry of a member, None for one that is to be passed over (volume labels, AUFS's own files)."""
    name, mode, uid, gid, size, _, type_, target, major, minor = member.header
    if type_ == tar.GNU_VOLUME:
        return None
    kind = _KINDS.get(type_)
    if kind is None:
        raise ImageInvalid(f"{shown(name)} is of type {type_!r}, which layers do not know", where=where)
    path = clean_path(name, where)
    if ".wh." in path and is_reserved(path):
        decoded = decode_whiteout(path, where)
        return decoded and Entry(decoded[0], kinds.OPAQUE if decoded[1] else kinds.WHITEOUT)
    link = ""
    if kind == kinds.FILE:
        if name.endswith(b"/"):  # how tars older than POSIX say directory
            kind, size = kinds.DIRECTORY, 0
    elif kind == kinds.HARDLINK:
        size, link = 0, clean_path(target, where)
    elif kind == kinds.SYMLINK:
        size, link = 0, _symlink(target, path, where)
    else:
        size = 0
        if kind == kinds.CHARACTER_DEVICE and major == minor == 0:
            raise ImageInvalid(f"{shown(path)} is a character device 0:0, overlayfs's own whiteout", where=where)
    if not path and kind != kinds.DIRECTORY:
        raise ImageInvalid(f"the root directory, {shown(name)}, is given as something else", where=where)
    return Entry(path, kind, mode, uid, gid, size, member.mtime, link, major, minor, member.xattrs)


def clean_path(name: bytes, where: str) -> str:
    """``./a//b/`` as ``a/b``; the root is "". Raises ImageInvalid for ``..``, NUL and names too long for Linux."""
    path = name.decode("utf-8", "surrogateescape")
    if not name:
        raise ImageInvalid("a member has no name", where=where)
    if b"\0" in name:
        raise ImageInvalid(f"{shown(name)} has a NUL in its name", where=where)
    if len(name) > MAX_NAME and (len(name) > MAX_PATH or any(len(part) > MAX_NAME for part in name.split(b"/"))):
        raise ImageInvalid(f"the name {shown(name)} is too long for a file system", where=where)
    if name[0] in b"./" or name[-1] == 0x2F or b"/." in name or b"//" in name:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise ImageInvalid(f"{shown(name)} leads out of the layer", where=where)
        path = "/".join(parts)
    return path


def _symlink(target: bytes, path: str, where: str) -> str:
    if not target or b"\0" in target or len(target) > MAX_PATH:
        raise ImageInvalid(f"{shown(path)} is a symbolic link to nothing that can be", where=where)
    return target.decode("utf-8", "surrogateescape")

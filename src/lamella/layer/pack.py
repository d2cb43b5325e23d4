"""Packing: entries and their files to a reproducible tar, compressed and hashed on the way, never a file in memory.

The caller's thread makes headers, reads files and takes their digests; from the first mebibyte on a second thread
hashes the tar, compresses and writes. The compressor is fed in blocks of one fixed size, so that the blob depends on
the tar's bytes, the compression and its level alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from lamella.errors import InputError, Interrupted, MachineError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.layer import tarformat as tar
from lamella.layer.packed import PackedLayer, PackItem, Sink
from lamella.layer.squeeze import BLOCK, Squeezer
from lamella.layer.tarformat import Header, encode_file_header, encode_header
from lamella.layer.whiteout import is_reserved, opaque_path, whiteout_path
from lamella.oci.descriptor import Descriptor
from lamella.oci.mediatype import layer_media_type

_NANOSECONDS = 10**9
_TYPES = {
    kinds.FILE: tar.REGULAR,
    kinds.DIRECTORY: tar.DIRECTORY_TYPE,
    kinds.SYMLINK: tar.SYMBOLIC_LINK,
    kinds.HARDLINK: tar.HARD_LINK,
    kinds.CHARACTER_DEVICE: tar.CHARACTER,
    kinds.BLOCK_DEVICE: tar.BLOCK_SPECIAL,
    kinds.FIFO: tar.FIFO_TYPE,
}
_REMOVING = (kinds.WHITEOUT, kinds.OPAQUE)
_PATIENCE = 2.0  # seconds
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def never() -> bool:
    """For those who do not cancel."""
    return False


def pack_layer(
    items: Iterable[PackItem],
    sink: Sink,
    *,
    compression: str = "gzip",
    level: int | None = None,
    clamp_mtime: int | None = None,
    cancelled: Callable[[], bool] = never,
) -> PackedLayer:
    """Writes ``items``, in their order, as a compressed layer to ``sink``.

    ``compression`` is ``gzip``, ``zstd`` or ``none``; ``clamp_mtime`` in seconds is the latest time that is written
    (SOURCE_DATE_EPOCH). Times are cut to whole seconds, and the entries returned say what was written; whiteouts get
    fixed attributes. A digest that an item brings is checked against what is read.

    Raises InputError when a file is missing, cannot be read or changes while it is read, when a name cannot stand in
    a layer, Interrupted when ``cancelled`` says so; what was written to ``sink`` is then of no use."""
    squeezer = Squeezer(sink, compression, level)
    entries: list[Entry] = []
    try:
        for item in items:
            if cancelled():
                raise Interrupted("packing the layer was cancelled")
            entries.append(_add(item, squeezer, clamp_mtime))
        squeezer.write(tar.END_OF_ARCHIVE)
        done = squeezer.finish()
    except BaseException:
        squeezer.close(_PATIENCE)
        raise
    blob = Descriptor(layer_media_type(compression), done.digest, done.size)
    return PackedLayer(done.diff_id, blob, done.uncompressed, entries)


def _add(item: PackItem, squeezer: Squeezer, clamp: int | None) -> Entry:
    entry, host_path, data, content = item
    path, kind, mode, uid, gid, size, mtime, _, _, _, xattrs, known = entry
    if kind in _REMOVING:
        squeezer.write(encode_header(header_of(entry)))
        return Entry(path, kind)
    seconds = mtime // _NANOSECONDS
    if clamp is not None and seconds > clamp:
        seconds = clamp
    if kind != kinds.FILE:
        entry = entry._replace(mtime=seconds * _NANOSECONDS)
        squeezer.write(encode_header(header_of(entry), xattrs))
        return entry
    if data is not None:
        size = len(data)
    if xattrs or ".wh." in path:
        header = encode_header(header_of(entry._replace(mtime=seconds * _NANOSECONDS, size=size)), xattrs)
    else:
        header = encode_file_header(os.fsencode(path), mode & 0o7777, uid, gid, size, seconds)
    if data is None:
        if content is not None:
            data = _read_short(content, size, path) if size < BLOCK else None
        elif host_path is not None:
            data = _read_small(host_path, size) if size < BLOCK else None
        elif size == 0:
            data = b""
        else:
            raise InputError("nothing says what the file holds", where=path)
    if data is not None:
        digest = hashlib.sha256(data).hexdigest()
        squeezer.write(header)
        squeezer.write(data)
    else:
        squeezer.write(header)
        digest = _copy_large(host_path or path, size, squeezer, content)
    if pad := -size % tar.BLOCK:
        squeezer.write(_ZEROS[pad])
    if known and known != digest:
        raise changed(host_path or path)
    return Entry(path, kind, mode, uid, gid, size, seconds * _NANOSECONDS, "", 0, 0, xattrs, digest)


_ZEROS = [bytes(size) for size in range(tar.BLOCK)]


def header_of(entry: Entry) -> Header:
    """The tar header of an entry; whiteouts become empty files of their own names."""
    path, kind = entry.path, entry.kind
    if kind in _REMOVING:
        name = whiteout_path(path) if kind == kinds.WHITEOUT else opaque_path(path)
        return Header(os.fsencode(name), 0o644, 0, 0, 0, 0, tar.REGULAR, b"", 0, 0)
    if is_reserved(path):
        raise InputError(
            "the file cannot be stored in a layer: names that begin with .wh. remove files there",
            where=path,
            hint="rename it, or leave it out of the image",
        )
    name = path or "."
    return Header(
        os.fsencode(name + "/" if kind == kinds.DIRECTORY else name),
        entry.mode & 0o7777,
        entry.uid,
        entry.gid,
        entry.size if kind == kinds.FILE else 0,
        entry.mtime // _NANOSECONDS,
        _TYPES[kind],
        os.fsencode(entry.link),
        entry.major,
        entry.minor,
    )


def _read_short(content: BinaryIO, size: int, path: str) -> bytes:
    data = content.read(size + 1) if size else b""
    if len(data) != size:
        raise changed(path)
    return data


def _read_small(path: str, size: int) -> bytes:
    try:
        descriptor = os.open(path, _OPEN)
        try:
            data = os.read(descriptor, size + 1)  # one more, to see it grow
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unreadable(path, error) from None
    if len(data) != size:
        raise changed(path)
    return data


def _copy_large(path: str, size: int, squeezer: Squeezer, content: BinaryIO | None) -> str:
    """From ``content``, or where there is none from the file at ``path``. Returns the digest."""
    if content is not None:
        return _copy(iter(lambda: content.read(BLOCK), b""), path, size, squeezer)
    try:
        descriptor = os.open(path, _OPEN)
        try:
            return _copy(_read_all(descriptor), path, size, squeezer)
        finally:
            os.close(descriptor)
    except BrokenPipeError:
        raise  # of what is written to
    except OSError as error:
        raise unreadable(path, error) from None


def _copy(blocks: Iterable[bytes], path: str, size: int, squeezer: Squeezer) -> str:
    digest = hashlib.sha256()
    for data in blocks:
        size -= len(data)
        if size < 0:
            break
        digest.update(data)
        squeezer.write(data)
    if size:
        raise changed(path)
    return digest.hexdigest()


def _read_all(descriptor: int) -> Iterator[bytes]:
    while data := os.read(descriptor, BLOCK):
        yield data


def changed(path: str) -> InputError:
    """The error for a file that is not what it was a moment ago."""
    return InputError(
        "the file changed while it was read", where=path, hint="stop what writes to it, and start again", code="changed"
    )


def unreadable(path: str, error: OSError) -> InputError | MachineError:
    """The error for a file that cannot be opened or read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR):
        return changed(path)  # it was a regular file when it was found
    reason = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"the file cannot be read ({reason})", where=path)
    return MachineError(f"the file cannot be read ({reason})", where=path)

"""Packing: entries and their files to a reproducible tar, compressed and hashed on the way, never a file in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from lamella.errors import InputError, Interrupted, MachineError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.layer import tarformat as tar
from lamella.layer.compression import CHUNK, make_compressor
from lamella.layer.packed import PackedLayer, PackItem
from lamella.layer.tarformat import Header, encode_header, padding
from lamella.layer.whiteout import is_reserved, opaque_path, whiteout_path
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
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


def never() -> bool:
    """For those who do not cancel."""
    return False


def pack_layer(
    items: Iterable[PackItem],
    sink: BinaryIO,
    *,
    compression: str = "gzip",
    level: int | None = None,
    clamp_mtime: int | None = None,
    cancelled: Callable[[], bool] = never,
) -> PackedLayer:
    """Writes ``items``, in their order, as a compressed layer to ``sink``.

    ``compression`` is ``gzip``, ``zstd`` or ``none``; ``clamp_mtime`` in seconds is the latest time that is written
    (SOURCE_DATE_EPOCH). Times are cut to whole seconds, and the entries returned say what was written; whiteouts get
    fixed attributes. Raises InputError when a file is missing or changes while it is read, Interrupted when
    ``cancelled`` says so; what was written to ``sink`` is then of no use."""
    packer = _Packer(sink, compression, level)
    entries: list[Entry] = []
    for item in items:
        if cancelled():
            raise Interrupted("packing the layer was cancelled")
        entry = _stamp(item.entry, clamp_mtime)
        if item.data is not None and len(item.data) != entry.size:
            entry = entry._replace(size=len(item.data))
        digest = packer.add(entry, item)
        entries.append(entry._replace(digest=digest) if digest else entry)
    return packer.finish(entries)


def _stamp(entry: Entry, clamp: int | None) -> Entry:
    seconds = entry.mtime // _NANOSECONDS
    if clamp is not None and seconds > clamp:
        seconds = clamp
    return entry._replace(mtime=seconds * _NANOSECONDS)


class _Packer:
    def __init__(self, sink: BinaryIO, compression: str, level: int | None) -> None:
        self._sink, self._compression = sink, compression
        self._compressor = make_compressor(compression, level)
        self._tar_hash, self._blob_hash = hashlib.sha256(), hashlib.sha256()
        self._tar_size = self._blob_size = 0
        self._parts: list[bytes] = []
        self._pending = 0

    def add(self, entry: Entry, item: PackItem) -> str:
        self._write(encode_header(header_of(entry), entry.xattrs))
        if entry.kind != kinds.FILE:
            return ""
        content = hashlib.sha256()
        for chunk in [item.data] if item.data is not None else _read_file(item.host_path, entry.size):
            content.update(chunk)
            self._write(chunk)
        self._write(bytes(padding(entry.size)))
        return content.hexdigest()

    def _write(self, data: bytes) -> None:
        self._parts.append(data)
        self._pending += len(data)
        if self._pending >= CHUNK:
            self._drain()

    def _drain(self) -> None:
        data = b"".join(self._parts)
        self._parts, self._pending = [], 0
        self._tar_hash.update(data)
        self._tar_size += len(data)
        self._put(self._compressor.compress(data))

    def _put(self, data: bytes) -> None:
        self._blob_hash.update(data)
        self._blob_size += len(data)
        self._sink.write(data)

    def finish(self, entries: list[Entry]) -> PackedLayer:
        self._write(tar.END_OF_ARCHIVE)
        self._drain()
        self._put(self._compressor.flush())
        blob = Descriptor(
            layer_media_type(self._compression), Digest("sha256:" + self._blob_hash.hexdigest()), self._blob_size
        )
        return PackedLayer(DiffID("sha256:" + self._tar_hash.hexdigest()), blob, self._tar_size, entries)


def header_of(entry: Entry) -> Header:
    """The tar header of an entry; whiteouts become empty files of their own names."""
    path, kind = entry.path, entry.kind
    if kind in (kinds.WHITEOUT, kinds.OPAQUE):
        name = whiteout_path(path) if kind == kinds.WHITEOUT else opaque_path(path)
        return Header(os.fsencode(name), 0o644, 0, 0, 0, 0, tar.REGULAR, b"", 0, 0)
    if is_reserved(path):
        raise InputError(
            f"{path!r} cannot be stored in a layer: names that begin with .wh. remove files there",
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


def _read_file(path: str | None, size: int) -> Iterator[bytes]:
    if path is None:
        raise InputError("an entry has neither data nor a file to read")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        left = size
        while left:
            chunk = os.read(descriptor, min(left, CHUNK))
            if not chunk:
                raise changed(path)
            left -= len(chunk)
            yield chunk
        if os.read(descriptor, 1):
            raise changed(path)
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        os.close(descriptor)


def changed(path: str) -> InputError:
    return InputError(
        "the file changed while it was read", where=path, hint="stop what writes to it, and start again", code="changed"
    )


def unreadable(path: str, error: OSError) -> InputError | MachineError:
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno == 40:  # ELOOP: now a symlink
        return changed(path)
    if isinstance(error, PermissionError | IsADirectoryError):
        return InputError(f"the file cannot be read ({reason})", where=path)
    return MachineError(f"the file cannot be read ({reason})", where=path)

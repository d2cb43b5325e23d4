"""One pass over a layer: its hashes, its sizes and its entries with content digests."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, NamedTuple, cast

from lamella.filetree.entry import Entry
from lamella.layer.compression import CHUNK, open_decompressed
from lamella.layer.decoders import MAGIC_SIZE, detect_compression
from lamella.layer.limits import SWELLING, Swelling
from lamella.layer.read import read_entries
from lamella.oci.digest import DiffID, Digest

#: the sha256 of nothing: one object, for a million of them take memory
EMPTY = hashlib.sha256().hexdigest()


class LayerIndex(NamedTuple):
    """``uncompressed`` is the tar's size in bytes; ``digest`` and ``size`` are those of the stored form, and
    ``compression`` (``gzip``, ``zstd``, ``none`` …) is what its first bytes say."""

    diff_id: DiffID
    uncompressed: int
    entries: list[Entry]
    digest: Digest
    size: int
    compression: str


def index_layer(stream: BinaryIO, where: str, swelling: Swelling | None = SWELLING) -> LayerIndex:
    """Reads a layer to its end, compressed or not; ``swelling`` bounds how much comes out. Raises ImageInvalid."""
    blob, tar = _Hashed(stream), _Size()
    entries: list[Entry] = []
    with open_decompressed(cast(BinaryIO, blob), where, swelling=swelling, tap=tar.add) as content_stream:
        for entry, content in read_entries(content_stream, where):
            if content is None:
                entries.append(entry)
            else:
                entries.append(entry._replace(digest=content_digest(content) if entry.size else EMPTY))
        while blob.read(CHUNK):
            pass
    return LayerIndex(
        DiffID("sha256:" + tar.hash.hexdigest()),
        tar.size,
        entries,
        Digest("sha256:" + blob.hash.hexdigest()),
        blob.size,
        detect_compression(blob.start),
    )


def content_digest(content: BinaryIO) -> str:
    """The sha256 of a stream's rest, as hex digits."""
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


class _Size:
    def __init__(self) -> None:
        self.hash, self.size = hashlib.sha256(), 0

    def add(self, data: bytes) -> None:
        self.hash.update(data)
        self.size += len(data)


class _Hashed(_Size):
    """A stream that hashes what is read of it."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self.start = stream, b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.add(data)
        if len(self.start) < MAGIC_SIZE:
            self.start += data[:MAGIC_SIZE]
        return data

"""One pass over a layer: its hashes, its sizes and its entries with content digests."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, NamedTuple, cast

from lamella.filetree.entry import Entry
from lamella.layer.compression import CHUNK, open_decompressed
from lamella.layer.read import read_entries
from lamella.oci.digest import DiffID, Digest


class LayerIndex(NamedTuple):
    """``uncompressed`` is the tar's size in bytes; ``digest`` and ``size`` are those of the stored form."""

    diff_id: DiffID
    uncompressed: int
    entries: list[Entry]
    digest: Digest
    size: int


class Tee:
    """Reads from a stream and hashes what passes. ``read`` and ``readinto`` only."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hash, self.size = stream, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def index_layer(stream: BinaryIO, where: str) -> LayerIndex:
    """Reads a layer to its end, compressed or not. Raises ImageInvalid."""
    blob = Tee(stream)
    tar = Tee(open_decompressed(cast(BinaryIO, blob), where))
    entries: list[Entry] = []
    for entry, content in read_entries(cast(BinaryIO, tar), where):
        if content is not None:
            digest = hashlib.sha256()
            while chunk := content.read(CHUNK):
                digest.update(chunk)
            entries.append(entry._replace(digest=digest.hexdigest()))
        else:
            entries.append(entry)
    while blob.read(CHUNK):
        pass
    return LayerIndex(
        DiffID("sha256:" + tar.hexdigest()), tar.size, entries, Digest("sha256:" + blob.hexdigest()), blob.size
    )

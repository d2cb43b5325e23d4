"""Layers by diff ID: which blobs hold one, what is in it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lamella.errors import ImageInvalid, NotFound
from lamella.filetree.entry import FILE, Entry
from lamella.layer.packed import PackedLayer
from lamella.oci import mediatype
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import LayerRef
from lamella.store.blobs import BlobStore
from lamella.store.database import Database
from lamella.store.disk import disk_errors, remove_quietly
from lamella.store.lease import Lease


class LayerSize(NamedTuple):
    """``content`` is the sum of the sizes of its files, ``tar`` the size of the uncompressed archive; in bytes."""

    content: int
    tar: int


class LayerStore:
    """A diff ID may have several blobs (of different compression). Tables of contents lie in ``lamella/toc``."""

    def __init__(self, folder: str, database: Database, blobs: BlobStore, lease: Lease) -> None:
        self._folder = folder
        self._database = database
        self._blobs = blobs
        self._lease = lease

    def record(self, packed: PackedLayer) -> None:
        """Keeps the table of contents of a layer that was just packed, and which blob holds it."""
        self._write_toc(packed.diff_id, packed.entries, packed.uncompressed)
        self.bind(packed.ref)

    def bind(self, ref: LayerRef) -> None:
        """Notes that ``ref.blob`` holds ``ref.diff_id``."""
        self._database.change(
            "INSERT OR REPLACE INTO layer (diff_id, digest, media_type, size) VALUES (?, ?, ?, ?)",
            (ref.diff_id, ref.blob.digest, ref.blob.media_type, ref.blob.size),
        )

    def find(self, diff_id: DiffID) -> LayerRef | None:
        """A blob of this layer that is there, a compressed one before a plain one."""
        rows = self._database.query("SELECT media_type, digest, size FROM layer WHERE diff_id = ?", (diff_id,))
        blobs = [Descriptor(media_type, Digest(digest), size) for media_type, digest, size in rows]
        blobs.sort(key=lambda blob: (mediatype.compression_of(blob.media_type) == "none", blob.size))
        return next((LayerRef(diff_id, blob) for blob in blobs if self._blobs.touch(blob)), None)

    def toc_path(self, diff_id: DiffID) -> str:
        return f"{self._folder}/{diff_id.encoded}"

    def has_toc(self, diff_id: DiffID) -> bool:
        return os.path.isfile(self.toc_path(diff_id))

    def toc(self, diff_id: DiffID) -> Iterator[Entry]:
        """The layer's entries in their order. Raises NotFound where ``ensure_toc`` was never called."""
        from lamella.layer.toc import read_toc

        path = self.toc_path(diff_id)
        try:
            file = open(path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise NotFound("the store has no table of contents of this layer", where=str(diff_id)) from None
        with file:
            yield from read_toc(file)

    def ensure_toc(self, ref: LayerRef) -> None:
        """Indexes a layer that came from elsewhere, once; digest, size and diff ID are verified by that.

        Raises NotFound, StoreDamaged, and ImageInvalid when the blob's content has another diff ID."""
        if self.has_toc(ref.diff_id):
            return
        from lamella.layer.compression import open_decompressed
        from lamella.layer.index import index_layer

        where = str(ref.blob.digest)
        with self._blobs.open_blob(ref.blob) as stored:
            index = index_layer(open_decompressed(stored), where)
            while stored.read(1 << 20):  # what stands after the compressed stream counts for the digest too
                pass
        if index.diff_id != ref.diff_id:
            raise ImageInvalid(
                f"the layer's content has the diff ID {index.diff_id}, its image says {ref.diff_id}",
                where=where,
                hint="the image is broken or forged; get it again from its source",
            )
        self._write_toc(ref.diff_id, index.entries, index.uncompressed)
        self.bind(ref)

    def size(self, diff_id: DiffID) -> LayerSize | None:
        """None where the layer was never indexed."""
        rows = self._database.query("SELECT bytes, tar FROM content WHERE diff_id = ?", (diff_id,))
        if rows:
            return LayerSize(*rows[0])
        if not self.has_toc(diff_id):
            return None
        # The index was made anew: the content is counted again, the archive's size is not in the table of contents.
        content = content_bytes(self.toc(diff_id))
        self._database.change("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", (diff_id, 0, content))
        return LayerSize(content, 0)

    def uncompressed_size(self, diff_id: DiffID) -> int:
        """Bytes of file contents in the layer. Raises NotFound where it was never indexed."""
        size = self.size(diff_id)
        if size is None:
            raise NotFound("the store has no table of contents of this layer", where=str(diff_id))
        return size.content

    def indexed(self) -> list[DiffID]:
        """Every layer with a table of contents."""
        with disk_errors(self._folder, "read the store"):
            return [DiffID(f"sha256:{name}") for name in sorted(os.listdir(self._folder)) if len(name) == 64]

    def forget(self, diff_id: DiffID) -> None:
        """Removes the table of contents and what is known of the layer; the blobs stay."""
        remove_quietly(self.toc_path(diff_id))
        self._database.change("DELETE FROM content WHERE diff_id = ?", (diff_id,))
        self._database.change("DELETE FROM layer WHERE diff_id = ?", (diff_id,))

    def _write_toc(self, diff_id: DiffID, entries: Iterable[Entry], tar: int) -> None:
        from lamella.layer.toc import write_toc

        path = self.toc_path(diff_id)
        entries = list(entries)
        if not os.path.isfile(path):
            temporary = self._lease.temporary_path(".toc")
            with disk_errors(path, "write a table of contents"):
                try:
                    with io.FileIO(temporary, "xb") as raw, io.BufferedWriter(raw, 1 << 18) as file:
                        write_toc(entries, file)
                    os.rename(temporary, path)
                except OSError:
                    remove_quietly(temporary)
                    raise
        self._database.change("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", (diff_id, tar, content_bytes(entries)))


def content_bytes(entries: Iterable[Entry]) -> int:
    """What ``docker images`` sums up: the sizes of regular files, hard links counted once."""
    return sum(entry.size for entry in entries if entry.kind == FILE)

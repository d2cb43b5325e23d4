"""Layers by diff ID: which blobs hold one, what is in it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from lamella.errors import ImageInvalid, NoSpace, NotFound, StoreDamaged
from lamella.filetree.entry import FILE, SYMLINK, Entry
from lamella.layer.packed import PackedLayer
from lamella.oci import mediatype
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import BlobSource, LayerRef
from lamella.store.blobs import BlobStore
from lamella.store.database import Database
from lamella.store.disk import disk_errors, remove_quietly
from lamella.store.lease import Lease

if TYPE_CHECKING:
    from lamella.layer.index import LayerIndex


class LayerSize(NamedTuple):
    """In bytes: ``content`` is the sum of the sizes of its files, hard links counted once; ``tar`` the size of the
    uncompressed archive, 0 where it was forgotten; ``links`` the length of all symbolic links' targets."""

    content: int
    tar: int
    links: int

    @property
    def shown(self) -> int:
        """What ``docker images`` and ``docker history`` count: links take part with their targets' length."""
        return self.content + self.links


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

    def knows(self, ref: LayerRef) -> bool:
        """Whether ``ref.blob`` was seen to hold ``ref.diff_id``."""
        sql = "SELECT 1 FROM layer WHERE diff_id = ? AND digest = ?"
        return bool(self._database.query(sql, (ref.diff_id, ref.blob.digest)))

    def find(self, diff_id: DiffID) -> LayerRef | None:
        """A blob of this layer that is there, a compressed one before a plain one."""
        rows = self._database.query("SELECT media_type, digest, size FROM layer WHERE diff_id = ?", (diff_id,))
        blobs = [Descriptor(media_type, Digest(digest), size) for media_type, digest, size in rows]
        blobs.sort(key=lambda blob: (mediatype.compression_of(blob.media_type) == "none", blob.size))
        return next((LayerRef(diff_id, blob) for blob in blobs if self._blobs.touch(blob)), None)

    def toc_path(self, diff_id: DiffID) -> str:
        return f"{self._folder}/{diff_id.encoded}"

    def has_toc(self, diff_id: DiffID) -> bool:
        try:
            return os.stat(self.toc_path(diff_id)).st_size > 0  # a power loss may leave an empty file
        except OSError:
            return False

    def toc(self, diff_id: DiffID) -> Iterator[Entry]:
        """The layer's entries in their order. Raises NotFound where ``ensure_toc`` was never called."""
        from lamella.layer.toc import read_toc

        path = self.toc_path(diff_id)
        try:
            file = open(path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise NotFound("the store has no table of contents of this layer", where=str(diff_id)) from None
        with file:
            yield from read_toc(file, path)

    def ensure_toc(self, ref: LayerRef) -> None:
        """Indexes a layer that came from elsewhere, once; digest, size and diff ID are verified by that.

        Raises NotFound, StoreDamaged, and ImageInvalid when the blob's content has another diff ID."""
        if self.has_toc(ref.diff_id):
            return
        index = self._index(ref)
        if index.diff_id != ref.diff_id:
            raise ImageInvalid(
                f"the layer's content has the diff ID {index.diff_id}, its image says {ref.diff_id}",
                where=str(ref.blob.digest),
                hint="the image is broken or forged; get it again from its source",
            )
        self._write_toc(ref.diff_id, index.entries, index.uncompressed)
        self.bind(ref)

    def _index(self, ref: LayerRef) -> LayerIndex:
        from lamella.layer.index import index_layer

        try:
            with self._blobs.open_blob(ref.blob) as stored:
                return index_layer(stored, str(ref.blob.digest))
        except ImageInvalid:
            # A blob that is not what it was breaks the decompression first: say what is behind it.
            with self._blobs.open_blob(ref.blob) as stored:
                while stored.read(1 << 20):
                    pass
            raise

    def size(self, diff_id: DiffID) -> LayerSize | None:
        """None where the layer was never indexed."""
        try:
            rows = self._database.query("SELECT bytes, tar, links FROM content WHERE diff_id = ?", (diff_id,))
        except NoSpace:
            rows = []
        if rows:
            return LayerSize(*rows[0])
        if not self.has_toc(diff_id):
            return None
        # The index was made anew: the content is counted again, the archive's size is not in the table of contents.
        try:
            size = measure_entries(self.toc(diff_id), 0)
        except StoreDamaged:  # it is derived, so it is made again
            remove_quietly(self.toc_path(diff_id))
            return None
        with suppress(NoSpace):
            self._note_size(diff_id, size)
        return size

    def measure(self, ref: LayerRef, source: BlobSource, *, keep: bool = False) -> LayerSize:
        """The size of a layer wherever it lies. One of the store's is indexed for it (once), one of another ``source``
        is read and, unless its table of contents is to be kept, forgotten again. Raises ImageInvalid, NotFound,
        StoreDamaged."""
        if (size := self.size(ref.diff_id)) is not None:
            return size
        if source is self._blobs or self._blobs.holds(ref.blob):
            self.ensure_toc(ref)
            return self.size(ref.diff_id) or LayerSize(0, 0, 0)
        from lamella.layer.index import index_layer

        with source.open_blob(ref.blob) as stream:
            index = index_layer(stream, str(ref.blob.digest))
        if keep and index.diff_id == ref.diff_id:
            self._write_toc(ref.diff_id, index.entries, index.uncompressed)
        return measure_entries(index.entries, index.uncompressed)

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

    def refs(self) -> list[LayerRef]:
        """Every pair of a diff ID and a blob that is known, the blob there or not."""
        rows = self._database.query("SELECT diff_id, media_type, digest, size FROM layer ORDER BY diff_id, digest")
        return [LayerRef(DiffID(row[0]), Descriptor(row[1], Digest(row[2]), row[3])) for row in rows]

    def blobs(self) -> set[Digest]:
        """Every blob that is known to hold a layer, there or not."""
        return {Digest(row[0]) for row in self._database.query("SELECT digest FROM layer")}

    def forget(self, diff_id: DiffID) -> None:
        """Removes the table of contents and what is known of the layer; the blobs stay."""
        remove_quietly(self.toc_path(diff_id))
        self._database.change("DELETE FROM content WHERE diff_id = ?", (diff_id,))
        self._database.change("DELETE FROM layer WHERE diff_id = ?", (diff_id,))

    def _write_toc(self, diff_id: DiffID, entries: Iterable[Entry], tar: int) -> None:
        from lamella.layer.toc import write_toc

        path = self.toc_path(diff_id)
        entries = list(entries)
        if not self.has_toc(diff_id):
            temporary = self._lease.temporary_path(".toc")
            with disk_errors(path, "write a table of contents"):
                try:
                    with io.FileIO(temporary, "xb") as raw, io.BufferedWriter(raw, 1 << 18) as file:
                        write_toc(entries, file)
                    os.rename(temporary, path)
                except OSError:
                    remove_quietly(temporary)
                    raise
        self._note_size(diff_id, measure_entries(entries, tar))

    def _note_size(self, diff_id: DiffID, size: LayerSize) -> None:
        self._database.change(
            "INSERT OR REPLACE INTO content (diff_id, bytes, tar, links) VALUES (?, ?, ?, ?)", (diff_id, *size)
        )


def measure_entries(entries: Iterable[Entry], tar: int) -> LayerSize:
    """Sums up a table of contents; ``tar`` is passed on."""
    content = links = 0
    for entry in entries:
        if entry.kind == FILE:
            content += entry.size
        elif entry.kind == SYMLINK:
            links += len(entry.link.encode("utf-8", "surrogateescape"))
    return LayerSize(content, tar, links)

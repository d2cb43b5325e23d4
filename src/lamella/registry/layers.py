"""The layers of an image into the store: several arrive at once, each is indexed as it comes, and unpacked in its turn.

What arrives is verified three times over: the blob's digest and size while it streams, the diff ID of what comes out of
the decompression, and the table of contents is made from those very bytes. One decompression feeds the index and the
snapshot. A snapshot is bound to its chain ID, and a layer recorded, only after its whole blob was found right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamella.errors import ImageInvalid, Interrupted, NoSpace
from lamella.events import BlobMoved, Emit
from lamella.layer import limits
from lamella.layer.packed import PackedLayer
from lamella.layer.verified import Passed, open_layer
from lamella.oci.digest import ChainID, Digest, chain_ids
from lamella.oci.image import Image, LayerRef
from lamella.registry.arriving import Abandoned, Arriving
from lamella.registry.together import Together
from lamella.snapshot.protocol import Snapshot, Snapshotter
from lamella.store.store import Store

if TYPE_CHECKING:
    from lamella.filetree.entry import Entry
    from lamella.oci.descriptor import Descriptor
    from lamella.store.partials import State

#: layers that arrive at the same time
PARALLEL = 4
#: how much a layer may grow when it is decompressed
SWELLING = limits.SWELLING
_INDEXING = 2  # threads, where nothing is unpacked
OpenBlob = Callable[["Descriptor", int, "State | None"], BinaryIO]


class Came(NamedTuple):
    """Bytes and blobs that were fetched, and those that were there already."""

    bytes: int = 0
    blobs: int = 0
    spared: int = 0
    present: int = 0

    def __add__(self, other: Came) -> Came:  # type: ignore[override]
        return Came(*(a + b for a, b in zip(self, other, strict=True)))


class LayersIn:
    """One image's layers on their way. ``stop`` ends it from outside, and is set on the first error."""

    def __init__(
        self,
        store: Store,
        open_blob: OpenBlob,
        image: Image,
        *,
        snapshotter: Snapshotter | None,
        emit: Emit,
        stop: threading.Event,
    ) -> None:
        """``open_blob`` gives verifying streams; with a ``snapshotter`` the layers are unpacked too."""
        self._store, self._open_blob, self._emit, self._stop = store, open_blob, emit, stop
        self._snapshotter = snapshotter
        self._layers = list(zip(image.layers, chain_ids(image.config.diff_ids), strict=True))
        self._arriving: dict[Digest, Arriving] = {}
        self._guard = threading.Lock()
        self.came = Came()

    def run(self) -> Came:
        """Fetches, indexes, unpacks. Raises what the first failure raised; blobs that came whole stay in the store."""
        self._look()
        jobs: list[Callable[[], None]] = []
        waiting = list(self._arriving.values())
        if waiting:
            jobs += [lambda: self._fetch_from(waiting)] * min(PARALLEL, len(waiting))
        if self._snapshotter is not None:
            jobs.append(self._unpack_all)
        else:
            todo = list(dict.fromkeys(ref for ref, _ in self._layers))
            jobs += [lambda: self._index_from(todo)] * min(_INDEXING, len(todo))
        try:
            Together(self._stop, self._let_go).run([lambda job=job: _quietly(job) for job in jobs])  # type: ignore[misc]
        except (ImageInvalid, NoSpace):
            for arriving in self._arriving.values():
                self._store.partials.forget(arriving.blob)  # its beginning may be what is wrong, and takes up room
            raise
        finally:
            for arriving in self._arriving.values():
                arriving.close()
        return self.came

    def _look(self) -> None:
        """What has to come, each blob once."""
        seen: set[Digest] = set()
        for ref, _ in self._layers:
            blob = ref.blob
            if blob.digest in seen:
                continue
            seen.add(blob.digest)
            if self._store.blobs.touch(blob):
                self._count(Came(spared=blob.size, present=1))
                self._emit(BlobMoved(blob.digest, "present", blob.size, blob.size))
            else:
                self._arriving[blob.digest] = Arriving(blob)
                self._emit(BlobMoved(blob.digest, "waiting", 0, blob.size))

    def _count(self, came: Came) -> None:
        with self._guard:
            self.came += came

    def _let_go(self) -> None:
        for arriving in self._arriving.values():
            arriving.abandon()

    def _fetch_from(self, waiting: list[Arriving]) -> None:
        while not self._stop.is_set():
            with self._guard:
                if not waiting:
                    return
                arriving = waiting.pop(0)
            blob = arriving.blob

            def grown(size: int, blob: Descriptor = blob) -> None:
                if self._stop.is_set():
                    raise Interrupted("the transfer was cancelled")
                self._emit(BlobMoved(blob.digest, "downloading", size, blob.size))

            came = arriving.fetch(partial(self._open_blob, blob), self._store, grown)
            self._store.blobs.sync()  # while others unpack: it has to be done before the image gets its name
            self._count(Came(bytes=came, blobs=1, spared=blob.size - came))
            if self._snapshotter is None:
                self._emit(BlobMoved(blob.digest, "done", blob.size, blob.size))

    # -- what is done with them --------------------------------------------------------------------------------------

    def _open(self, ref: LayerRef) -> BinaryIO:
        """A verified stream of the layer's blob, wherever it is by now."""
        arriving = self._arriving.get(ref.blob.digest)
        if arriving is None:
            return self._store.blobs.open_blob(ref.blob)
        total = ref.blob.size

        def read(size: int) -> None:
            if self._stop.is_set():
                raise Interrupted("the transfer was cancelled")
            self._emit(BlobMoved(ref.blob.digest, "unpacking", size, total))

        return arriving.open(read)

    def _unpack_all(self) -> None:
        parent: Snapshot | None = None
        for ref, chain in self._layers:
            if self._stop.is_set():
                return
            parent = self._unpack(ref, chain, parent)
            if ref.blob.digest in self._arriving:
                self._emit(BlobMoved(ref.blob.digest, "done", ref.blob.size, ref.blob.size))

    def _unpack(self, ref: LayerRef, chain: ChainID, parent: Snapshot | None) -> Snapshot:
        assert self._snapshotter is not None
        found = self._snapshotter.find(chain)
        if found is not None:
            self._index(ref)
            return found
        layers, passed = self._store.layers, Passed()
        unknown = not layers.has_toc(ref.diff_id)

        def told(entries: list[Entry]) -> None:
            layers.record(PackedLayer(ref.diff_id, ref.blob, passed.size, entries))

        where = str(ref.blob.digest)
        with (
            self._open(ref) as stream,
            open_layer(stream, ref.diff_id, where, swelling=SWELLING, passed=passed) as tar,
        ):
            snapshot = self._snapshotter.unpack(parent, tar, chain, where, told if unknown else None)
        if not unknown:
            layers.bind(ref)
        return snapshot

    def _index_from(self, todo: list[LayerRef]) -> None:
        while not self._stop.is_set():
            with self._guard:
                if not todo:
                    return
                ref = todo.pop(0)
            self._index(ref)

    def _index(self, ref: LayerRef) -> None:
        """The table of contents, where there is none. A blob that was never seen to hold this layer is read in any
        case: a registry may say of any blob that it does."""
        from lamella.layer.index import index_layer

        layers = self._store.layers
        if layers.has_toc(ref.diff_id):
            if not layers.knows(ref):
                self._verify(ref)
                layers.bind(ref)
            return
        where = str(ref.blob.digest)
        with self._open(ref) as stream:
            index = index_layer(stream, where, SWELLING)
        if index.diff_id != ref.diff_id:
            raise ImageInvalid(
                f"the layer's content has the diff ID {index.diff_id}, the config says {ref.diff_id}",
                where=where,
                hint="the image is broken or forged; get it again from its source",
            )
        layers.record(PackedLayer(ref.diff_id, ref.blob, index.uncompressed, index.entries))

    def _verify(self, ref: LayerRef) -> None:
        with (
            self._open(ref) as stream,
            open_layer(stream, ref.diff_id, str(ref.blob.digest), swelling=SWELLING) as tar,
        ):
            while tar.read(1 << 20):
                pass


def _quietly(job: Callable[[], None]) -> None:
    try:
        job()
    except Abandoned:
        pass  # whoever was to bring it tells

"""From an image, wherever it lies, to its layers' contents and to one side of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.errors import ImageInvalid
from lamella.filetree.entry import Entry
from lamella.filetree.tree import merge_layers
from lamella.layer.index import index_layer
from lamella.layer.packed import PackedLayer
from lamella.oci.image import BlobSource, Image, LayerRef
from lamella.prove.model import Side
from lamella.store.store import Store

Contents = list[list[Entry]]
"""The table of contents of each layer of an image, bottom first, with content digests."""


def read_contents(image: Image, blobs: BlobSource, store: Store) -> Contents:
    """What each layer holds. A layer that the store has no table of contents of is read once, and verified by that.

    Raises NotFound or StoreDamaged for a blob that is not as it should be, ImageInvalid for a broken layer."""
    return [_read_layer(layer, blobs, store) for layer in image.layers]


def side_of(image: Image, contents: Sequence[Sequence[Entry]], name: str) -> Side:
    """Merges the layers. Raises ImageInvalid for layers that make no file system."""
    return Side(name, merge_layers(contents, layer_names(image)), image.config)


def layer_names(image: Image) -> list[str]:
    """How errors call the layers: by the digests of their blobs."""
    return [str(layer.blob.digest) for layer in image.layers]


def open_side(image: Image, store: Store, name: str) -> Side:
    """An image of the store as one side of a comparison."""
    return side_of(image, read_contents(image, store.blobs, store), name)


def _read_layer(layer: LayerRef, blobs: BlobSource, store: Store) -> list[Entry]:
    if not store.layers.has_toc(layer.diff_id):
        if blobs is store.blobs:
            store.layers.ensure_toc(layer)
        else:
            _index(layer, blobs, store)
    return list(store.layers.toc(layer.diff_id))


def _index(layer: LayerRef, blobs: BlobSource, store: Store) -> None:
    """Keeps the table of contents of a layer that lies elsewhere, so that it is not read a second time."""
    where = str(layer.blob.digest)
    with blobs.open_blob(layer.blob) as stream:
        index = index_layer(stream, where)
    if index.diff_id != layer.diff_id:
        raise ImageInvalid(
            f"the layer's content has the diff ID {index.diff_id}, its image says {layer.diff_id}",
            where=where,
            hint="the image is broken or forged; get it again from its source",
        )
    store.layers.record(PackedLayer(layer.diff_id, layer.blob, index.uncompressed, index.entries))

"""Layers by diff ID and their tables of contents."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.errors import ImageInvalid, NotFound, StoreDamaged
from lamella.layer.index import index_layer
from lamella.layer.packed import PackedLayer
from lamella.oci.digest import DiffID
from lamella.oci.image import LayerRef
from lamella.store.layers import LayerSize
from lamella.store.store import Store

AddLayer = Callable[..., PackedLayer]
FILES = {"bin/sh": b"#!", "etc/passwd": b"root", "lib": "usr/lib", "old": None}


def test_record_and_read(store: Store, add_layer: AddLayer) -> None:
    packed = add_layer(FILES)
    assert list(store.layers.toc(packed.diff_id)) == list(packed.entries)
    assert store.layers.find(packed.diff_id) == packed.ref
    assert store.layers.size(packed.diff_id) == LayerSize(6, packed.uncompressed, 7)
    assert store.layers.uncompressed_size(packed.diff_id) == 6
    assert store.layers.indexed() == [packed.diff_id]


def test_recorded_toc_is_what_an_index_finds(store: Store, add_layer: AddLayer) -> None:
    packed = add_layer(FILES)
    with store.blobs.open_blob(packed.blob) as stream:
        index = index_layer(stream, "layer")
    assert index.entries == list(store.layers.toc(packed.diff_id))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_ensure_toc_indexes_once(store: Store, add_layer: AddLayer, compression: str) -> None:
    packed = add_layer(FILES, compression=compression, record=False)
    assert not store.layers.has_toc(packed.diff_id)
    with pytest.raises(NotFound):
        list(store.layers.toc(packed.diff_id))
    with pytest.raises(NotFound):
        store.layers.uncompressed_size(packed.diff_id)
    store.layers.ensure_toc(packed.ref)
    assert list(store.layers.toc(packed.diff_id)) == list(packed.entries)
    os.unlink(store.blobs.path_of(packed.blob.digest))
    store.layers.ensure_toc(packed.ref)  # does not read the blob again


def test_several_blobs_of_one_layer(store: Store, add_layer: AddLayer) -> None:
    blobs = {kind: add_layer(FILES, compression=kind) for kind in ("none", "gzip", "zstd")}
    diff_ids = {packed.diff_id for packed in blobs.values()}
    assert len(diff_ids) == 1
    found = store.layers.find(diff_ids.pop())
    assert found in (blobs["gzip"].ref, blobs["zstd"].ref)
    store.blobs.remove(blobs["gzip"].blob.digest)
    store.blobs.remove(blobs["zstd"].blob.digest)
    assert store.layers.find(blobs["none"].diff_id) == blobs["none"].ref
    store.blobs.remove(blobs["none"].blob.digest)
    assert store.layers.find(blobs["none"].diff_id) is None


def test_wrong_diff_id_is_refused(store: Store, add_layer: AddLayer) -> None:
    packed = add_layer(FILES, record=False)
    forged = LayerRef(DiffID("sha256:" + "0" * 64), packed.blob)
    with pytest.raises(ImageInvalid, match=str(packed.diff_id)) as caught:
        store.layers.ensure_toc(forged)
    assert caught.value.where == packed.blob.digest
    assert not store.layers.has_toc(forged.diff_id)


def test_damaged_blob_is_named_as_such(store: Store, add_layer: AddLayer) -> None:
    """The decompression breaks first; what is behind it is said."""
    packed = add_layer({"a": os.urandom(100_000)}, record=False)
    path = Path(store.blobs.path_of(packed.blob.digest))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match="does not match its digest"):
        store.layers.ensure_toc(packed.ref)


def test_layer_that_is_no_tar(store: Store) -> None:
    from lamella.oci.descriptor import Descriptor
    from lamella.oci.mediatype import OCI_LAYER

    data = b"no tar at all" * 100
    digest = store.blobs.put(data)
    with pytest.raises(ImageInvalid):
        store.layers.ensure_toc(LayerRef(DiffID(digest), Descriptor(OCI_LAYER, digest, len(data))))


def test_empty_toc_after_a_power_loss_is_made_again(store: Store, add_layer: AddLayer) -> None:
    packed = add_layer(FILES)
    Path(store.layers.toc_path(packed.diff_id)).write_bytes(b"")
    assert not store.layers.has_toc(packed.diff_id)
    store.layers.ensure_toc(packed.ref)
    assert list(store.layers.toc(packed.diff_id)) == list(packed.entries)


def test_sizes_come_back_after_the_index_was_lost(store: Store, add_layer: AddLayer) -> None:
    packed = add_layer(FILES)
    store.database.reset()
    size = store.layers.size(packed.diff_id)
    assert size is not None
    assert (size.content, size.links) == (6, 7)


def test_measuring_a_layer_of_another_source_stores_nothing(store: Store, add_layer: AddLayer, tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "other")) as other:
        packed = add_layer(FILES, to=other)
        assert store.layers.measure(packed.ref, other.blobs).shown == 13
        assert list(store.blobs) == []
        assert store.layers.indexed() == []
    with pytest.raises(NotFound):
        store.layers.measure(packed.ref, store.blobs)

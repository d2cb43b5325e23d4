"""One pass over a blob: hashes, sizes, entries."""

from __future__ import annotations

import gzip
import hashlib
import io

import pytest

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, FILE, WHITEOUT, Entry
from lamella.layer.index import index_layer
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackItem

ITEMS = [
    PackItem(Entry("a", DIRECTORY, 0o755)),
    PackItem(Entry("a/.wh", FILE), None, b"x" * 100_000),
    PackItem(Entry("b", WHITEOUT)),
    PackItem(Entry("c", FILE), None, b""),
]


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_an_index_is_what_packing_said(compression: str) -> None:
    sink = io.BytesIO()
    layer = pack_layer(ITEMS, sink, compression=compression)
    index = index_layer(io.BytesIO(sink.getvalue()), "layer-7")
    assert (index.diff_id, index.uncompressed) == (layer.diff_id, layer.uncompressed)
    assert (index.digest, index.size) == (layer.blob.digest, layer.blob.size)
    assert index.entries == layer.entries
    assert index.compression == compression


def test_all_of_the_blob_is_hashed() -> None:
    """What follows the tar's end, and several gzip members, count for the diff ID and the digest."""
    sink = io.BytesIO()
    pack_layer(ITEMS, sink, compression="none")
    tar = sink.getvalue() + b"\0" * 3000 + b"rest"
    blob = gzip.compress(tar[:1000]) + gzip.compress(tar[1000:]) + bytes(20)
    index = index_layer(io.BytesIO(blob), "layer-7")
    assert index.diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert index.digest == "sha256:" + hashlib.sha256(blob).hexdigest()
    assert (index.size, index.uncompressed, index.compression) == (len(blob), len(tar), "gzip")


def test_a_broken_layer_is_named() -> None:
    with pytest.raises(ImageInvalid, match="layer-7"):
        index_layer(io.BytesIO(b"no layer at all" * 100), "layer-7")
    with pytest.raises(ImageInvalid, match="layer-7"):
        index_layer(io.BytesIO(b"\x1f\x8b broken"), "layer-7")

"""Layers whose content is not what their image says."""

from __future__ import annotations

import io

import pytest

from lamella.errors import ImageInvalid
from lamella.filetree.entry import FILE, Entry
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackItem
from lamella.layer.read import read_entries
from lamella.layer.verified import open_layer
from lamella.oci.digest import DiffID


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("size", [10, 20 << 20])
def test_a_layer_is_checked_while_it_is_read(compression: str, size: int) -> None:
    sink = io.BytesIO()
    layer = pack_layer([PackItem(Entry("f", FILE), None, bytes(size))], sink, compression=compression)
    sink.seek(0)
    with open_layer(sink, layer.diff_id, "layer-7") as tar:
        assert [entry.size for entry, _ in read_entries(tar, "layer-7")] == [size]
        assert tar.read() == b""
    sink.seek(0)
    with (
        open_layer(sink, DiffID.of(b"another"), "layer-7") as tar,
        pytest.raises(ImageInvalid, match=r"layer-7: .* has the diff ID"),
    ):
        for _ in read_entries(tar, "layer-7"):
            pass


def test_half_a_layer_is_not_judged() -> None:
    sink = io.BytesIO()
    pack_layer([PackItem(Entry("f", FILE), None, bytes(9 << 20))], sink)
    sink.seek(0)
    with open_layer(sink, DiffID.of(b"another"), "layer-7") as tar:
        assert len(tar.read(6 << 20)) == 6 << 20

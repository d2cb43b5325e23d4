"""Contents of a layer's files, in its order and out of it."""

from __future__ import annotations

import io
from collections import Counter
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ImageInvalid
from lamella.filetree.entry import FILE, Entry
from lamella.layer.compression import open_decompressed
from lamella.layer.contents import LayerContents
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackItem

NAMES = ["a", "b", "c", "d"]
FILES = {name: name.encode() * (1 + 3000 * number) for number, name in enumerate(NAMES)}


def layer(names: list[str]) -> BinaryIO:
    sink = io.BytesIO()
    pack_layer([PackItem(Entry(name, FILE), data=FILES[name]) for name in names], sink)
    sink.seek(0)
    return open_decompressed(sink)


class Spools:
    def __init__(self) -> None:
        self.opened: list[io.BytesIO] = []

    def __call__(self) -> BinaryIO:
        self.opened.append(io.BytesIO())
        return self.opened[-1]


@given(st.lists(st.sampled_from(NAMES), max_size=8))
def test_any_order(asked: list[str]) -> None:
    spools = Spools()
    contents = LayerContents(layer(NAMES), "layer", NAMES, Counter(asked), spools)
    assert [contents.open(name).read() for name in asked] == [FILES[name] for name in asked]
    assert bool(spools.opened) == (asked != sorted(set(asked)))
    contents.close()
    assert all(spool.closed for spool in spools.opened)


def test_of_a_path_that_comes_twice_the_last_counts() -> None:
    sink = io.BytesIO()
    pack_layer([PackItem(Entry("a", FILE), data=data) for data in (b"first", b"second")], sink)
    sink.seek(0)
    contents = LayerContents(open_decompressed(sink), "layer", ["a", "a"], {"a": 1}, Spools())
    assert contents.open("a").read() == b"second"


def test_a_file_that_is_not_there() -> None:
    contents = LayerContents(layer(["a"]), "sha256:1234", ["a", "z"], {"z": 1}, Spools())
    with pytest.raises(ImageInvalid, match="lacks a file") as caught:
        contents.open("z")
    assert caught.value.where == "sha256:1234 z" or "z" in str(caught.value.where)

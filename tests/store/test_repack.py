"""Layers made of the contents of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamella.errors import ImageInvalid, InputError
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT, Entry
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackedLayer, PackItem
from lamella.store.repack import repack
from lamella.store.store import Store


def put(store: Store, *items: PackItem) -> PackedLayer:
    with store.blobs.writer(hashing=False) as sink:
        packed = pack_layer(items, sink)
        sink.commit(trusted=packed.blob.digest, size=packed.blob.size)
    store.layers.record(packed)
    return packed


def item(path: str, data: bytes) -> PackItem:
    return PackItem(Entry(path, FILE, size=len(data)), data=data)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


BIG = bytes(range(256)) * 8192


def test_the_same_entries_give_the_same_layer(store: Store) -> None:
    """Whatever layers the contents come from, and in whatever order they lie there."""
    one = put(store, item("z", b"z"), item("b", BIG), item("gone", b"x" * 5000))
    two = put(store, item("a", b"a"), item("copy-of-b", BIG), item("empty", b""))
    digests = {entry.path: entry for entry in (*one.entries, *two.entries)}
    entries = [
        Entry("d", DIRECTORY, 0o755),
        Entry("d/was", WHITEOUT),
        digests["a"]._replace(path="d/a"),
        digests["b"]._replace(path="d/b", mode=0o600),
        digests["b"]._replace(path="d/c"),
        Entry("d/e", HARDLINK, link="d/c"),
        Entry("d/f", SYMLINK, 0o777, link="c"),
        digests["empty"]._replace(path="d/g"),
        digests["z"]._replace(path="d/z"),
    ]
    packed = repack(store, entries, [one.ref, two.ref])
    contents = {"d/a": b"a", "d/b": BIG, "d/c": BIG, "d/g": b"", "d/z": b"z"}
    again = put(store, *(PackItem(entry, data=contents.get(entry.path)) for entry in entries))
    assert packed.blob == again.blob
    assert list(store.layers.toc(packed.diff_id)) == list(again.entries)
    assert not list(Path(store.root, "lamella", "tmp").iterdir())


def test_times_are_clamped(store: Store) -> None:
    one = put(store, PackItem(Entry("a", FILE, size=1, mtime=9 * 10**9), data=b"1"))
    assert [entry.mtime for entry in repack(store, one.entries, [one.ref], clamp_mtime=5).entries] == [5 * 10**9]


def test_a_content_that_no_layer_holds(store: Store) -> None:
    one = put(store, item("a", b"1"))
    with pytest.raises(ImageInvalid, match="no layer holds") as caught:
        repack(store, [Entry("x", FILE, size=3, digest="5" * 64)], [one.ref])
    assert caught.value.where == "x"
    assert not list(Path(store.root, "lamella", "tmp").iterdir())


def test_contents_are_checked(store: Store) -> None:
    """The table of contents of one layer stands beside the blob of another."""
    one, other = put(store, item("a", b"1" * 100)), put(store, item("a", b"2" * 100))
    lying = one.ref._replace(blob=other.ref.blob)
    with pytest.raises(InputError, match="changed"):
        repack(store, one.entries, [lying])

"""Garbage collection: nothing needed goes, nothing unneeded stays, and living processes are left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lamella.errors import InputError, NotFound
from lamella.filetree.entry import FILE, Entry
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackedLayer, PackItem
from lamella.oci import mediatype
from lamella.oci.config import ImageConfig, RunConfig
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.manifest import make_manifest
from lamella.oci.platform import Platform
from lamella.store.cache import CacheRecord
from lamella.store.collect import Freed, discard, needed, prune, remove_image
from lamella.store.mirror import StoredImage
from lamella.store.store import Store
from lamella.store.verify import verify

AddImage = Callable[..., StoredImage]
AddLayer = Callable[..., PackedLayer]


def blobs_of(image: StoredImage) -> set[Digest]:
    manifest = image.image.manifest
    return {manifest.digest, manifest.config.digest, *(layer.digest for layer in manifest.layers)}


def cached(key: str, packed: PackedLayer) -> CacheRecord:
    return CacheRecord(key, packed.ref, "", 0, 0.0, 0)


def test_last_name_takes_the_image(store: Store, add_image: AddImage) -> None:
    image = add_image("app:1", {"a": b"1"}, {"b": b"shared"})
    other = add_image("other", {"b": b"shared"})
    store.images.tag("app:2", image)
    assert remove_image(store, "app:1") == Freed(untagged=("app:1",))
    size = sum(store.blobs.size(digest) or 0 for digest in blobs_of(image) - blobs_of(other))
    freed = remove_image(store, "app:2")
    assert freed.untagged == ("app:2",)
    assert freed.images == (image.image_id,)
    assert set(freed.blobs) == blobs_of(image) - blobs_of(other)
    assert freed.size == size
    assert set(store.blobs) == blobs_of(other)
    assert store.layers.indexed() == list(other.diff_ids)
    assert verify(store).ok


def test_remove_by_id(store: Store, add_image: AddImage) -> None:
    image = add_image("app:1", {"a": b"1"})
    store.images.tag("app:2", image)
    with pytest.raises(InputError, match="2 names") as caught:
        remove_image(store, image.image_id.short)
    assert "--force" in (caught.value.hint or "")
    assert store.images.resolve("app:1").names == ("app:1", "app:2")
    assert remove_image(store, image.image_id.short, force=True).untagged == ("app:1", "app:2")
    assert list(store.blobs) == []
    with pytest.raises(NotFound):
        remove_image(store, image.image_id.short)
    unnamed = add_image(None, {"a": b"1"})
    assert remove_image(store, unnamed.image_id.encoded[:6]).images == (unnamed.image_id,)


def test_the_build_cache_holds_its_layers(store: Store, add_image: AddImage, add_layer: AddLayer) -> None:
    image = add_image("app", {"a": b"1"}, {"b": b"2"})
    kept = add_layer({"b": b"2"})
    store.cache.put(cached("k", kept))
    remove_image(store, "app")
    assert set(store.blobs) == {kept.blob.digest}
    assert store.layers.indexed() == [kept.diff_id]
    assert store.cache.get("k") is not None
    freed = prune(store, build_cache=True)
    assert freed.cache_records == 1
    assert list(store.blobs) == []
    assert store.layers.indexed() == []
    assert image.image_id not in freed.images


def test_prune_takes_unnamed_images_only(store: Store, add_image: AddImage) -> None:
    old = add_image("app", {"a": b"1"})
    new = add_image("app", {"a": b"2"})
    freed = prune(store)
    assert freed.images == (old.image_id,)
    assert set(store.blobs) == blobs_of(new)
    assert prune(store).blobs == ()
    assert prune(store, all=True, keep=[new.image_id]).images == ()
    assert prune(store, all=True).untagged == ("app:latest",)
    assert list(store.blobs) == []


def test_broken_image_can_be_removed(store: Store, add_image: AddImage, root: Path) -> None:
    image = add_image("app", {"a": b"1"})
    store.blobs.remove(image.image.manifest.config.digest)
    store.close()
    with Store.open(str(root)) as fresh:
        fresh.database.reset()
        assert remove_image(fresh, "app").untagged == ("app:latest",)
        assert fresh.images.broken() == []
        assert list(fresh.blobs) == []


def test_unknown_blobs_have_a_time_of_grace(store: Store) -> None:
    """skopeo writes blobs first and the index last."""
    digest = store.blobs.put(b"arriving")
    freed = prune(store)
    assert (freed.blobs, freed.in_use) == ((), 1)
    old = time.time() - 2 * 3600
    os.utime(store.blobs.path_of(digest), (old, old))
    assert prune(store).blobs == (digest,)


def test_discard_removes_only_what_nothing_needs(store: Store, add_image: AddImage) -> None:
    image = add_image("app", {"a": b"1"})
    loose = store.blobs.put(b"loose")
    freed = discard(store, [loose, image.descriptor.digest, Digest.of(b"never there")])
    assert freed.blobs == (loose,)
    assert set(store.blobs) == blobs_of(image)


HOLDING = """
import sys
from lamella.store.store import Store
store = Store.open(sys.argv[1])
record = store.cache.get("k")
store.blobs.put(b"not named yet")
print(record is not None, flush=True)
sys.stdin.read()
"""


def test_what_a_running_build_may_need_stays(
    store: Store, add_image: AddImage, add_layer: AddLayer, root: Path
) -> None:
    layer, unneeded = add_layer({"b": b"2"}), add_layer({"c": b"3"})
    store.cache.put(cached("k", layer))
    past = time.time() - 100
    for packed in (layer, unneeded):
        os.utime(store.blobs.path_of(packed.blob.digest), (past, past))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        freed = prune(store, build_cache=True, grace=0)
        assert freed.blobs == (unneeded.blob.digest,)
        assert freed.in_use == 2
        assert store.blobs.has(layer.blob.digest)
        child.kill()
        child.wait()
    assert set(prune(store, build_cache=True, grace=0).blobs) == {layer.blob.digest, Digest.of(b"not named yet")}


def test_platforms_of_an_index_are_needed(store: Store, add_image: AddImage) -> None:
    arm = add_image(None, {"a": b"arm"}, platform=Platform("linux", "arm64"))
    raw = b'{"schemaVersion":2,"manifests":[%s]}' % (
        b'{"mediaType":"%s","digest":"%s","size":%d}'
        % (mediatype.OCI_MANIFEST.encode(), arm.descriptor.digest.encode(), arm.descriptor.size)
    )
    root = Descriptor(mediatype.OCI_INDEX, store.blobs.put(raw), len(raw))
    store.images.forget(arm.descriptor.digest)
    store.images._name(root, ["multi:1"])
    assert needed(store).blobs == blobs_of(arm) | {root.digest}
    assert prune(store, grace=0).blobs == ()
    remove_image(store, "multi:1")
    assert list(store.blobs) == []


class Garbage(RuleBasedStateMachine):
    """After any sequence of operations: every image verifies, and a prune leaves exactly what is needed."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.store = Store.open(self.folder)
        self.cached: set[Digest] = set()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def _layer(self, number: int) -> PackedLayer:
        with self.store.blobs.writer(hashing=False) as sink:
            packed = pack_layer([PackItem(Entry("f", FILE, size=1), data=b"%d" % number)], sink)  # type: ignore[arg-type]
            sink.commit(trusted=packed.blob.digest)
        self.store.layers.record(packed)
        return packed

    @rule(layers=st.lists(st.integers(0, 4), max_size=3), name=st.sampled_from(["a", "b", "c:1", None]))
    def build(self, layers: list[int], name: str | None) -> None:
        packed = [self._layer(number) for number in layers]
        diff_ids = tuple(layer.diff_id for layer in packed)
        config = ImageConfig(b"", Platform("linux", "amd64"), RunConfig(), diff_ids).encode()
        described = Descriptor(mediatype.OCI_CONFIG, Digest.of(config.raw), len(config.raw))
        manifest = make_manifest(described, tuple(layer.blob for layer in packed))
        self.store.images.put(manifest.raw, config.raw, [name] if name else [])

    @rule(number=st.integers(0, 4))
    def cache(self, number: int) -> None:
        packed = self._layer(number)
        self.store.cache.put(CacheRecord(f"k{number}", packed.ref, "", 0, 0.0, 0))

    @precondition(lambda self: self.store.images.list())
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        image = data.draw(st.sampled_from(self.store.images.list()))
        remove_image(self.store, image.names[0] if image.names else image.image_id, force=True)

    @rule(all=st.booleans(), build_cache=st.booleans())
    def collect(self, all: bool, build_cache: bool) -> None:
        prune(self.store, all=all, build_cache=build_cache, grace=0)
        assert set(self.store.blobs) == needed(self.store).blobs | set(self.store.cache.blobs())
        assert set(self.store.layers.indexed()) == needed(self.store).layers | self.store.cache.diff_ids()
        if all and build_cache:
            assert list(self.store.blobs) == []

    @invariant()
    def verifies(self) -> None:
        if hasattr(self, "store"):
            report = verify(self.store)
            assert report.problems == ()
            assert report.notes == ()


Garbage.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
TestGarbage = Garbage.TestCase

"""Names: a model, concurrent writers, and index.json changed by others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lamella.errors import ImageInvalid, NotFound, ReferenceError_, StoreDamaged
from lamella.oci import mediatype
from lamella.oci.config import ImageConfig, RunConfig
from lamella.oci.descriptor import REF_NAME, Descriptor
from lamella.oci.digest import Digest
from lamella.oci.manifest import make_manifest
from lamella.oci.platform import Platform
from lamella.store.layout import normal_name
from lamella.store.mirror import StoredImage
from lamella.store.store import Store

AddImage = Callable[..., StoredImage]
NAMES = ["a", "a:2", "b", "localhost:5000/x/y", "ghcr.io/x/y:1", "docker.io/library/a"]


def empty_image(number: int) -> tuple[bytes, bytes]:
    config = ImageConfig(b"", Platform("linux", "amd64"), RunConfig(env=(f"N={number}",)), ()).encode()
    described = Descriptor(mediatype.OCI_CONFIG, Digest.of(config.raw), len(config.raw))
    return make_manifest(described, ()).raw, config.raw


class Names(RuleBasedStateMachine):
    """The store against a dict of names and a set of unnamed images."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.store = Store.open(self.folder)
        self.names: dict[str, Digest] = {}
        self.known: set[Digest] = set()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(number=st.integers(0, 3), names=st.lists(st.sampled_from(NAMES), max_size=2))
    def put(self, number: int, names: list[str]) -> None:
        manifest, config = empty_image(number)
        image = self.store.images.put(manifest, config, names)
        assert image.descriptor.digest == Digest.of(manifest)
        self.known.add(image.descriptor.digest)
        self.names.update({normal_name(name): image.descriptor.digest for name in names})

    @precondition(lambda self: self.known)
    @rule(name=st.sampled_from(NAMES), data=st.data())
    def tag(self, name: str, data: st.DataObject) -> None:
        digest = data.draw(st.sampled_from(sorted(self.known)))
        self.store.images.tag(name, self.store.images.get(digest))
        self.names[normal_name(name)] = digest

    @rule(name=st.sampled_from(NAMES))
    def untag(self, name: str) -> None:
        if normal_name(name) in self.names:
            assert self.store.images.untag(name) == self.names.pop(normal_name(name))
        else:
            with pytest.raises(NotFound):
                self.store.images.untag(name)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        digest = data.draw(st.sampled_from(sorted(self.known)))
        self.store.images.forget(digest)
        self.known.discard(digest)
        self.names = {name: other for name, other in self.names.items() if other != digest}

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.folder)

    @rule()
    def lose_the_index(self) -> None:
        self.store.close()
        for name in os.listdir(f"{self.folder}/lamella"):
            if name.startswith("index.sqlite"):
                os.unlink(f"{self.folder}/lamella/{name}")
        self.store = Store.open(self.folder)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "store"):
            return
        images = self.store.images.list()
        assert {image.descriptor.digest for image in images} == self.known
        assert {name: image.descriptor.digest for image in images for name in image.names} == self.names
        for name, digest in self.names.items():
            assert self.store.images.resolve(name).descriptor.digest == digest


Names.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestNames = Names.TestCase


def read_index(root: Path) -> Any:
    return json.loads((root / "index.json").read_bytes())


def test_moved_name_leaves_the_old_image_unnamed(store: Store, add_image: AddImage, root: Path) -> None:
    old = add_image("app", {"a": b"1"})
    new = add_image("app", {"a": b"2"})
    assert store.images.resolve("app").descriptor == new.descriptor
    assert store.images.get(old.descriptor.digest).names == ()
    assert [entry.get("annotations") for entry in read_index(root)["manifests"]] == [None, {REF_NAME: "app:latest"}]


def test_same_image_again_writes_nothing(store: Store, add_image: AddImage, root: Path) -> None:
    add_image("app", {"a": b"1"})
    before = (root / "index.json").stat()
    add_image("app", {"a": b"1"})
    add_image(None, {"a": b"1"})
    after = (root / "index.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_others_wrote_is_kept(store: Store, add_image: AddImage, root: Path) -> None:
    image = add_image("app", {"a": b"1"})
    index = read_index(root)
    index["annotations"] = {"org.example": "kept"}
    index["manifests"][0]["annotations"] |= {"vendor": "x"}
    index["manifests"][0]["data"] = "e30="
    (root / "index.json").write_text(json.dumps(index))
    store.images.tag("other:1", store.images.get(image.descriptor.digest))
    index = read_index(root)
    assert index["annotations"] == {"org.example": "kept"}
    for entry, name in zip(index["manifests"], ("app:latest", "other:1"), strict=True):
        assert entry["data"] == "e30="
        assert entry["annotations"] == {"vendor": "x", REF_NAME: name}


def test_changes_by_others_are_followed_at_once(store: Store, add_image: AddImage, root: Path) -> None:
    """Written in place, of the same size, within one tick of the file's times: as skopeo may."""
    one, two = add_image("app:1", {"a": b"1"}), add_image("app:2", {"a": b"2"})
    text = (root / "index.json").read_text()
    swapped = text.replace("app:1", "app:X").replace("app:2", "app:1").replace("app:X", "app:2")
    for _ in range(20):
        (root / "index.json").write_text(swapped)
        assert store.images.resolve("app:1").descriptor == two.descriptor
        (root / "index.json").write_text(text)
        assert store.images.resolve("app:1").descriptor == one.descriptor


def test_foreign_bare_names_and_their_normal_form(store: Store, add_image: AddImage, root: Path) -> None:
    image = add_image("x", {"a": b"1"})
    index = (root / "index.json").read_text()
    (root / "index.json").write_text(index.replace("x:latest", "alpine"))
    assert store.images.resolve("alpine:latest").names == ("alpine:latest",)
    store.images.tag("alpine", image)  # the same name, so nothing to do
    assert (root / "index.json").read_text().count("alpine") == 1
    (root / "index.json").write_text(index.replace("x:latest", "Not/A Name"))
    assert store.images.resolve("Not/A Name").image_id == image.image_id


@pytest.mark.parametrize("name", ["UPPER", "a@sha256:" + "0" * 64, "a:b:c", "-x", ""])
def test_names_that_cannot_be_given(store: Store, add_image: AddImage, name: str) -> None:
    image = add_image("app", {"a": b"1"})
    with pytest.raises((ReferenceError_, ImageInvalid)):
        store.images.tag(name, image)


def test_image_without_its_layers_is_refused(store: Store, add_image: AddImage) -> None:
    image = add_image("app", {"a": b"1"}).image
    store.images.untag("app")
    store.blobs.remove(image.manifest.layers[0].digest)
    with pytest.raises(NotFound, match="layer"):
        store.images.put(image.manifest.raw, image.config.raw, ["again"])
    with pytest.raises(ImageInvalid, match="another config"):
        store.images.put(image.manifest.raw, image.config.raw + b" ", ["again"])
    assert store.images.find("again") is None


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"manifests": 3}', b'{"manifests": [3]}', b"\xff" * 40])
def test_garbage_in_index_json(store: Store, add_image: AddImage, root: Path, garbage: bytes) -> None:
    add_image("app", {"a": b"1"})
    (root / "index.json").write_bytes(garbage)
    with pytest.raises(StoreDamaged) as caught:
        store.images.list()
    assert caught.value.where == str(root / "index.json")
    assert "--repair" in (caught.value.hint or "")
    assert store.images.restore() == 1
    assert store.images.resolve("app").names == ("app:latest",)


def test_stamp_of_a_file_changed_just_now_proves_nothing(store: Store, root: Path) -> None:
    (root / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    assert store.layout.read().stamp == ""
    time.sleep(0.05)
    assert store.layout.read().stamp == store.layout.stamp() != ""


def test_equal_names_in_a_foreign_index(store: Store, add_image: AddImage, root: Path) -> None:
    """The first counts, as for skopeo; the next change tidies up."""
    one, two = add_image("one", {"a": b"1"}), add_image("two", {"a": b"2"}, created="2030-01-01T00:00:00Z")
    text = (root / "index.json").read_text()
    (root / "index.json").write_text(text.replace("one:latest", "app").replace("two:latest", "app:latest"))
    assert store.images.resolve("app").image_id == one.image_id
    assert {image.names: image.image_id for image in store.images.list()} == {
        ("app:latest",): one.image_id,
        (): two.image_id,
    }
    store.images.tag("new", two)
    assert [entry.name for entry in store.images.entries()] == ["app:latest", "new:latest"]
    assert store.images.resolve("app").image_id == one.image_id


def test_index_met_half_written(store: Store, add_image: AddImage, root: Path) -> None:
    import threading

    add_image("app", {"a": b"1"})
    text = (root / "index.json").read_text()
    (root / "index.json").write_text(text[:50])
    later = threading.Timer(0.03, lambda: (root / "index.json").write_text(text))
    later.start()
    assert store.images.resolve("app").names == ("app:latest",)
    later.join()


TAGGING = """
import sys
from lamella.store.store import Store
store = Store.open(sys.argv[1])
image = store.images.resolve("app")
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    store.images.tag(f"{sys.argv[2]}:{number}", image)
    if number % 3 == 2:
        store.images.untag(f"{sys.argv[2]}:{number}")
"""


def test_concurrent_writers_lose_nothing(store: Store, add_image: AddImage, root: Path) -> None:
    add_image("app", {"a": b"1"})
    children = [
        subprocess.Popen(
            [sys.executable, "-c", TAGGING, str(root), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in ("one", "two")
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0]
    expected = {f"{name}:{number}" for name in ("one", "two") for number in range(40) if number % 3 != 2}
    assert set(store.images.resolve("app").names) == expected | {"app:latest"}
    assert len(read_index(root)["manifests"]) == len(expected) + 1


def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    """Images may hold what other users of the machine must not read. A folder that was there keeps its mode."""
    Store.open(str(tmp_path / "new")).close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir(mode=0o755)
    Store.open(str(tmp_path / "shared")).close()
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755

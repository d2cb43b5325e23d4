"""Verification trusts nothing; each kind of damage gives one problem, and repair clears the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.errors import LamellaError
from lamella.oci import mediatype
from lamella.oci.config import ImageConfig, RunConfig
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.oci.manifest import make_manifest
from lamella.oci.platform import Platform
from lamella.store.mirror import StoredImage
from lamella.store.store import Store
from lamella.store.verify import repair, verify

AddImage = Callable[..., StoredImage]


@pytest.fixture
def image(store: Store, add_image: AddImage) -> StoredImage:
    add_image("bystander", {"z": b"fine"})
    return add_image("app", {"a": os.urandom(5000)}, {"b": b"2"})


def path_of(store: Store, digest: Digest) -> Path:
    return Path(store.blobs.path_of(digest))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_whole_store(store: Store, image: StoredImage) -> None:
    report = verify(store)
    assert report.ok
    assert (report.images, report.layers, report.blobs, report.notes) == (2, 3, 7, ())
    assert report.bytes == sum(store.blobs.size(digest) or 0 for digest in store.blobs)


def parts(image: StoredImage) -> dict[str, Digest]:
    manifest = image.image.manifest
    return {"manifest": manifest.digest, "config": manifest.config.digest, "layer": manifest.layers[0].digest}


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
@pytest.mark.parametrize(("damage", "kind"), [("flip", "blob"), ("cut", "size"), ("delete", "missing")])
def test_damaged_blob(store: Store, image: StoredImage, part: str, damage: str, kind: str) -> None:
    digest = parts(image)[part]
    path = path_of(store, digest)
    match damage:
        case "flip":
            flip(path)
        case "cut":
            path.write_bytes(path.read_bytes()[:-7])
        case "delete":
            path.unlink()
    with Store.open(store.root) as fresh:
        report = verify(fresh)
        (problem,) = report.problems
        assert (problem.kind, problem.where, problem.images) == (kind, digest, ("app:latest",))
        repair(fresh, report)
        assert not fresh.blobs.has(digest)
        assert {problem.kind for problem in verify(fresh).problems} == {"missing"}
        with pytest.raises(LamellaError):
            for blob in fresh.images.resolve("app").image.manifest.layers:
                fresh.blobs.read_blob(blob)


def test_blob_that_no_image_needs(store: Store, image: StoredImage) -> None:
    digest = store.blobs.put(b"loose")
    flip(path_of(store, digest))
    (problem,) = verify(store).problems
    assert (problem.kind, problem.where, problem.images) == ("blob", digest, ())


def test_forged_diff_id(store: Store, image: StoredImage) -> None:
    layers = image.image.manifest.layers
    diff_ids = (image.diff_ids[0], DiffID("sha256:" + "0" * 64))
    config = ImageConfig(b"", Platform("linux", "amd64"), RunConfig(), diff_ids).encode()
    described = Descriptor(mediatype.OCI_CONFIG, Digest.of(config.raw), len(config.raw))
    store.images.put(make_manifest(described, layers).raw, config.raw, ["forged"])
    (problem,) = verify(store).problems
    assert (problem.kind, problem.where) == ("layer", layers[1].digest)
    assert "diff ID" in problem.message
    assert set(problem.images) == {"app:latest", "forged:latest"}


def test_layer_that_is_no_tar(store: Store) -> None:
    data = b"no tar" * 500
    digest = store.blobs.put(data)
    config = ImageConfig(b"", Platform("linux", "amd64"), RunConfig(), (DiffID(digest),)).encode()
    described = Descriptor(mediatype.OCI_CONFIG, Digest.of(config.raw), len(config.raw))
    manifest = make_manifest(described, (Descriptor(mediatype.OCI_LAYER, digest, len(data)),))
    store.images.put(manifest.raw, config.raw, ["app"])
    (problem,) = verify(store).problems
    assert (problem.kind, problem.where, problem.images) == ("layer", digest, ("app:latest",))


@pytest.mark.parametrize("damage", ["garbage", "another layer's", "empty"])
def test_damaged_toc(store: Store, image: StoredImage, damage: str) -> None:
    path = Path(store.layers.toc_path(image.diff_ids[0]))
    other = Path(store.layers.toc_path(image.diff_ids[1])).read_bytes()
    path.write_bytes({"garbage": b"garbage", "another layer's": other, "empty": b""}[damage])
    report = verify(store)
    (problem,) = report.problems
    assert (problem.kind, problem.where) == ("toc", image.diff_ids[0])
    repair(store, report)
    assert verify(store).ok
    store.layers.ensure_toc(image.image.layers[0])
    assert verify(store).ok


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE content SET bytes = bytes + 1",
        "UPDATE image SET architecture = 'vax'",
        "UPDATE image_layer SET diff_id = 'sha256:' || hex(zeroblob(32)) WHERE position = 1",
        "UPDATE image SET config = 'sha256:' || hex(zeroblob(32))",
    ],
)
def test_lying_facts(store: Store, image: StoredImage, change: str) -> None:
    assert store.database.change(change) > 0
    report = verify(store)
    assert {problem.kind for problem in report.problems} == {"facts"}
    repair(store, report)
    assert verify(store).ok
    assert store.images.resolve("app").size == image.size


def test_garbage_in_index_json_is_repaired(store: Store, image: StoredImage, root: Path) -> None:
    (root / "index.json").write_text("garbage")
    (root / "oci-layout").write_text("garbage")
    report = verify(store)
    assert {problem.kind for problem in report.problems} == {"index", "layout"}
    done = repair(store, report)
    assert any("2 names" in line for line in done)
    assert verify(store).ok
    assert store.images.resolve("app").image_id == image.image_id
    assert json.loads((root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


def test_index_json_and_the_mirror_lost_together(store: Store, image: StoredImage, root: Path) -> None:
    """Then the names are gone, the images are not."""
    (root / "index.json").write_text("garbage")
    store.database.reset()
    repair(store, verify(store))
    assert {found.image_id for found in store.images.list()} >= {image.image_id}
    assert verify(store).ok


def test_oddities_are_notes(store: Store, add_image: AddImage, root: Path) -> None:
    from lamella.oci.image import LayerRef
    from lamella.store.cache import CacheRecord

    gone = Descriptor(mediatype.OCI_LAYER, Digest.of(b"gone"), 4)
    store.cache.put(CacheRecord("k", LayerRef(DiffID(gone.digest), gone), "", 0, 0.0, 0))
    note = store.blobs.put(b"a note")
    entry = {"mediaType": "text/plain", "digest": str(note), "size": 6}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    report = verify(store)
    assert report.ok
    assert any("build cache" in text for text in report.notes)
    assert any("text/plain" in text for text in report.notes)

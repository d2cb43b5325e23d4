"""What a user's words for an image mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.errors import InputError, NotFound, StoreDamaged
from lamella.oci import mediatype
from lamella.oci.config import RunConfig
from lamella.oci.manifest import canonical_json
from lamella.oci.platform import Platform
from lamella.store.mirror import StoredImage
from lamella.store.store import Store

AddImage = Callable[..., StoredImage]


def test_every_spelling(store: Store, add_image: AddImage) -> None:
    image = add_image("app:1", {"a": b"1"})
    store.images.tag("ghcr.io/team/app", image)
    spellings = [
        "app:1", "docker.io/library/app:1", "index.docker.io/library/app:1",
        "ghcr.io/team/app", "ghcr.io/team/app:latest",
        f"app@{image.descriptor.digest}", f"app:1@{image.descriptor.digest}",
        f"ghcr.io/team/app@{image.descriptor.digest}",
        image.image_id, image.image_id.encoded, image.image_id.short, image.image_id.encoded[:2],
        f"sha256:{image.image_id.encoded[:7]}", image.descriptor.digest,
    ]  # fmt: skip
    for text in spellings:
        assert store.images.resolve(text).descriptor.digest == image.descriptor.digest, text


@pytest.mark.parametrize("text", ["app", "app:2", "other:1", "00000000", "x@sha256:" + "0" * 64, "a"])
def test_not_there(store: Store, add_image: AddImage, text: str) -> None:
    image = add_image("app:1", {"a": b"1"})
    assert store.images.find(text) is None
    with pytest.raises(NotFound) as caught:
        store.images.resolve(text)
    assert text in caught.value.message
    with pytest.raises(NotFound):
        store.images.resolve(f"other@{image.descriptor.digest}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [("app", "app:1"), ("ap:1", "app:1"), ("app:one", "app:1"), ("alpin", "alpine:latest"), ("qqq", "image ls")],
)
def test_did_you_mean(store: Store, add_image: AddImage, text: str, hint: str) -> None:
    add_image("app:1", {"a": b"1"})
    add_image("alpine", {"a": b"2"})
    with pytest.raises(NotFound) as caught:
        store.images.resolve(text)
    assert hint in (caught.value.hint or "")


def test_ambiguous_id(store: Store, add_image: AddImage) -> None:
    images = [add_image(f"app:{n}", {"a": b"%d" % n}) for n in range(60)]
    by_prefix: dict[str, list[StoredImage]] = {}
    for image in images:
        by_prefix.setdefault(image.image_id.encoded[:2], []).append(image)
    prefix, same = next((prefix, group) for prefix, group in by_prefix.items() if len(group) > 1)
    with pytest.raises(InputError) as caught:
        store.images.resolve(prefix)
    assert caught.value.code == "ambiguous"
    assert same[0].image_id.short in caught.value.message
    assert same[0].names[0] in caught.value.message


def test_name_wins_over_id_prefix(store: Store, add_image: AddImage) -> None:
    first = add_image("x", {"a": b"1"})
    second = add_image(first.image_id.encoded[:4], {"a": b"2"})
    assert store.images.resolve(first.image_id.encoded[:4]).image_id == second.image_id
    assert store.images.resolve(first.image_id.encoded[:5]).image_id == first.image_id


def test_broken_image_says_so(store: Store, add_image: AddImage, root: Path) -> None:
    image = add_image("app", {"a": b"1"})
    Path(store.blobs.path_of(image.descriptor.digest)).write_bytes(b"{}")
    with Store.open(str(root)) as fresh:
        fresh.database.reset()
        assert fresh.images.list() == []
        assert [broken.name for broken in fresh.images.broken()] == ["app:latest"]
        with pytest.raises(StoreDamaged, match="cannot be read"):
            fresh.images.resolve("app")
        fresh.blobs.remove(image.descriptor.digest)
        fresh.blobs.put(image.image.manifest.raw)  # it came back
        assert fresh.images.resolve("app").image_id == image.image_id


def test_platforms_of_an_index(store: Store, add_image: AddImage, root: Path) -> None:
    amd = add_image(None, {"a": b"amd"}, platform=Platform("linux", "amd64"))
    arm = add_image(None, {"a": b"arm"}, platform=Platform("linux", "arm64"))
    entries = [image.descriptor.to_json() for image in (arm, amd)]
    absent = entries[0] | {"digest": "sha256:" + "1" * 64, "platform": {"os": "linux", "architecture": "s390x"}}
    index = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": [absent, *entries]}
    raw = canonical_json(index)
    root_entry = {
        "mediaType": mediatype.OCI_INDEX, "digest": str(store.blobs.put(raw)), "size": len(raw),
        "annotations": {"org.opencontainers.image.ref.name": "multi"},
    }  # fmt: skip
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root_entry]}))
    found = store.images.resolve("multi")
    assert (found.platform, found.image_id) == (Platform("linux", "amd64"), amd.image_id)
    assert found.root.digest == root_entry["digest"]
    other = store.images.resolve("multi", Platform("linux", "arm64"))
    assert (other.platform, other.image_id, other.size) == (Platform("linux", "arm64"), arm.image_id, 3)
    assert other.image.config.platform.architecture == "arm64"
    with pytest.raises(NotFound, match="s390x"):
        store.images.resolve("multi", Platform("linux", "s390x"))
    store.images.tag("copy:1", found)
    assert json.loads((root / "index.json").read_text())["manifests"][1]["digest"] == root_entry["digest"]


def test_listing_is_newest_first(store: Store, add_image: AddImage) -> None:
    for n, created in enumerate(["2020-01-01T00:00:00Z", "2024-01-01T00:00:00.5+02:00", "", "2022-01-01T00:00:00Z"]):
        add_image(f"app:{n}", {"a": b"%d" % n}, created=created)
    listed = store.images.list()
    assert [image.names[0] for image in listed] == ["app:1", "app:3", "app:0", "app:2"]
    assert listed[0].created == 1_704_060_000_500_000_000
    assert listed[-1].created == 0


def test_size_counts_like_docker(store: Store, add_image: AddImage) -> None:
    image = add_image("app", {"a": b"12345", "l": "target"}, {"b": b"12", "a": None})
    assert image.size == 5 + len("target") + 2


def test_config_is_loaded_once(store: Store, add_image: AddImage) -> None:
    image = add_image("app", {"a": b"1"}, run=RunConfig(cmd=("sh",)))
    assert image.image.config.config.cmd == ("sh",)
    assert image.image is store.images.resolve("app").image

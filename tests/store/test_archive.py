"""Archives out and in again: nothing changes, nothing hostile gets in, nothing half-done stays."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import ImageInvalid, InputError, StoreDamaged
from lamella.oci import mediatype
from lamella.oci.descriptor import REF_NAME
from lamella.oci.digest import Digest
from lamella.store.load import load_archive
from lamella.store.mirror import StoredImage
from lamella.store.save import chosen, save_docker_archive, save_oci_archive, save_oci_layout
from lamella.store.store import Store
from lamella.store.verify import verify

AddImage = Callable[..., StoredImage]
MakeTar = Callable[..., bytes]
LAYERS: tuple[dict[str, Any], ...] = ({"bin/sh": b"#!" * 900, "lib": "usr/lib"}, {"bin/sh": None, "etc/x": b"x"})


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "other"))


def saved(store: Store, names: list[str], form: str = "docker") -> bytes:
    sink = io.BytesIO()
    (save_docker_archive if form == "docker" else save_oci_archive)(store, chosen(store, names), sink)
    return sink.getvalue()


def loaded(store: Store, archive: bytes) -> list[StoredImage]:
    return load_archive(store, "archive.tar", io.BytesIO(archive))


@pytest.mark.parametrize("form", ["docker", "oci"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_round_trip(store: Store, other: Store, add_image: AddImage, form: str, compression: str) -> None:
    one = add_image("app:1", *LAYERS, compression=compression)
    two = add_image("localhost:5000/two", LAYERS[0], compression=compression)
    store.images.tag("app:2", one)
    found = loaded(other, saved(store, ["app:1", "app:2", "localhost:5000/two"], form))
    assert [(image.names, image.descriptor.digest, image.size) for image in found] == [
        (("app:1", "app:2"), one.descriptor.digest, one.size),
        (("localhost:5000/two:latest",), two.descriptor.digest, two.size),
    ]
    assert set(other.blobs) == set(store.blobs)
    assert verify(other).ok


def test_zstd_layers_become_gzip_for_docker(store: Store, other: Store, add_image: AddImage) -> None:
    image = add_image("app", *LAYERS, compression="zstd")
    (found,) = loaded(other, saved(store, ["app"]))
    assert found.image_id == image.image_id
    assert {layer.media_type for layer in found.image.manifest.layers} == {mediatype.OCI_LAYER_GZIP}
    assert verify(other).ok
    (same,) = loaded(other, saved(store, ["app"], "oci"))
    assert same.descriptor == image.descriptor
    assert os.listdir(Path(store.root, "lamella", "tmp")) == []


def test_the_same_images_give_the_same_bytes(store: Store, add_image: AddImage) -> None:
    add_image("app:1", *LAYERS)
    first = saved(store, ["app:1"])
    assert saved(store, ["app:1"]) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names == [*sorted(names)[:4], "index.json", "oci-layout", "manifest.json"]
    assert {(member.mtime, member.uid, member.gid, member.mode) for member in members} == {(0, 0, 0, 0o644)}


def test_manifest_json_is_as_docker_writes_it(store: Store, add_image: AddImage) -> None:
    image = add_image("localhost:5000/app:1", *LAYERS)
    with tarfile.open(fileobj=io.BytesIO(saved(store, ["localhost:5000/app:1"]))) as tar:
        listing = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
    assert listing == [
        {
            "Config": f"blobs/sha256/{image.image_id.encoded}",
            "RepoTags": ["localhost:5000/app:1"],
            "Layers": [f"blobs/sha256/{layer.digest.encoded}" for layer in image.image.manifest.layers],
        }
    ]
    assert index["manifests"][0]["annotations"] == {
        "io.containerd.image.name": "localhost:5000/app:1",
        REF_NAME: "localhost:5000/app:1",
    }


def test_save_by_id_has_no_name(store: Store, other: Store, add_image: AddImage) -> None:
    image = add_image("app", *LAYERS)
    (found,) = loaded(other, saved(store, [image.image_id.short]))
    assert (found.names, found.image_id) == ((), image.image_id)


def test_oci_layout_is_added_to(store: Store, add_image: AddImage, tmp_path: Path) -> None:
    one, two = add_image("app:1", LAYERS[0]), add_image("app:2", *LAYERS)
    folder = tmp_path / "layout"
    save_oci_layout(store, chosen(store, ["app:1"]), str(folder))
    save_oci_layout(store, chosen(store, ["app:2", "app:1"]), str(folder))
    assert sorted(os.listdir(folder)) == ["blobs", "index.json", "oci-layout"]
    with Store.open(str(folder)) as store_there:
        assert {image.names: image.image_id for image in store_there.images.list()} == {
            ("app:1",): one.image_id,
            ("app:2",): two.image_id,
        }
        assert verify(store_there).ok
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo").write_text("x")
    with pytest.raises(InputError):
        save_oci_layout(store, chosen(store, ["app:1"]), str(tmp_path / "full"))


def test_damaged_blob_is_not_saved(store: Store, add_image: AddImage) -> None:
    image = add_image("app", *LAYERS)
    path = Path(store.blobs.path_of(image.image.manifest.layers[0].digest))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(StoreDamaged):
        saved(store, ["app"])


@pytest.mark.parametrize("compress", [gzip.compress, lambda data: data])
def test_compressed_archives_and_pipes(
    store: Store, other: Store, add_image: AddImage, tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    image = add_image("app", *LAYERS)
    path = tmp_path / "archive"
    path.write_bytes(compress(saved(store, ["app"])))
    assert load_archive(other, str(path))[0].image_id == image.image_id
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat, Store.open(str(tmp_path / "third")) as third:
        assert load_archive(third, "-", cat.stdout)[0].image_id == image.image_id  # type: ignore[arg-type]
        assert os.listdir(f"{third.root}/lamella/tmp") == []


# -- archives as Docker wrote them before 25 -------------------------------------------------------------------------


class Old:
    """The members of an old docker-save archive of two layers, one of them twice."""

    def __init__(self, make_tar: MakeTar) -> None:
        self.layers = [make_tar({"a": b"1" * 5000}), make_tar({"b": b"2"})]
        self.config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["sh"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": ["sha256:" + hashlib.sha256(self.layers[n]).hexdigest() for n in (0, 1, 0)],
            },
        }
        link = tarfile.TarInfo()
        link.type, link.linkname = tarfile.SYMTYPE, "../aaa/layer.tar"
        self.listing = [
            {
                "Config": "c.json",
                "RepoTags": ["old:1", "old:2"],
                "Layers": ["aaa/layer.tar", "bbb/layer.tar", "ccc/layer.tar"],
            }
        ]
        self.members: dict[str, Any] = {
            "aaa/VERSION": b"1.0",
            "aaa/layer.tar": self.layers[0],
            "bbb/layer.tar": self.layers[1],
            "ccc/layer.tar": link,
        }
        self.make_tar = make_tar

    def tar(self) -> bytes:
        extra = {"c.json": json.dumps(self.config).encode(), "manifest.json": json.dumps(self.listing).encode()}
        return self.make_tar({**self.members, **extra})


@pytest.fixture
def old(make_tar: MakeTar) -> Old:
    return Old(make_tar)


def test_old_docker_archive(store: Store, old: Old) -> None:
    (image,) = loaded(store, old.tar())
    assert image.names == ("old:1", "old:2")
    assert image.image_id == Digest.of(json.dumps(old.config).encode())
    assert list(image.diff_ids) == old.config["rootfs"]["diff_ids"]  # type: ignore[index]
    assert {layer.media_type for layer in image.image.manifest.layers} == {mediatype.OCI_LAYER_GZIP}
    assert image.size == 2 * 5000 + 1
    assert verify(store).ok


def test_old_archive_with_compressed_layers(store: Store, old: Old) -> None:
    old.members["bbb/layer.tar"] = gzip.compress(old.layers[1])
    (image,) = loaded(store, old.tar())
    assert image.image.manifest.layers[1].digest == Digest.of(old.members["bbb/layer.tar"])
    assert verify(store).ok


def test_known_layers_are_not_stored_again(store: Store, old: Old) -> None:
    loaded(store, old.tar())
    before = set(store.blobs)
    loaded(store, old.tar())
    assert set(store.blobs) == before


def member(kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, link
    return info


HOSTILE: dict[str, Any] = {
    "name above": {"../evil": b"x"},
    "name in the middle": {"a/../../evil": b"x"},
    "absolute name": {"/etc/evil": b"x"},
    "link above": {"aaa/layer.tar": member(tarfile.SYMTYPE, "../../../etc/passwd")},
    "absolute hard link": {"aaa/layer.tar": member(tarfile.LNKTYPE, "/etc/passwd")},
    "link to nothing": {"aaa/layer.tar": member(tarfile.SYMTYPE, "nothing")},
    "link to itself": {"aaa/layer.tar": member(tarfile.SYMTYPE, "layer.tar")},
    "device": {"aaa/layer.tar": member(tarfile.CHRTYPE)},
    "another content": {"bbb/layer.tar": b"\0" * 1024},
    "no tar": {"aaa/layer.tar": b"garbage" * 100},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_leave_nothing(store: Store, old: Old, case: str) -> None:
    old.members.update(HOSTILE[case])
    with pytest.raises(ImageInvalid) as caught:
        loaded(store, old.tar())
    assert caught.value.where
    assert list(store.blobs) == []
    assert store.images.list() == []
    assert store.layers.indexed() == []
    assert os.listdir(f"{store.root}/lamella/tmp") == []


@pytest.mark.parametrize(
    "listing",
    [
        "garbage", "{}", "[3]", '[{"Config": 3}]', '[{"Config": "c.json", "Layers": "x"}]',
        '[{"Config": "absent.json", "Layers": []}]', '[{"Config": "c.json", "Layers": ["aaa/layer.tar"]}]', "[]",
        '[{"Config": "aaa/VERSION", "Layers": []}]',
    ],
)  # fmt: skip
def test_broken_manifest_json(store: Store, old: Old, listing: str) -> None:
    members = {**old.members, "c.json": json.dumps(old.config).encode(), "manifest.json": listing.encode()}
    with pytest.raises(ImageInvalid):
        loaded(store, old.make_tar(members))
    assert list(store.blobs) == []


@pytest.mark.parametrize("cut", [10, 512, 3000, 7000, "in the last member"])
def test_cut_archives(store: Store, old: Old, cut: int | str) -> None:
    archive = old.tar()
    with pytest.raises(ImageInvalid):
        loaded(store, archive[: cut if isinstance(cut, int) else archive.index(b"RepoTags")])
    assert list(store.blobs) == []


def test_archive_that_is_something_else(store: Store, make_tar: MakeTar, tmp_path: Path) -> None:
    with pytest.raises(ImageInvalid, match="neither") as caught:
        loaded(store, make_tar({"bin/sh": b"x"}))
    assert "lamella import" in (caught.value.hint or "")
    with pytest.raises(ImageInvalid):
        loaded(store, b"")
    with pytest.raises(InputError, match="cannot be opened"):
        load_archive(store, str(tmp_path / "absent"))
    with pytest.raises(InputError):
        load_archive(store, str(tmp_path))


def test_forged_oci_archive(store: Store, other: Store, add_image: AddImage, make_tar: MakeTar) -> None:
    """A manifest whose config is exchanged, a layer of another content, an index that names nothing."""
    image = add_image("app", *LAYERS)
    with tarfile.open(fileobj=io.BytesIO(saved(store, ["app"], "oci"))) as tar:
        members = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    layer = f"blobs/sha256/{image.image.manifest.layers[0].digest.encoded}"
    config = f"blobs/sha256/{image.image_id.encoded}"
    for name in (layer, config, f"blobs/sha256/{image.descriptor.digest.encoded}"):
        for value in (members[name][:-1], members[name] + b" ", b"", members[name][:-1] + b"?"):
            with pytest.raises((ImageInvalid, InputError)):
                loaded(other, make_tar({**members, name: value}))
        with pytest.raises(InputError):
            loaded(other, make_tar({key: value for key, value in members.items() if key != name}))
    assert list(other.blobs) == []
    (found,) = loaded(other, make_tar(members))
    assert found.image_id == image.image_id


def test_layer_of_another_content_than_the_config_says(
    store: Store, other: Store, add_image: AddImage, make_tar: MakeTar, old: Old
) -> None:
    """Every digest is right; the diff ID is not."""
    image = add_image("app", *LAYERS)
    config = json.loads(image.image.config.raw)
    config["rootfs"]["diff_ids"].reverse()
    raw = json.dumps(config).encode()
    manifest = json.loads(image.image.manifest.raw)
    manifest["config"] |= {"digest": str(Digest.of(raw)), "size": len(raw)}
    manifest_raw = json.dumps(manifest).encode()
    entry = {"mediaType": mediatype.OCI_MANIFEST, "digest": str(Digest.of(manifest_raw)), "size": len(manifest_raw)}
    members = {f"blobs/sha256/{Digest.of(each).encoded}": each for each in (raw, manifest_raw)}
    for layer in image.image.manifest.layers:
        members[f"blobs/sha256/{layer.digest.encoded}"] = Path(store.blobs.path_of(layer.digest)).read_bytes()
    members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    members["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    old.members["aaa/layer.tar"] = gzip.compress(old.layers[1])
    for archive in (make_tar(members), old.tar()):
        with pytest.raises(ImageInvalid, match="diff ID"):
            loaded(other, archive)
        assert list(other.blobs) == []
        assert other.layers.indexed() == []


def test_docker_25_names(store: Store, other: Store, add_image: AddImage, make_tar: MakeTar) -> None:
    """Docker writes the tag alone into ref.name; the whole name stands in containerd's annotation or manifest.json."""
    add_image("app:1", *LAYERS)
    with tarfile.open(fileobj=io.BytesIO(saved(store, ["app:1"]))) as tar:
        members = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    index = json.loads(members["index.json"])
    index["manifests"][0]["annotations"][REF_NAME] = "1"
    members["index.json"] = json.dumps(index).encode()
    assert loaded(other, make_tar(members))[0].names == ("app:1",)
    del index["manifests"][0]["annotations"]
    members["index.json"] = json.dumps(index).encode()
    listing = json.loads(members["manifest.json"])
    listing[0]["RepoTags"] = ["app:3"]
    members["manifest.json"] = json.dumps(listing).encode()
    assert set(loaded(other, make_tar(members))[0].names) == {"app:1", "app:3"}


def test_interrupted_load_leaves_nothing(store: Store, old: Old, tmp_path: Path) -> None:
    path = tmp_path / "old.tar"
    path.write_bytes(old.tar())
    script = (
        "import sys; from lamella.store.store import Store; from lamella.store import load\n"
        "def stop(*a, **k): raise KeyboardInterrupt\n"
        "store = Store.open(sys.argv[1]); store.images.put = stop\n"
        "try: load.load_archive(store, sys.argv[2])\n"
        "except KeyboardInterrupt: print('stopped')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, store.root, path], capture_output=True, check=True)
    assert done.stdout == b"stopped\n"
    assert list(store.blobs) == []

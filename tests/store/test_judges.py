"""Outside judges on the store as it stands: skopeo and umoci read it, and change it; docker loads what is saved."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.store.archive import load_archive
from lamella.store.collect import prune
from lamella.store.locate import open_image
from lamella.store.mirror import StoredImage
from lamella.store.rootfs import import_rootfs
from lamella.store.save import chosen, save_docker_archive, save_oci_archive, save_oci_layout
from lamella.store.store import Store
from lamella.store.verify import verify

pytestmark = pytest.mark.peer
AddImage = Callable[..., StoredImage]
LAYERS: tuple[dict[str, Any], ...] = ({"bin/sh": b"#!" * 900, "lib": "usr/lib"}, {"bin/sh": None, "etc/x": b"x"})
NAMES = ["app:1", "localhost:5000/team/app:v1.2_3", "ghcr.io/x/y:latest", "a--b:1"]


def run(*words: str | Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def skopeo(require: Callable[[str], str]) -> Callable[..., str]:
    program = require("skopeo")
    return lambda *words: run(program, "--insecure-policy", *words)


@pytest.mark.parametrize("name", NAMES)
def test_skopeo_inspects(store: Store, add_image: AddImage, skopeo: Callable[..., str], name: str) -> None:
    image = add_image(name, *LAYERS)
    add_image("other", {"z": b"1"})
    said = json.loads(skopeo("inspect", f"oci:{store.root}:{name}"))
    assert said["Digest"] == image.descriptor.digest
    assert said["Layers"] == [layer.digest for layer in image.image.manifest.layers]
    assert said["Architecture"] == "amd64"


@pytest.mark.parametrize("form", ["oci", "dir", "docker-archive", "oci-archive"])
def test_skopeo_copies_out(
    store: Store, add_image: AddImage, skopeo: Callable[..., str], tmp_path: Path, form: str
) -> None:
    image = add_image("app:1", *LAYERS)
    target = f"{tmp_path}/out" + {"dir": "", "docker-archive": ":app:1"}.get(form, ":app:1")
    skopeo("copy", f"oci:{store.root}:app:1", f"{form}:{target}")
    if form != "dir":
        with open_image(f"{form}:{target}", store) as located:
            assert located.image.config.diff_ids == image.diff_ids
            assert located.names == ("app:1",)
            for ref in located.image.layers:
                assert store.layers.measure(ref, located.blobs).content >= 1


@pytest.mark.parametrize("transport", ["oci", "docker-archive", "oci-archive"])
def test_skopeo_copies_in_while_it_is_open(
    store: Store, add_image: AddImage, skopeo: Callable[..., str], tmp_path: Path, transport: str
) -> None:
    mine = add_image("mine", {"m": b"1"})
    with Store.open(str(tmp_path / "other")) as other:
        theirs = add_image("theirs:2", *LAYERS, to=other)
        source = f"oci:{other.root}:theirs:2"
        if transport != "oci":
            with (tmp_path / "archive.tar").open("wb") as sink:
                (save_docker_archive if transport == "docker-archive" else save_oci_archive)(
                    other, chosen(other, ["theirs:2"]), sink
                )
            source = f"{transport}:{tmp_path}/archive.tar:theirs:2"
    skopeo("copy", source, f"oci:{store.root}:theirs:2")
    found = store.images.resolve("theirs:2")
    assert (found.diff_ids, found.size) == (theirs.diff_ids, None)
    assert store.images.measure(found).size == theirs.size
    assert store.images.resolve("mine").image_id == mine.image_id
    skopeo("copy", f"oci:{store.root}:mine:latest", f"oci:{store.root}:theirs:2")
    assert store.images.resolve("theirs:2").names == ("mine:latest", "theirs:2")
    assert verify(store).ok
    prune(store, grace=0)
    assert verify(store).ok


def tree(folder: Path) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(parent, name)
            about = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(folder))] = (oct(about.st_mode), about.st_uid, about.st_gid, content)
    return found


@pytest.mark.containers
def test_umoci_unpacks_what_docker_and_tar_unpack(
    store: Store, bases: Path, tmp_path: Path, require: Callable[[str], str]
) -> None:
    umoci = require("umoci")
    archive = bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"
    import_rootfs(store, str(archive), "alpine:3.20")
    run(umoci, "unpack", "--image", f"{store.root}:alpine:3.20", tmp_path / "bundle")
    (tmp_path / "tar").mkdir()
    run("tar", "-C", tmp_path / "tar", "--numeric-owner", "-xpf", archive)
    assert tree(tmp_path / "bundle" / "rootfs") == tree(tmp_path / "tar")


@pytest.mark.containers
def test_umoci_changes_the_store(
    store: Store, add_image: AddImage, tmp_path: Path, require: Callable[[str], str]
) -> None:
    umoci = require("umoci")
    image = add_image("app:1", *LAYERS)
    assert run(umoci, "ls", "--layout", store.root).split() == ["app:1"]
    run(umoci, "tag", "--image", f"{store.root}:app:1", "app:2")
    assert store.images.resolve("app:2").image_id == image.image_id
    run(umoci, "config", "--image", f"{store.root}:app:1", "--config.env", "A=1")
    assert store.images.resolve("app:1").image.config.config.env == ("A=1",)
    run(umoci, "unpack", "--image", f"{store.root}:app:2", tmp_path / "bundle")
    (tmp_path / "bundle" / "rootfs" / "new").write_text("x" * 77)
    run(umoci, "repack", "--image", f"{store.root}:app:3", tmp_path / "bundle")
    changed = store.images.measure(store.images.resolve("app:3"))
    assert len(changed.diff_ids) == 3
    assert changed.size == (image.size or 0) + 77
    run(umoci, "rm", "--image", f"{store.root}:app:3")
    assert store.images.find("app:3") is None
    run(umoci, "gc", "--layout", store.root)
    assert verify(store).ok
    assert {image.names for image in store.images.list()} == {("app:1",), ("app:2",)}


@pytest.mark.containers
@pytest.mark.xdist_group("dockerd")
@pytest.mark.parametrize("compression", ["gzip", "none", "zstd"])
def test_docker_loads_and_saves(
    store: Store, add_image: AddImage, tmp_path: Path, dockerd: Callable[..., str], compression: str
) -> None:
    """The image ID stays the same on the way there and back."""
    name = f"lamella-test/{compression}:1"
    image = add_image(name, *LAYERS, compression=compression)
    with (tmp_path / "a.tar").open("wb") as sink:
        save_docker_archive(store, chosen(store, [name]), sink)
    assert name in dockerd("load", "-i", str(tmp_path / "a.tar"))
    said = json.loads(dockerd("image", "inspect", name))[0]
    assert said["Id"] == image.image_id
    assert said["RootFS"]["Layers"] == list(image.diff_ids)
    assert said["Size"] == image.size
    dockerd("save", "-o", str(tmp_path / "b.tar"), name)
    with Store.open(str(tmp_path / "back")) as back:
        (found,) = load_archive(back, str(tmp_path / "b.tar"))
        assert (found.image_id, found.names, found.size) == (image.image_id, (name,), image.size)
        assert verify(back).ok


@pytest.mark.containers
@pytest.mark.xdist_group("dockerd")
def test_docker_shows_the_same_size_and_runs_the_same_tree(
    store: Store, bases: Path, tmp_path: Path, dockerd: Callable[..., str]
) -> None:
    image = import_rootfs(store, str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"), "lamella-test/alpine:3.20")
    with (tmp_path / "a.tar").open("wb") as sink:
        save_docker_archive(store, [image], sink)
    dockerd("load", "-i", str(tmp_path / "a.tar"))
    assert int(dockerd("image", "inspect", "-f", "{{.Size}}", "lamella-test/alpine:3.20")) == image.size
    container = dockerd("create", "lamella-test/alpine:3.20", "/bin/sh").strip()
    dockerd("export", "-o", str(tmp_path / "tree.tar"), container)
    names = set(run("tar", "-tf", tmp_path / "tree.tar").split("\n"))
    ours = {entry.path for entry in store.layers.toc(image.diff_ids[0]) if entry.kind == "f"}
    assert ours <= names
    dockerd("rm", container)


def test_layout_for_others(store: Store, add_image: AddImage, skopeo: Callable[..., str], tmp_path: Path) -> None:
    image = add_image("app:1", *LAYERS)
    save_oci_layout(store, chosen(store, ["app:1"]), str(tmp_path / "layout"))
    assert json.loads(skopeo("inspect", f"oci:{tmp_path}/layout:app:1"))["Digest"] == image.descriptor.digest

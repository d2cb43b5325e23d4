"""``image tag``, ``rm``, ``prune``, ``save``, ``load``, ``import``, ``verify`` and ``system df``."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.store.cache import CacheRecord
from lamella.store.store import Store

Lamella = Callable[..., Any]
PutImage = Callable[..., None]


def names(lamella: Lamella) -> list[str]:
    rows = lamella("images", "--format", "json").json["images"]
    return [f"{row['repository']}:{row['tag']}" for row in rows]


def test_tag_and_rm(lamella: Lamella, put_image: PutImage) -> None:
    put_image("app:1", [{"a": b"1"}])
    assert lamella("tag", "app:1", "ghcr.io/x/app:2").code == 0
    image_id = lamella("images", "-q").out.strip()
    assert lamella("rmi", image_id).code == 2
    assert lamella("rmi", "app:1").out == "Untagged: app:1\n"
    done = lamella("image", "rm", "ghcr.io/x/app:2")
    assert re.fullmatch(r"Untagged: ghcr.io/x/app:2\nDeleted: sha256:[0-9a-f]{64}\n", done.out)
    assert names(lamella) == []


def test_rm_goes_on_after_a_missing_one(lamella: Lamella, put_image: PutImage) -> None:
    put_image("a", [{"a": b"1"}])
    put_image("b", [{"a": b"2"}])
    done = lamella("rmi", "a", "nothing", "neither", "b")
    assert done.code == 2
    assert done.out.count("Untagged") == 2
    assert done.err.count("error: ") == 2
    assert names(lamella) == []


def test_errors_have_hints(lamella: Lamella, put_image: PutImage) -> None:
    put_image("app:1", [{"a": b"1"}])
    put_image("registry.example:5000/team/base:1", [{"a": b"1"}])
    for words, says in (
        (("tag", "ap:1", "x"), "did you mean app:1?"),
        (("tag", "registry.example:5000/team/bse:1", "x"), "did you mean registry.example:5000/team/base:1?"),
        (("tag", "registry.example:5000/team/nope:1", "x"), "image ls"),
        (("tag", "app:1", "UPPER"), "lower case"),
        (("rmi", "nothing"), "image ls"),
        (("save", "nothing"), "image ls"),
        (("load", "-i", "/absent.tar"), "absent.tar"),
        (("import", "/absent.tar"), "absent.tar"),
    ):
        done = lamella(*words)
        assert (done.code, done.out) == (2, ""), words
        assert says in done.err, words
        assert done.err.startswith("error: ")


def test_prune(lamella: Lamella, put_image: PutImage, store_root: Path) -> None:
    put_image("app", [{"a": b"1"}])
    put_image("app", [{"a": b"2"}])
    done = lamella("image", "prune", "--force")
    assert re.search(r"^deleted: sha256:[0-9a-f]{64}\nTotal reclaimed space: [1-9][\d.]*k?B$", done.out, re.MULTILINE)
    assert names(lamella) == ["app:latest"]
    with Store.open(str(store_root)) as store:
        store.cache.put(CacheRecord("k", store.images.resolve("app").image.layers[0], "", 0, 0.0, 0))
    found = lamella("image", "prune", "--all", "--force", "--format", "json").json
    assert (found["schema"], found["untagged"], found["cache_records"]) == (1, ["app:latest"], 0)
    assert len(found["blobs"]) == 2
    found = lamella("image", "prune", "--force", "--build-cache", "--format", "json").json
    assert (len(found["blobs"]), found["cache_records"]) == (1, 1)
    assert found["reclaimed"] > 0


@pytest.mark.parametrize(
    "asked",
    [
        ([], "n\n", 0, 2),
        ([], "", 2, 2),
        ([], "y\n", 0, 1),
        (["--all"], "\n", 0, 2),
        (["--all"], "", 2, 2),
        (["--all"], "yes\n", 0, 0),
    ],
)
def test_prune_asks(
    lamella: Lamella, put_image: PutImage, monkeypatch: pytest.MonkeyPatch, asked: tuple[list[str], str, int, int]
) -> None:
    words, answer, code, left = asked
    put_image("app", [{"a": b"1"}])
    put_image("app", [{"a": b"2"}])
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    done = lamella("image", "prune", *words)
    assert done.code == code
    assert "[y/N]" in done.err
    assert ("nothing was removed" in done.err) == (left == 2)
    assert len(lamella("images", "--format", "json").json["images"]) == left


def test_save_and_load(lamella: Lamella, put_image: PutImage, tmp_path: Path) -> None:
    put_image("app:1", [{"a": b"1"}, {"b": b"2"}])
    put_image("other", [{"a": b"1"}])
    before = lamella("images", "--format", "json").json
    for form in ("docker", "oci"):
        path = tmp_path / f"{form}.tar"
        assert lamella("save", "--format", form, "-o", str(path), "app:1", "other").out == ""
        lamella("rmi", "app:1", "other")
        assert lamella("load", "-i", str(path)).out == "Loaded image: app:1\nLoaded image: other:latest\n"
        assert lamella("images", "--format", "json").json == before
    assert sorted(os.listdir(tmp_path)) == ["docker.tar", "oci.tar", "store"]
    image_id = before["images"][0]["id"]
    lamella("save", "-o", str(tmp_path / "id.tar"), image_id[7:15])
    lamella("rmi", "app:1", "other")
    assert lamella("load", "-i", str(tmp_path / "id.tar")).out == f"Loaded image ID: {image_id}\n"
    assert lamella("load", "-q", "-i", str(tmp_path / "id.tar")).out == ""


def test_save_into_a_folder(lamella: Lamella, put_image: PutImage, tmp_path: Path) -> None:
    put_image("app:1", [{"a": b"1"}])
    assert lamella("save", "--format", "oci-dir", "-o", str(tmp_path / "layout"), "app:1").code == 0
    assert lamella("history", f"oci:{tmp_path}/layout:app:1").code == 0
    assert lamella("save", "--format", "oci-dir", "app:1").code == 2


def test_save_through_pipes_but_not_to_a_terminal(put_image: PutImage, store_root: Path) -> None:
    put_image("app:1", [{"a": b"1"}])
    command = [sys.executable, "-m", "lamella"]
    with subprocess.Popen([*command, "save", "app:1"], stdout=subprocess.PIPE) as save:
        loaded = subprocess.run(
            [*command, "--root", f"{store_root}2", "load"], stdin=save.stdout, capture_output=True, check=True
        )
    assert loaded.stdout == b"Loaded image: app:1\n"
    ours, theirs = os.openpty()
    done = subprocess.run([*command, "save", "app:1"], stdout=theirs, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"-o FILE" in done.stderr
    os.close(theirs)
    os.close(ours)


def test_failed_save_leaves_what_was_there(lamella: Lamella, put_image: PutImage, tmp_path: Path) -> None:
    put_image("app:1", [{"a": b"1" * 9999}])
    path = tmp_path / "out.tar"
    path.write_text("precious")
    with Store.open(os.environ["LAMELLA_ROOT"]) as store:
        layer = store.images.resolve("app:1").image.manifest.layers[0]
        Path(store.blobs.path_of(layer.digest)).write_bytes(bytes(layer.size))
    done = lamella("save", "-o", str(path), "app:1")
    assert done.code == 3
    assert layer.digest in done.err
    assert path.read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["out.tar", "store"]


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    path = tmp_path / "rootfs.tar"
    info = tarfile.TarInfo("bin/sh")
    info.size = 5
    with tarfile.open(path, "w") as tar:
        tar.addfile(info, io.BytesIO(b"#!/sh"))
    return path


def test_import(lamella: Lamella, rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    done = lamella("import", "-m", "a base", "--platform", "linux/arm64", str(rootfs), "base:1")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.out)
    (found,) = lamella("inspect", "base:1").json
    assert (found["Id"], found["Size"], found["Architecture"]) == (done.out.strip(), 5, "arm64")
    assert (found["Created"], found["Comment"]) == ("2023-11-14T22:13:20Z", "a base")
    again = lamella("import", "-m", "a base", "--platform", "linux/arm64", str(rootfs))
    assert again.out == done.out
    assert (
        lamella("import", "--platform", "linux/vax", str(rootfs)).code == 0
    )  # behind an os any word is an architecture


def test_import_with_changes(lamella: Lamella, rootfs: Path) -> None:
    changes = ['CMD ["/bin/sh"]', "env A=1 B=2", "EXPOSE 80", "WORKDIR /srv", "USER 1000", "LABEL k=v", "VOLUME /data"]
    words = [word for change in changes for word in ("-c", change)]
    assert lamella("import", *words, str(rootfs), "base").code == 0
    (found,) = lamella("inspect", "base").json
    found["Config"].pop("ArgsEscaped")  # as Docker sets it beside a CMD
    assert found["Config"]["Env"].pop(0).startswith("PATH=/usr/local/sbin:")  # as a stage FROM scratch has it
    assert found["Config"] == {
        "User": "1000",
        "ExposedPorts": {"80/tcp": {}},
        "Env": ["A=1", "B=2"],
        "Cmd": ["/bin/sh"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"k": "v"},
    }
    for bad in ("RUN true", "COPY a b", "", "CMD x\nRUN y", "FROM x"):
        done = lamella("import", "-c", bad, str(rootfs), "bad")
        assert done.code == 2, bad
        assert "--change" in done.err
    assert names(lamella) == ["base:latest"]


def test_verify(lamella: Lamella, put_image: PutImage, store_root: Path) -> None:
    put_image("app:1", [{"a": b"1"}])
    done = lamella("image", "verify")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"all is well: 1 image, 1 layer, 3 blobs, [\d.]+k?B read\n", done.out)
    with Store.open(str(store_root)) as store:
        layer = store.images.resolve("app:1").image.manifest.layers[0]
        path = Path(store.blobs.path_of(layer.digest))
    path.write_bytes(bytes(layer.size))
    done = lamella("verify")
    assert done.code == 1
    assert f"{layer.digest}: the blob's content does not match its digest (blob); needed by app:1" in done.out
    assert "--repair" in done.err
    found = lamella("verify", "--format", "json", "--repair").json
    assert (found["ok"], [problem["kind"] for problem in found["problems"]]) == (False, ["blob"])
    assert found["repaired"] == [f"removed the damaged blob {layer.digest}"]
    assert not path.exists()


def test_df(lamella: Lamella, put_image: PutImage) -> None:
    put_image("app:1", [{"a": b"1"}])
    assert lamella("system", "df").out.splitlines()[0].split() == ["TYPE", "TOTAL", "SIZE", "RECLAIMABLE"]
    found = lamella("system", "df", "--format", "json").json
    assert found["images"]["total"] == 1
    assert found["images"]["size"] > 100
    assert found["loose blobs"] == {"total": 0, "size": 0, "reclaimable": 0}


@pytest.mark.containers
def test_snapshots_go_with_their_image(lamella: Lamella, bases: Path, tmp_path: Path, store_root: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN touch /made\n")
    assert lamella("import", str(bases / "busybox-musl-amd64.tar.gz"), "busybox").code == 0
    built = subprocess.run(
        [sys.executable, "-m", "lamella", "build", "-q", "-t", "app", str(tmp_path)], capture_output=True, check=False
    )
    if built.returncode:
        pytest.skip(f"nothing can be built here: {built.stderr.decode()[-200:]}")
    snapshots = store_root / "lamella" / "snapshots"
    (chains,) = snapshots.glob("*/chains")
    assert len(os.listdir(chains)) >= 1
    lamella("rmi", "app", "busybox")
    kept = set(os.listdir(chains))  # the build cache starts from the base and leads to the RUN's state
    found = lamella("image", "prune", "--force", "--build-cache", "--format", "json").json
    assert os.listdir(chains) == []
    assert found["snapshots"] == len(kept)
    assert found["reclaimed"] > 0
    assert [path for path in snapshots.glob("*/s/*") if path.is_dir()] == []

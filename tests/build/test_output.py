"""Where a build's result goes: archives, layouts, folders; what is in the store afterwards."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.build.request import Output
from lamella.errors import MachineError
from lamella.store.disk import replacing

Builder = Any
TREE = "FROM scratch\nCOPY a/ /a/\nCOPY b /dropped\nCOPY --chown=7:8 --chmod=4711 b /b\n"


@pytest.fixture
def files(builder: Builder) -> Builder:
    builder.file("a/one", "1" * 70_000)
    builder.file("a/sub/two", "2")
    builder.file("a/empty")
    builder.file("b", "b")
    os.symlink("/etc/passwd", builder.context / "a" / "link")
    os.link(builder.context / "a" / "one", builder.context / "a" / "sub" / "same")
    return builder


def tar_of(builder: Builder, text: str) -> tarfile.TarFile:
    sink = io.BytesIO()
    builder.build(text, outputs=(Output("tar", stream=sink),))
    return tarfile.open(fileobj=io.BytesIO(sink.getvalue()))


def test_a_tar_has_the_merged_file_system_with_owners_modes_and_links(files: Builder) -> None:
    tar = tar_of(files, TREE)
    names = ["a", "a/empty", "a/link", "a/one", "a/sub", "a/sub/same", "a/sub/two", "b", "dropped"]
    assert tar.getnames() == names
    b = tar.getmember("b")
    assert (b.uid, b.gid, b.mode, b.size) == (7, 8, 0o4711, 1)
    assert (tar.getmember("a/sub/same").type, tar.getmember("a/sub/same").linkname) == (tarfile.LNKTYPE, "a/one")
    assert tar.getmember("a/link").linkname == "/etc/passwd"
    content = tar.extractfile("a/one")
    assert content is not None
    assert content.read() == b"1" * 70_000


@pytest.mark.containers
def test_what_a_later_layer_removes_or_replaces_is_not_in_the_tar(busybox: Builder) -> None:
    busybox.file("a", "old")
    text = "FROM busybox\nCOPY a /x/a\nCOPY a /y/a\nRUN mkfifo /pipe && echo new > /y/a && rm -rf /x /bin\n"
    tar = tar_of(busybox, text)
    assert not [name for name in tar.getnames() if name.startswith(("x", "bin")) or ".wh." in name]
    assert tar.getmember("pipe").isfifo()
    assert tar.extractfile("y/a").read() == b"new\n"  # type: ignore[union-attr]


@pytest.mark.peer
def test_gnu_tar_reads_it(files: Builder, require: Callable[[str], str]) -> None:
    sink = io.BytesIO()
    files.build(TREE, outputs=(Output("tar", stream=sink),))
    words = [require("tar"), "--numeric-owner", "-tv"]
    listing = subprocess.run(words, input=sink.getvalue(), capture_output=True, check=True)
    assert listing.stderr == b""
    assert b"-rws--x--x 7/8" in listing.stdout
    assert b"link to a/one" in listing.stdout


def test_local_writes_files_that_belong_to_who_builds(files: Builder, tmp_path: Path) -> None:
    out = tmp_path / "out" / "deep"
    files.build(TREE, outputs=(Output("local", str(out)),))
    assert (out / "a" / "sub" / "two").read_text() == "2"
    assert (out / "a" / "empty").read_bytes() == b""
    assert os.readlink(out / "a" / "link") == "/etc/passwd"
    assert (out / "a" / "one").samefile(out / "a" / "sub" / "same")
    about = (out / "b").stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (os.geteuid(), os.getegid(), 0o4711)
    assert sorted(os.listdir(tmp_path / "out")) == ["deep"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o700, "as Docker makes it"


def test_local_keeps_what_lies_there_and_follows_no_link(files: Builder, tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    (outside / "one").write_text("untouched")
    out.mkdir()
    (out / "mine").write_text("mine")
    os.symlink(outside, out / "a")
    os.link(outside / "one", out / "b")
    (out / "dropped").mkdir()
    (out / "dropped" / "x").write_text("x")
    files.build(TREE, outputs=(Output("local", str(out)),))
    assert (out / "mine").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["one"]
    assert (outside / "one").read_text() == "untouched"
    assert not (out / "a").is_symlink()
    assert (out / "a" / "one").stat().st_size == 70_000
    assert (out / "b").read_text() == "b"
    assert (out / "dropped").read_text() == "b"


def test_a_new_folder_that_cannot_be_filled_is_not_there(
    files: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lamella.layer.target.os.utime", full)
    with pytest.raises(MachineError) as caught:
        files.build(TREE, outputs=(Output("local", str(tmp_path / "out")),))
    assert "disk is full" in caught.value.message
    assert caught.value.where == "--output type=local"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == []


def test_an_archive_that_cannot_be_written_leaves_the_old_one(
    files: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.tar"
    target.write_text("before")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lamella.store.save.canonical_json", fail)
    with pytest.raises(MachineError):
        files.build(TREE, outputs=(Output("oci", str(target)),))
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out.tar"]


@pytest.mark.peer
def test_skopeo_reads_archives_and_layout(files: Builder, tmp_path: Path, require: Callable[[str], str]) -> None:
    skopeo = require("skopeo")
    outputs = (
        Output("oci", str(tmp_path / "oci.tar")),
        Output("docker", str(tmp_path / "docker.tar")),
        Output("oci", str(tmp_path / "layout"), tar=False),
    )
    result = files.build(TREE, outputs=outputs, tags=("app:1",))
    places = (f"oci-archive:{tmp_path}/oci.tar:app:1", f"docker-archive:{tmp_path}/docker.tar:app:1")
    for place in (*places, f"oci:{tmp_path}/layout:app:1"):
        out = subprocess.run([skopeo, "inspect", "--config", "--raw", place], capture_output=True, check=False)
        assert out.returncode == 0, out.stderr
        assert json.loads(out.stdout) == json.loads(result.config.raw), place
    copied = tmp_path / "copied"
    subprocess.run([skopeo, "copy", "-q", places[0], f"dir:{copied}"], check=True)
    assert (copied / "manifest.json").read_bytes() == files.store.blobs.read_blob(result.manifest)


def test_the_store_has_the_image_only_where_an_output_says_so(files: Builder, tmp_path: Path) -> None:
    result = files.build(TREE, tags=("app",), outputs=(Output("oci", str(tmp_path / "o.tar")), Output("cacheonly")))
    assert files.store.images.list() == []
    assert result.names == ("app",)
    result = files.build(TREE, outputs=(Output("tar", str(tmp_path / "t.tar")), Output("image", names=("named:2",))))
    assert [image.names for image in files.store.images.list()] == [("named:2",)]
    assert result.names == ("named:2",)
    assert (tmp_path / "t.tar").is_file()


def test_a_file_in_the_making_has_no_name(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    with replacing(str(target), "write it") as file:
        file.write(b"new")
        file.flush()
        assert os.listdir(tmp_path) == ["x"], "a kill would leave nothing"
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]
    os.symlink("x", tmp_path / "link")
    with replacing(str(tmp_path / "link"), "write it") as file:
        file.write(b"newer")
    assert (tmp_path / "link").is_symlink()
    assert target.read_text() == "newer"
    with pytest.raises(MachineError) as caught, replacing(str(tmp_path / "no" / "x"), "write it"):
        raise AssertionError("there is no such folder")
    assert caught.value.where == str(tmp_path / "no" / "x")


def test_where_no_file_can_be_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamella.store.disk.os.O_TMPFILE", os.O_DIRECTORY)  # as on a file system without
    target = tmp_path / "x"
    with replacing(str(target), "write it") as file:
        file.write(b"new")
        assert not target.exists()
    assert target.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), replacing(str(target), "write it") as file:
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["x"]

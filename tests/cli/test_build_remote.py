"""``lamella build ADDRESS`` and ``--build-context NAME=ADDRESS``: repositories and files from a server on loopback."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.filetree.entry import Entry
from lamella.filetree.tree import merge_layers
from lamella.store.store import Store

Call = Callable[..., Any]
Repositories = Any
DOCKERFILE = "FROM scratch\nCOPY . /all/\n"


@pytest.fixture
def build(lamella: Call, store_root: Path) -> Callable[..., dict[str, Entry]]:
    """The tree of what is built; nothing temporary is left."""

    def run(*words: str) -> dict[str, Entry]:
        done = lamella("build", "-q", *words)
        assert done.code == 0, done.err
        with Store.open(str(store_root)) as store:
            image = store.images.resolve(done.out.strip()).image
            tree = merge_layers(list(store.layers.toc(layer.diff_id)) for layer in image.layers)
        assert os.listdir(store_root / "lamella" / "tmp") == []
        return {path: entry for path, entry in tree.items() if path}

    return run


def archive(**files: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid = len(content), 5
            tar.addfile(info, io.BytesIO(content.encode()))
    return file.getvalue()


def test_a_repository_as_the_context(build: Call, lamella: Call, repositories: Repositories) -> None:
    """No ignore file counts: that is for folders that are sent."""
    repositories.commit(
        "app", Dockerfile=DOCKERFILE, run="1", sub__Dockerfile="FROM scratch\nCOPY in /in\n", sub__in="22"
    )
    (repositories.folder / "app" / "run").chmod(0o755)
    (repositories.folder / "app" / ".dockerignore").write_text("run\n")
    repositories.commit("app")
    repositories.git("app", "tag", "v1")
    repositories.commit("app", Dockerfile="FROM scratch\nLABEL later=1\n")
    url = repositories.url("app")
    tree = build(f"{url}#v1")
    assert sorted(tree) == [
        "all", "all/.dockerignore", "all/Dockerfile", "all/run", "all/sub", "all/sub/Dockerfile", "all/sub/in",
    ]  # fmt: skip
    assert [(oct(tree[path].mode), tree[path].uid) for path in ("all/run", "all/Dockerfile", "all/sub")] == [
        ("0o755", 0),
        ("0o644", 0),
        ("0o755", 0),
    ]
    assert build(url) == {}
    assert set(build(f"{url}#v1:sub")) == {"in"}
    assert "all/.git/HEAD" in build("--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", f"{url}#v1")
    assert set(build(f"{url}?tag=v1&subdir=sub")) == {"in"}
    for words, code in (((f"{url}#nowhere",), 2), ((f"{url}#:nowhere",), 2), (("-f", "none", url), 2)):
        done = lamella("build", *words)
        assert (done.code, "Traceback" in done.err, "error: " in done.err) == (code, False, True)


def test_a_folder_that_is_a_link_out_of_the_repository(
    lamella: Call, repositories: Repositories, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "Dockerfile").write_text(DOCKERFILE)
    repositories.commit("app")
    (repositories.folder / "app" / "out").symlink_to(tmp_path / "outside")
    (repositories.folder / "app" / "Dockerfile").symlink_to(tmp_path / "outside" / "Dockerfile")
    repositories.commit("app")
    for address in (f"{repositories.url('app')}#:out", repositories.url("app")):
        assert lamella("build", address).code == 2


def test_an_unchanged_repository_is_cached_and_asked_for_each_time(lamella: Call, repositories: Repositories) -> None:
    repositories.commit("app", Dockerfile=DOCKERFILE)
    url = repositories.url("app")
    first = lamella("build", url)
    for _ in range(3):
        again = lamella("build", url)
        assert (again.out, "all cached" in again.err) == (first.out, True)
    repositories.commit("app", new="1")
    assert lamella("build", url).out != first.out


def test_an_archive_and_a_dockerfile_behind_a_url(build: Call, lamella: Call, web: Any) -> None:
    url = web.file("/context.tgz", archive(Dockerfile=DOCKERFILE, a="1", other="FROM scratch\nCOPY a /\n"))
    tree = build(url)
    assert {path: (entry.kind, entry.uid) for path, entry in tree.items()} == {
        "all": ("d", 0), "all/Dockerfile": ("f", 5), "all/a": ("f", 5), "all/other": ("f", 5),
    }  # fmt: skip
    assert set(build("-f", "other", url)) == {"a"}
    alone = web.file("/Dockerfile", b"FROM scratch\nCOPY <<x /y\nx\n")
    assert set(build(alone)) == {"y"}
    for address, code, words in (
        (web.url("/gone"), 2, "404"),
        ("http://127.0.0.1:9/x", 3, "cannot be reached"),
        (web.file("/broken.tgz", archive(Dockerfile="x")[:60]), 2, ""),
        (web.file("/empty.tgz", archive()), 2, "Dockerfile"),
        (web.file("/odd", b"FRMO scratch\n"), 2, ":1"),
    ):
        done = lamella("build", address)
        assert (done.code, words in done.err, "internal" in done.err) == (code, True, False), done.err


def test_named_contexts(build: Call, lamella: Call, repositories: Repositories, tmp_path: Path) -> None:
    repositories.commit("lib", code="1", sub__x="2")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY --from=lib . /lib/\nCOPY --from=file /f.txt /f\n")
    web = repositories.web
    url = web.file("/f.txt", b"text", **{"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
    named = ["--build-context", f"lib={repositories.url('lib')}", "--build-context", f"file={url}"]
    tree = build(*named, str(tmp_path))
    assert sorted(tree) == ["f", "lib", "lib/code", "lib/sub", "lib/sub/x"]
    assert (tree["f"].mode, tree["f"].mtime) == (0o600, 1_445_412_480 * 10**9)
    for _ in range(2):
        assert "all cached" in lamella("build", *named, str(tmp_path)).err
    repositories.commit("lib", code="changed")
    assert "all cached" not in lamella("build", *named, str(tmp_path)).err
    count = len(web.asked)
    assert lamella("explain", *named, str(tmp_path)).code == 0
    assert len(web.asked) == count  # a prediction fetches nothing
    assert lamella("build", "--build-context", "lib=http://127.0.0.1:9/x.git", *named[2:], str(tmp_path)).code == 3


def test_a_repository_as_a_base(build: Call, repositories: Repositories, tmp_path: Path) -> None:
    repositories.commit("rootfs", etc__issue="1")
    (tmp_path / "Dockerfile").write_text("FROM rootfs\nCOPY <<x /x\nx\n")
    assert sorted(build("--build-context", f"rootfs={repositories.url('rootfs')}", str(tmp_path))) == [
        "etc",
        "etc/issue",
        "x",
    ]


def test_a_base_whose_registry_is_not_there(lamella: Call, put_image: Call, tmp_path: Path) -> None:
    put_image("127.0.0.1:1/team/base:1", [{"a": b"1"}])
    for name, near in (
        ("bse", "did you mean 127.0.0.1:1/team/base:1? Otherwise check the name"),
        ("nope", "check the"),
    ):
        (tmp_path / "Dockerfile").write_text(f"FROM 127.0.0.1:1/team/{name}:1\nCOPY . /\n")
        done = lamella("build", "-q", str(tmp_path))
        assert done.code == 3 and f"  hint: {near}" in done.err, done.err

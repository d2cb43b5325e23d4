"""What we build and save, read by skopeo, umoci and a real Docker: the same layers, the same tree, the same config."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.filetree.tree import merge_layers, resolved
from lamella.store.store import Store

pytestmark = [pytest.mark.containers, pytest.mark.peer]
Shell = Any
Tree = dict[str, tuple[str, int, int, int, str]]

#: whiteouts, an opaque folder, links of both kinds, odd modes and owners, replaced kinds, long and odd names
DOCKERFILE = """FROM alpine:3.20 AS tools
RUN mkdir /out && echo tool > /out/tool && ln /out/tool /out/twin && ln -s tool /out/link
FROM alpine:3.20
ENV A=1 B="two words"
WORKDIR /srv/app
COPY --chown=1000:1001 src ./
RUN rm /etc/motd && rm -rf /etc/apk && mkdir /etc/apk && echo new > /etc/apk/new
RUN rm -rf /opt && ln -s /srv /opt && chmod 4755 /bin/busybox && chown 5:6 /home && mkfifo /srv/pipe
COPY --from=tools /out /out
ADD files.tar /unpacked/
RUN touch "/srv/a name with spaces" /srv/ünïcode /srv/$(printf 'n%.0s' $(seq 1 180)) && ln /srv/ünïcode /srv/hard
USER 1000
EXPOSE 8080
LABEL made=here
ENTRYPOINT ["/bin/echo"]
CMD ["hello"]
"""
LAYERS = 8


@pytest.fixture
def built(alpine: Shell) -> Shell:
    """A shell whose store holds ``app``, and its archive ``app.tar``."""
    alpine.write("src/main.py", "print()\n")
    alpine.write("src/deep/data", os.urandom(300_000))
    (alpine.folder / "src" / "deep" / "link").symlink_to("../main.py")
    with tarfile.open(alpine.folder / "files.tar", "w") as tar:
        tar.add(alpine.folder / "src" / "main.py", "inside/main.py")
    alpine.write("Dockerfile", DOCKERFILE)
    alpine.ok("build", "-t", "app", ".")
    alpine.ok("save", "-o", "app.tar", "app")
    return alpine


def our_tree(shell: Shell) -> Tree:
    """The merged tree by our tables of contents."""
    with Store.open(str(shell.store)) as store:
        image = store.images.resolve("app").image
        tree = merge_layers([list(store.layers.toc(layer.diff_id)) for layer in image.layers])
    found: Tree = {}
    for path, entry in tree.items():
        whole = resolved(tree, entry)
        if path:
            mode = 0 if whole.kind == "l" else whole.mode
            found[path] = (whole.kind, mode, whole.uid, whole.gid, whole.link or whole.digest)
    return found


def tree_on_disk(root: Path) -> Tree:
    found: Tree = {}
    for parent, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(parent, name)
            stat = path.lstat()
            kind = {0o04: "d", 0o10: "f", 0o12: "l", 0o01: "p", 0o02: "c", 0o06: "b"}[stat.st_mode >> 12]
            what = os.readlink(path) if kind == "l" else ""
            if kind == "f":
                what = hashlib.sha256(path.read_bytes()).hexdigest()
            mode = 0 if kind == "l" else stat.st_mode & 0o7777
            found[str(path.relative_to(root))] = (kind, mode, stat.st_uid, stat.st_gid, what)
    return found


def _run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_skopeo_reads_the_store_as_it_stands(built: Shell, require: Callable[[str], str]) -> None:
    skopeo = require("skopeo")
    said = json.loads(_run(skopeo, "inspect", f"oci:{built.store}:app:latest"))
    explained = built.json("explain", "--format", "json", "app")
    assert len(said["Layers"]) == LAYERS == explained["layers"]["total"]
    assert said["Labels"] == {"made": "here"}
    assert {"A=1", "B=two words"} <= set(said["Env"])
    config = json.loads(_run(skopeo, "inspect", "--config", f"oci:{built.store}:app:latest"))
    assert sum(not entry.get("empty_layer") for entry in config["history"]) == LAYERS


def test_umoci_unpacks_our_tree(built: Shell, require: Callable[[str], str], tmp_path: Path) -> None:
    _run(require("umoci"), "unpack", "--image", f"{built.store}:app:latest", tmp_path / "bundle")
    assert tree_on_disk(tmp_path / "bundle" / "rootfs") == our_tree(built)


@pytest.mark.xdist_group("dockerd")
def test_docker_loads_it_and_has_our_tree_and_config(built: Shell, dockerd: Any, tmp_path: Path) -> None:
    dockerd("load", "-i", str(built.folder / "app.tar"))
    said = json.loads(dockerd("image", "inspect", "app"))[0]
    ours = built.json("image", "inspect", "app")[0]
    assert said["Id"] == ours["Id"]
    assert said["RootFS"]["Layers"] == ours["RootFS"]["Layers"]
    for key in ("Env", "Entrypoint", "Cmd", "WorkingDir", "User", "ExposedPorts", "Labels"):
        assert said["Config"][key] == ours["Config"][key], key
    container = dockerd("create", "--network", "none", "app").strip()
    dockerd("export", "-o", str(tmp_path / "tree.tar"), container)
    dockerd("rm", container)
    (tmp_path / "tree").mkdir()
    _run("tar", "-C", tmp_path / "tree", "--numeric-owner", "--same-owner", "-xpf", tmp_path / "tree.tar")
    theirs, expected = tree_on_disk(tmp_path / "tree"), our_tree(built)
    mounted = {
        ".dockerenv",
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/mtab",
        "dev/console",
        "dev/pts",
        "dev/shm",
    }
    assert {k: v for k, v in theirs.items() if k not in mounted} == {
        k: v for k, v in expected.items() if k not in mounted
    }
    assert dockerd("run", "--rm", "--network", "none", "app").strip() == "hello"


@pytest.mark.xdist_group("dockerd")
def test_docker_builds_the_same_state_from_the_same_file(built: Shell, dockerd: Any, bases: Path) -> None:
    """One Dockerfile, two builders, ``lamella prove`` between them."""
    dockerd("import", str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"), "alpine:3.20")
    built.write(".dockerignore", "*.tar\n!files.tar\n")
    dockerd("build", "-q", "--network", "host", "-t", "theirs", str(built.folder))
    dockerd("save", "-o", str(built.folder / "theirs.tar"), "theirs")
    done = built.run("prove", "app", f"docker-archive:{built.folder / 'theirs.tar'}", "--format", "json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["differences"], answer["config"]) == (0, [], [])
    assert answer["paths"] > 500

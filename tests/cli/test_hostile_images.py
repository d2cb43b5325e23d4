"""Images with hostile layers by the commands: refused, with a message that names layer and path, or neutralised alike
for explain, prove, both kinds of snapshots and as the base of a build. Every case by the roads below the commands is in
tests/layer/test_hostile_corpus.py."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import Case, cases, lower_layer
from images import docker_archive, oci_layout
from lyingtar import END
from roads import indexed, merged, seen
from treeview import difference

from lamella.filetree.entry import Entry
from lamella.layer.compression import open_decompressed
from lamella.oci.digest import chain_id
from lamella.prove.open import read_contents
from lamella.prove.open import side_of as merged_side
from lamella.snapshot.select import open_snapshotter
from lamella.store.store import Store

Lamella = Callable[..., Any]
CASES = cases()
REFUSED = [name for name, case in CASES.items() if case.refused]
#: a third of those that are not refused, and one that only the snapshots of the commands can get wrong
HARMLESS = ["the root made opaque", *(name for name, case in CASES.items() if not case.refused)][::3]
#: what no single layer shows: it is found when the layers are put together
LATER = {name for name in REFUSED if "symbolic links" in CASES[name].says or "too deep" in CASES[name].says} | {
    name for name in REFUSED if CASES[name].says == "hard link"
}


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A folder that must not change, beside the store."""
    folder = tmp_path / "canary"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_bytes(b"as it was")
    before = _stats(folder), sorted(os.listdir("/"))
    yield folder
    assert (_stats(folder), sorted(os.listdir("/"))) == before
    assert set(os.listdir(tmp_path)) <= {"canary", "store", "hostile.tar", "Dockerfile", "x", "lower.tar"}


def _stats(folder: Path) -> list[object]:
    found = []
    for path in (folder, *sorted(folder.rglob("*"))):
        about = path.lstat()
        found.append((path, about.st_mode, about.st_nlink, about.st_mtime_ns, about.st_ctime_ns))
    return found


@pytest.mark.parametrize("first", range(0, len(REFUSED), 20))
def test_refused(first: int, lamella: Lamella, canary: Path, tmp_path: Path, store_root: Path) -> None:
    """Twenty at a time: most of the time goes into a new store."""
    for name in REFUSED[first : first + 20]:
        case = CASES[name]
        raw = case.layer(str(canary))
        (tmp_path / "hostile.tar").write_bytes(docker_archive([lower_layer(), raw]))
        done = lamella("load", "-i", str(tmp_path / "hostile.tar"))
        if done.code == 0:
            assert name in LATER, name
            digest = lamella("inspect", "hostile:1").json[0]["Manifest"]["Layers"][1]["digest"]
            for words in (
                ("explain", "hostile:1"),
                ("prove", "hostile:1", "hostile:1"),
                ("diff", "hostile:1", "hostile:1"),
            ):
                check_refusal(lamella(*words), case, digest, (name, words))
            (tmp_path / "Dockerfile").write_text("FROM hostile:1\nCOPY x /x\n")
            (tmp_path / "x").write_text("x")
            check_refusal(lamella("build", str(tmp_path)), case, digest, (name, "build"))
            assert lamella("rmi", "hostile:1").code == 0
        else:
            check_refusal(done, case, "sha256:" + hashlib.sha256(raw).hexdigest(), (name, "load"))
            assert lamella("images", "-q").out == "", name
        assert os.listdir(store_root / "lamella" / "tmp") == []
    assert lamella("image", "verify").code == 0


def check_refusal(done: Any, case: Case, digest: str, what: object) -> None:
    assert (done.code, done.out) == (2, ""), what
    _, found, message = done.err.rpartition("error: ")
    assert found, what
    assert digest in message, (what, message)
    assert case.path.strip(": ") in message, (what, message)
    assert case.says in message, (what, message)
    assert all(line.isprintable() for line in done.err.splitlines()), what


@pytest.mark.root
@pytest.mark.parametrize("first", range(0, len(HARMLESS), 15))
def test_neutralised(first: int, lamella: Lamella, canary: Path, tmp_path: Path, store_root: Path) -> None:
    (tmp_path / "lower.tar").write_bytes(docker_archive([lower_layer()]))
    assert lamella("load", "-i", str(tmp_path / "lower.tar")).code == 0
    with Store.open(str(store_root)) as store:
        lower = tree_of(store)
    for name in HARMLESS[first : first + 15]:
        case = CASES[name]
        raw = case.layer(str(canary))
        (tmp_path / "hostile.tar").write_bytes(docker_archive([lower_layer(), raw]))
        assert lamella("load", "-i", str(tmp_path / "hostile.tar")).code == 0, name
        explained = lamella("explain", "--format", "json", "hostile:1")
        assert (explained.code, explained.json["layers"]["total"]) == (0, 2), (name, explained.err)
        assert lamella("explain", "hostile:1").out.replace("\n", "").isprintable(), name
        proven = lamella("prove", "hostile:1", f"docker-archive:{tmp_path}/hostile.tar")
        assert (proven.code, proven.err) == (0, ""), name
        (tmp_path / "Dockerfile").write_text("FROM hostile:1\nCOPY x /etc/added/x\n")
        (tmp_path / "x").write_text("x")
        built = lamella("build", "-t", "built:1", str(tmp_path))
        assert built.code == 0, (name, built.err)
        with Store.open(str(store_root)) as store:
            assert difference(lower, tree_of(store), str(canary)) == case.tree, name
            for backend in ("overlay", "copy"):
                check_snapshots(store, backend, lower, name, str(canary))
    assert lamella("image", "verify").code == 0


def tree_of(store: Store, name: str = "hostile:1") -> dict[str, Entry]:
    image = store.images.resolve(name).image
    return dict(merged_side(image, read_contents(image, store.blobs, store), name).tree)


def check_snapshots(store: Store, backend: str, lower: dict[str, Entry], name: str, canary: str) -> None:
    """Of the built image: its last layer is unpacked over what the hostile one left."""
    case, image = CASES[name], store.images.resolve("built:1").image
    snapshotter = open_snapshotter(f"{store.root}/lamella/snapshots", backend)
    try:
        snapshot, chain, chains = None, None, []
        for layer in image.layers:
            chain = chain_id(chain, layer.diff_id)
            chains.append(chain)
            with store.blobs.open_blob(layer.blob) as stream, open_decompressed(stream) as tar:
                snapshot = snapshotter.find(chain) or snapshotter.unpack(snapshot, tar, chain, str(layer.blob.digest))
            if len(chains) == 2:
                with snapshotter.view(snapshot) as root:
                    assert difference(lower, seen(Path(root)), canary) == case.tree, (name, backend)
        with snapshotter.view(snapshot) as root:
            assert Path(root, "etc/added/x").exists() or "etc" in (case.tree or {}), name
        for chain in reversed(chains[1:]):
            snapshotter.remove(chain)
    finally:
        snapshotter.close()


def test_more_layers_than_anything_can_run(lamella: Lamella, tmp_path: Path) -> None:
    (tmp_path / "many.tar").write_bytes(docker_archive([END] * 600))
    done = lamella("load", "-i", str(tmp_path / "many.tar"))
    assert done.code == 2
    assert "600 layers" in done.err


PULLED = [
    "../ before a name", "a loop of links", "hard link to a file of a lower layer", "hard link out",
    "the attribute trusted.overlay.opaque", "cut in a file", "a file through a link out", "the root made opaque",
    "whiteout through a link out",
]  # fmt: skip


@pytest.mark.peer
@pytest.mark.root
def test_pulled(
    registry: Any,
    lamella: Lamella,
    canary: Path,
    require: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Layers are unpacked while they come: what is refused then leaves no image, no blob and no snapshot."""
    skopeo = require("skopeo")
    for number, name in enumerate(PULLED):
        case = CASES[name]
        layout = tmp_path_factory.mktemp("layout") / "image"
        oci_layout([lower_layer(), case.layer(str(canary))], layout)
        reference = f"{registry.host}/hostile/case{number}:1"
        words = [skopeo, "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:hostile", f"docker://{reference}"]
        subprocess.run(words, check=True, capture_output=True)
        done = lamella("pull", reference)
        if case.refused and done.code == 0:
            assert name in LATER
            done = lamella("explain", reference)
        assert done.code == (2 if case.refused else 0), (name, done.err)
        if case.refused:
            message = done.err.rpartition("error: ")[2]
            assert "sha256:" in message, name
            assert case.path.strip(": ") in message, (name, message)
        else:
            with Store.open(os.environ["LAMELLA_ROOT"]) as store:
                lower = merged([indexed(lower_layer())])
                assert difference(lower, tree_of(store, reference), str(canary)) == case.tree, name
    assert lamella("image", "verify").code == 0

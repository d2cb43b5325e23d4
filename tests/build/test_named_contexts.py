"""``--build-context``: folders, images of the store and of OCI layouts, in the place of images and stages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import ContextError, InputError, LamellaError, MachineError, NotFound
from lamella.oci.platform import Platform
from lamella.store.save import Saved, save_oci_layout
from lamella.store.store import Store

Builder = Any
USES = "FROM base\nCOPY --from=base f /copied\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "named"
    (found / "bin").mkdir(parents=True)
    (found / "f").write_text("f")
    (found / "left-out").write_text("x")
    (found / ".dockerignore").write_text("left-out\n")
    if os.geteuid() == 0:
        os.chown(found / "f", 5, 6)
    return found


def with_context(builder: Builder, text: str, *contexts: tuple[str, str], **options: Any) -> Any:
    return builder.build(text, named_contexts=contexts, **options)


def test_a_folder_is_a_base_as_docker_takes_it(builder: Builder, folder: Path) -> None:
    """The paths and owners are what Docker 26 makes of it."""
    result = with_context(builder, USES, ("base", str(folder)))
    tree = builder.tree(result)
    assert sorted(tree) == [".dockerignore", "bin", "copied", "f"]
    assert {(entry.uid, entry.gid) for entry in tree.values()} == {(0, 0)}
    assert result.config.config.env == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    assert len(result.config.diff_ids) == 2
    assert [entry.empty_layer for entry in result.config.history] == [False, False]
    single = with_context(builder, USES, ("base", str(folder)), layers="single")
    assert (len(single.config.diff_ids), builder.tree(single).keys()) == (1, tree.keys())
    again = with_context(builder, USES, ("base", str(folder)))
    assert again.config.diff_ids == result.config.diff_ids
    assert all(step.cached for step in again.steps)


def test_a_folder_stands_in_for_an_image_by_any_of_its_names(builder: Builder, folder: Path) -> None:
    text = "FROM docker.io/library/thing:latest\nCOPY --from=thing f /a\nCOPY --from=reg.io/x:1 f /b\n"
    result = with_context(builder, text, ("thing", str(folder)), ("reg.io/x:1", str(folder)))
    assert {"a", "b", "f"} <= set(builder.tree(result))


def test_a_folder_stands_in_for_a_stage(builder: Builder, folder: Path) -> None:
    text = "FROM nowhere AS one\nRUN never\nFROM one\nCOPY --from=one f /a\nCOPY --from=0 f /b\n"
    result = with_context(builder, text, ("one", str(folder)))
    assert {"a", "b", "f"} <= set(builder.tree(result))


@pytest.fixture
def layout(builder: Builder, tmp_path: Path) -> tuple[str, str]:
    """A layout of one image, ``app:1``, that the builder's store does not hold; its digest."""
    builder.file("inside", "i")
    with Store.open(str(tmp_path / "other")) as other:
        from lamella.build.engine import build
        from lamella.build.request import BuildRequest

        text = "FROM scratch\nCOPY inside /inside\nENV A=b\n"
        result = build(BuildRequest(str(builder.context), text, "Dockerfile", tags=("app:1",)), other)
        image = other.images.resolve("app:1").image
        save_oci_layout(other, [Saved(image, ("app:1",))], str(tmp_path / "layout"))
        return str(tmp_path / "layout"), str(result.manifest.digest)


def test_an_oci_layout(builder: Builder, layout: tuple[str, str]) -> None:
    place, digest = layout
    text = "FROM base\nCOPY --from=base inside /again\n"
    for value in (place, f"{place}:1", f"{place}:app:1", f"{place}@{digest}", f"{place}:1@{digest}"):
        result = with_context(builder, text, ("base", f"oci-layout://{value}"))
        assert sorted(builder.tree(result)) == ["again", "inside"], value
        assert result.config.config.env_map()["A"] == "b"
    assert len(builder.store.images.list()) == 1, "the base itself gets no entry"


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ("oci-layout://{layout}:2", (NotFound, "no 2, but app:1")),
        ("oci-layout://{layout}@sha256:" + "0" * 64, (NotFound, "but app:1")),
        ("oci-layout://{folder}", (InputError, "no OCI image layout")),
        ("oci-layout://{folder}/missing", (InputError, "no such folder")),
        ("docker-image://missing", (NotFound, "not in the local store")),
        ("{folder}/missing", (ContextError, "base is no folder")),
        ("{folder}/f", (ContextError, "base is no folder")),
        ("http://127.0.0.1:9/x.git", (MachineError, "cannot be reached")),
        ("http://127.0.0.1:9/x.tar", (MachineError, "cannot be reached")),
    ],
)
def test_what_cannot_be(
    builder: Builder, folder: Path, layout: tuple[str, str], value: str, refusal: tuple[type[LamellaError], str]
) -> None:
    kind, says = refusal
    value = value.format(layout=layout[0], folder=folder)
    for text, line in ((USES, 1), ("FROM scratch\n\nCOPY --from=base f /copied\n", 3)):
        with pytest.raises(kind) as caught:
            with_context(builder, text, ("base", value))
        assert says in caught.value.message
        assert caught.value.where == f"Dockerfile:{line}"


def test_a_layout_whose_blob_is_damaged_leaves_nothing(builder: Builder, layout: tuple[str, str]) -> None:
    place, _ = layout
    largest = max(Path(place, "blobs", "sha256").iterdir(), key=lambda path: path.read_bytes()[:2] == b"\x1f\x8b")
    data = bytearray(largest.read_bytes())
    data[-1] ^= 1
    largest.write_bytes(data)
    with pytest.raises(LamellaError) as caught:
        with_context(builder, "FROM base\n", ("base", f"oci-layout://{place}"))
    assert caught.value.where == "Dockerfile:1"
    assert list(builder.store.blobs) == []


def test_docker_image_stands_in_for_another(builder: Builder, folder: Path) -> None:
    with_context(builder, "FROM base\n", ("base", str(folder)), tags=("real:3",), platform=Platform("linux", "arm64"))
    text = "FROM thing\nCOPY --from=other f /again\n"
    contexts = (("thing", "docker-image://real:3"), ("other", "docker-image://real:3"))
    result = with_context(builder, text, *contexts, platform=Platform("linux", "arm64"))
    assert "again" in builder.tree(result)


def test_the_dockerfiles_own_ignore_file_is_for_the_main_context_alone(builder: Builder) -> None:
    """As in Docker 26, also where both are the same folder."""
    root = str(builder.context)
    Path(root, "a").write_text("a")
    Path(root, "Dockerfile.dockerignore").write_text("a\nDockerfile*\n")
    text = "FROM scratch\nCOPY --from=x a /x/\nCOPY . /m/\n"
    result = with_context(builder, text, ("x", root), dockerfile=f"{root}/Dockerfile")
    assert sorted(builder.tree(result)) == ["m", "x", "x/a"]

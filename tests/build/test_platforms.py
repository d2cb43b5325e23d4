"""Several platforms in one build: an index over an image each."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.build.platforms import build_platforms
from lamella.build.request import BuildRequest, BuildResult, Output
from lamella.errors import LamellaError, NotSupported
from lamella.oci import mediatype
from lamella.oci.platform import Platform

Builder = Any
PLATFORMS = (Platform("linux", "arm64"), Platform("linux", "amd64"), Platform("linux", "arm", "v7"))
TEXT = "FROM scratch AS own\nCOPY file /once\nFROM scratch\nARG TARGETARCH\nCOPY --from=own once /$TARGETARCH\n"


def build_all(builder: Builder, text: str = TEXT, **options: Any) -> BuildResult:
    builder.file("file", "x")
    request = BuildRequest(context=str(builder.context), text=text, name="Dockerfile", **options)
    return build_platforms(request, PLATFORMS, builder.store)


def test_an_index_in_the_store(builder: Builder) -> None:
    result = build_all(builder, tags=("multi:1",))
    assert result.manifest.media_type == mediatype.OCI_INDEX
    assert result.image_id == str(result.manifest.digest)
    assert [step.cached for step in result.steps] == [False, False, True, False, True, False]
    (stored,) = builder.store.images.list()
    assert (stored.names, stored.root.digest) == (("multi:1",), result.manifest.digest)
    for platform in PLATFORMS:
        one = builder.store.images.resolve("multi:1", platform).image
        assert one.config.platform == platform
        entries = [entry.path for layer in one.layers for entry in builder.store.layers.toc(layer.diff_id)]
        assert entries == [platform.architecture]
    again = build_all(builder, "FROM multi:1\n", tags=("again",))
    assert again.config.platform == PLATFORMS[0]
    assert again.config.diff_ids == builder.store.images.resolve("multi:1", PLATFORMS[0]).diff_ids


def test_a_folder_for_each(builder: Builder, tmp_path: Path) -> None:
    result = build_all(builder, outputs=(Output("local", str(tmp_path / "out")),))
    assert not result.is_image
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").glob("*/*")} == {
        "linux_arm64/arm64", "linux_amd64/amd64", "linux_arm_v7/arm",
    }  # fmt: skip
    assert builder.store.images.list() == []


@pytest.mark.peer
def test_an_archive_that_skopeo_picks_from(builder: Builder, tmp_path: Path, require: Callable[[str], str]) -> None:
    archive = tmp_path / "multi.tar"
    build_all(builder, outputs=(Output("oci", str(archive), names=("multi:1",)),))
    assert builder.store.images.list() == []
    for arch in ("arm64", "amd64"):
        words = [require("skopeo"), "--override-arch", arch, "inspect", f"oci-archive:{archive}:multi:1"]
        done = subprocess.run(words, capture_output=True, check=True)
        assert json.loads(done.stdout)["Architecture"] == arch


def test_the_archive_is_whole(builder: Builder) -> None:
    sink = io.BytesIO()
    result = build_all(builder, outputs=(Output("oci", stream=sink),))
    with tarfile.open(fileobj=io.BytesIO(sink.getvalue())) as tar:
        blobs = {name.rpartition("/")[2] for name in tar.getnames() if name.startswith("blobs/")}
        index = json.load(tar.extractfile(f"blobs/sha256/{result.manifest.digest.encoded}"))  # type: ignore[arg-type]
        for entry in index["manifests"]:
            manifest = json.load(tar.extractfile("blobs/" + entry["digest"].replace(":", "/")))  # type: ignore[arg-type]
            named = [manifest["config"], *manifest["layers"], entry]
            assert {blob["digest"].partition(":")[2] for blob in named} <= blobs


def test_what_takes_one_platform_is_refused_before_anything_is_built(builder: Builder, tmp_path: Path) -> None:
    for output in (Output("tar", "x"), Output("docker", "x"), Output("oci", "x", tar=False)):
        with pytest.raises(NotSupported):
            build_all(builder, outputs=(output,))
    assert list(builder.store.blobs) == []


def test_one_that_fails_names_nothing(builder: Builder) -> None:
    text = "FROM scratch AS arm64\nFROM scratch AS amd64\nCOPY missing /\nFROM scratch AS arm\nFROM ${TARGETARCH}\n"
    with pytest.raises(LamellaError):
        build_all(builder, text, tags=("multi:1",))
    assert builder.store.images.list() == []

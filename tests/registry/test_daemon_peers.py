"""A real Docker gives and takes images; skopeo reads what ``save`` writes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import NotFound
from lamella.registry.homes import find_home, write_image
from lamella.registry.locate import open_image, open_images
from lamella.store.mirror import StoredImage
from lamella.store.store import Store

AddImage = Callable[..., StoredImage]
pytestmark = pytest.mark.peer


def _save(store: Store, home: str, *texts: str) -> None:
    found = find_home(home)
    assert found is not None
    with open_images(texts, store) as images:
        write_image(store, images, found)


@pytest.mark.root
@pytest.mark.xdist_group("dockerd")
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_docker_gives_and_takes(
    store: Store, add_image: AddImage, dockerd: Any, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    name = f"lamella-test/daemon-{compression}:1"
    image = add_image(name, {"a": b"1" * 200_000}, {"b": b"2", "a": None}, compression=compression)
    _save(store, "docker-daemon:", name)
    assert json.loads(dockerd("image", "inspect", name))[0]["Id"] == image.image_id
    for text in (name, image.image_id, image.image_id.encoded[:12]):
        with open_image(f"docker-daemon:{text}", store) as found:
            assert found.image.config.image_id == image.image_id
            assert found.names == ((name,) if text == name else ())
            for layer in found.image.layers:
                with found.blobs.open_blob(layer.blob) as stream:
                    stream.read()
    _save(store, "docker-daemon:lamella-test/other:2", f"docker-daemon:{name}")
    assert json.loads(dockerd("image", "inspect", "lamella-test/other:2"))[0]["Id"] == image.image_id
    with pytest.raises(NotFound, match="no such image"):
        open_image("docker-daemon:lamella-test/nothing", store)


def test_skopeo_reads_every_home(
    store: Store, add_image: AddImage, tmp_path: Path, require: Callable[[str], str]
) -> None:
    skopeo = require("skopeo")
    image = add_image("app:1", {"a": b"1"}, {"b": b"2"})
    add_image("other:1", {"c": b"3"})
    for home in (
        f"oci:{tmp_path}/layout:app:1",
        f"oci:{tmp_path}/layout:1.2",
        f"oci-archive:{tmp_path}/oci.tar",
        f"oci-archive:{tmp_path}/named.tar:V2",
        f"docker-archive:{tmp_path}/docker.tar",
        f"docker-archive:{tmp_path}/renamed.tar:else/where:7",
    ):
        _save(store, home, "app:1")
        done = subprocess.run([skopeo, "inspect", "--config", "--raw", home], capture_output=True, check=False)
        assert done.returncode == 0, (home, done.stderr)
        assert done.stdout == image.image.config.raw, home
    _save(store, f"oci-archive:{tmp_path}/two.tar", "app:1", "other:1")
    done = subprocess.run([skopeo, "inspect", f"oci-archive:{tmp_path}/two.tar:app:1"], capture_output=True, check=True)
    assert json.loads(done.stdout)["Digest"] == image.descriptor.digest

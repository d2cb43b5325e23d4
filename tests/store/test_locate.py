"""Every form of an IMAGE argument."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.errors import InputError, LamellaError, NotFound, NotSupported
from lamella.store.locate import open_image
from lamella.store.mirror import StoredImage
from lamella.store.save import chosen, save_docker_archive, save_oci_archive, save_oci_layout
from lamella.store.store import Store

AddImage = Callable[..., StoredImage]


@pytest.fixture
def elsewhere(store: Store, add_image: AddImage, tmp_path: Path) -> Path:
    """Archives and a layout of ``app:1`` and ``app:2``, and one of ``app:1`` alone."""
    add_image("app:1", {"a": b"1"})
    add_image("app:2", {"a": b"2"})
    for name, names in (("one", ["app:1"]), ("two", ["app:1", "app:2"])):
        images = chosen(store, names)
        with (tmp_path / f"{name}.docker.tar").open("wb") as sink:
            save_docker_archive(store, images, sink)
        with (tmp_path / f"{name}.oci.tar").open("wb") as sink:
            save_oci_archive(store, images, sink)
        save_oci_layout(store, images, str(tmp_path / f"{name}:dir"))
    (tmp_path / "one.tgz").write_bytes(gzip.compress((tmp_path / "one.docker.tar").read_bytes()))
    return tmp_path


FORMS = [
    "oci:{}/one:dir", "oci:{}/two:dir:app:1", "oci-archive:{}/one.oci.tar", "oci-archive:{}/two.oci.tar:app:1",
    "docker-archive:{}/one.docker.tar", "docker-archive:{}/two.docker.tar:app:1", "{}/one.docker.tar", "{}/one.oci.tar",
    "{}/one.tgz", "docker-archive:{}/one.tgz",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form(store: Store, elsewhere: Path, form: str, tmp_path: Path) -> None:
    wanted = store.images.resolve("app:1")
    with Store.open(str(tmp_path / "empty")) as empty, open_image(form.format(elsewhere), empty) as located:
        assert located.names == ("app:1",)
        assert located.image.config.image_id == wanted.image_id
        (ref,) = located.image.layers
        with located.blobs.open_blob(ref.blob) as stream, store.blobs.open_blob(wanted.image.layers[0].blob) as same:
            assert stream.read() == same.read()
        assert located.blobs.read_blob(located.image.manifest.config) == wanted.image.config.raw
        assert list(empty.blobs) == []


def test_local_names_and_ids(store: Store, elsewhere: Path) -> None:
    wanted = store.images.resolve("app:2")
    for text in ("app:2", wanted.image_id.short, f"app@{wanted.descriptor.digest}"):
        with open_image(text, store) as located:
            assert located.image.config.image_id == wanted.image_id
            assert located.label == text


@pytest.mark.parametrize(
    ("form", "error", "says"),
    [
        ("docker://alpine", NotSupported, "registry"),
        ("docker-daemon:alpine", NotSupported, "daemon"),
        ("oci:{}/two:dir", InputError, "2 images: app:1, app:2"),
        ("oci:{}/two:dir:app:9", NotFound, "app:9"),
        ("oci:{}/absent", InputError, "no such folder"),
        ("oci:{}", LamellaError, "no OCI image layout"),
        ("oci-archive:{}/absent.tar", InputError, "cannot be opened"),
        ("docker-archive:{}/two.docker.tar", InputError, "2 images"),
        ("{}/absent.tar", InputError, "absent.tar"),
        ("absent", NotFound, "absent"),
    ],
)
def test_errors(store: Store, elsewhere: Path, form: str, error: type[LamellaError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        open_image(form.format(elsewhere), store)
    assert caught.value.exit_code == 2


def test_path_given_as_a_name(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "oci-layout").write_text("{}")
    (tmp_path / "archive").write_bytes(b"")
    with pytest.raises(NotFound) as caught:
        open_image("layout", store)
    assert "oci:layout" in (caught.value.hint or "")
    with pytest.raises(NotFound) as caught:
        open_image("archive", store)
    assert "docker-archive:archive" in (caught.value.hint or "")

"""Images of a daemon: which one is asked, what it is asked for, and what its answers become."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fakedaemon import FakeDaemon

from lamella.errors import ImageInvalid, InputError, LamellaError, MachineError, NotFound, NotSupported, UsageError
from lamella.registry.daemon import load_images, open_daemon_image
from lamella.registry.locate import open_images
from lamella.registry.socket import find_daemon
from lamella.store.load import load_archive, put_image
from lamella.store.mirror import StoredImage
from lamella.store.save import chosen, save_docker_archive
from lamella.store.store import Store
from lamella.store.verify import verify

AddImage = Callable[..., StoredImage]


@pytest.fixture
def archive(store: Store, add_image: AddImage) -> bytes:
    """``docker save`` of ``app:1``, whose blobs fill some chunks."""
    add_image("app:1", {"a": os.urandom(300_000)}, {"b": b"2"})
    sink = io.BytesIO()
    save_docker_archive(store, chosen(store, ["app:1"]), sink)
    return sink.getvalue()


def test_an_image_is_read_through_a_nameless_file(
    store: Store, archive: bytes, fake_daemon: FakeDaemon, leftovers: Callable[[], list[str]], tmp_path: Path
) -> None:
    fake_daemon.images["app:1"] = archive
    with open_daemon_image("app:1", store) as found:
        assert found.names == ("app:1",)
        assert found.image.config.image_id == store.images.resolve("app:1").image_id
        assert leftovers() == []
        with Store.open(str(tmp_path / "other")) as other:
            put_image(other, found.blobs, found.image, found.names)
            assert verify(other).ok


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("app", ["app:latest"]),
        ("localhost:5000/team/app:2", ["localhost:5000/team/app:2"]),
        ("docker.io/library/app:1", ["app:1"]),
        ("cafe", ["cafe:latest", "cafe"]),
        ("sha256:" + "c" * 64, ["sha256:" + "c" * 64]),
    ],
)
def test_what_is_asked_for(store: Store, fake_daemon: FakeDaemon, name: str, asks: list[str]) -> None:
    with pytest.raises(NotFound, match="no such image") as caught:
        open_daemon_image(name, store)
    assert fake_daemon.asked == [f"/images/{each}/get" for each in asks]
    assert caught.value.detail == "gone"


@pytest.mark.parametrize("name", ["../../version", "app/../../x", "a?b=c", "a b", "", "a#b", "x:y/../z"])
def test_no_name_leads_to_another_path(store: Store, fake_daemon: FakeDaemon, name: str) -> None:
    with pytest.raises(InputError):
        open_daemon_image(name, store)
    assert fake_daemon.asked == []


def test_a_name_with_an_id_is_the_id(store: Store, archive: bytes, fake_daemon: FakeDaemon) -> None:
    fake_daemon.images["cafe"] = archive
    with open_daemon_image("cafe", store) as found:
        assert found.names == ("app:1",)


@pytest.mark.parametrize("cut", [0, 100, 5_000, 200_000])
def test_a_cut_answer_is_one_error(
    store: Store, archive: bytes, fake_daemon: FakeDaemon, leftovers: Callable[[], list[str]], cut: int
) -> None:
    fake_daemon.images["app:1"], fake_daemon.cut = archive, cut
    with pytest.raises(LamellaError) as caught:
        open_daemon_image("app:1", store)
    assert isinstance(caught.value, MachineError | ImageInvalid)
    assert leftovers() == []


def test_what_the_daemon_says_reaches_no_terminal(store: Store, fake_daemon: FakeDaemon) -> None:
    fake_daemon.status, fake_daemon.complaint = 500, "\x1b[2Jdisk\nfull" + "x" * 5000
    with pytest.raises(MachineError, match=r"fails:  ?\[2Jdisk full") as caught:
        open_daemon_image("app:1", store)
    assert len(str(caught.value)) < 600
    fake_daemon.status = 403
    with pytest.raises(InputError, match="refuses"):
        open_daemon_image("app:1", store)


def test_images_are_given_to_it(
    store: Store, archive: bytes, add_image: AddImage, fake_daemon: FakeDaemon, tmp_path: Path
) -> None:
    add_image("app:2", {"c": b"3"}, compression="zstd")
    with open_images(["app:1", "app:2"], store) as images:
        load_images(store, images)
    (body,) = fake_daemon.loaded
    with Store.open(str(tmp_path / "other")) as other:
        found = load_archive(other, "-", io.BytesIO(body))
        assert [image.names for image in found] == [("app:1",), ("app:2",)]
        assert found[0].image_id == store.images.resolve("app:1").image_id


@pytest.mark.parametrize("status", [200, 400, 500])
def test_it_may_refuse_them(store: Store, archive: bytes, fake_daemon: FakeDaemon, status: int) -> None:
    fake_daemon.status, fake_daemon.complaint = status, "no space\x1b left"
    with open_images(["app:1"], store) as images, pytest.raises(LamellaError, match=r"no space  ?left"):
        load_images(store, images)


def test_a_damaged_blob_is_told_and_not_sent_as_whole(
    store: Store, archive: bytes, fake_daemon: FakeDaemon, leftovers: Callable[[], list[str]]
) -> None:
    layer = store.images.resolve("app:1").image.layers[0].blob
    path = Path(store.blobs.path_of(layer.digest))
    path.write_bytes(bytes(layer.size))
    with open_images(["app:1"], store) as images, pytest.raises(LamellaError, match=r"does not match its digest"):
        load_images(store, images)
    assert fake_daemon.loaded == []


def test_which_daemon(tmp_path: Path) -> None:
    assert find_daemon({"DOCKER_HOST": "unix:///a/b.sock"}).path == "/a/b.sock"
    assert find_daemon({"CONTAINER_HOST": "unix:///p.sock", "DOCKER_CONFIG": str(tmp_path)}).path == "/p.sock"
    assert find_daemon({"DOCKER_HOST": "tcp://127.0.0.1:2376"})[1:] == ("", "127.0.0.1", 2376)
    assert find_daemon({"DOCKER_HOST": "tcp://localhost"})[1:] == ("", "localhost", 2375)
    assert find_daemon({"DOCKER_HOST": "tcp://[::1]:99"})[1:] == ("", "::1", 99)
    contexts = tmp_path / "contexts" / "meta" / hashlib.sha256(b"mine").hexdigest()
    contexts.mkdir(parents=True)
    (contexts / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "unix:///c.sock"}}}))
    assert find_daemon({"DOCKER_CONTEXT": "mine", "DOCKER_CONFIG": str(tmp_path)}).path == "/c.sock"
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "mine"}))
    assert find_daemon({"DOCKER_CONFIG": str(tmp_path)}).path == "/c.sock"
    runtime = tmp_path / "run"
    runtime.mkdir()
    (runtime / "docker.sock").touch()
    (tmp_path / "config.json").write_text("{")
    if not os.path.exists("/var/run/docker.sock"):
        found = find_daemon({"XDG_RUNTIME_DIR": str(runtime), "DOCKER_CONFIG": str(tmp_path)})
        assert found.path == f"{runtime}/docker.sock"


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("ssh://me@host", NotSupported),
        ("tcp://192.0.2.1:2375", NotSupported),
        ("tcp://127.0.0.1.example:2375", NotSupported),
        ("tcp://127.0.0.1:99999", NotSupported),
        ("npipe:////./pipe/docker", UsageError),
        ("unix://relative", UsageError),
        ("nonsense", UsageError),
    ],
)
def test_addresses_that_are_not_asked(address: str, error: type[LamellaError]) -> None:
    with pytest.raises(error, match="DOCKER_HOST"):
        find_daemon({"DOCKER_HOST": address})


def test_nobody_there(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(MachineError, match="no daemon answers") as caught:
        open_daemon_image("app", store)
    assert caught.value.exit_code == 3
    (tmp_path / "file").touch()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/file")
    with pytest.raises(MachineError, match="no daemon answers"):
        open_daemon_image("app", store)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(MachineError, match="no daemon answers"):
        open_daemon_image("app", store)

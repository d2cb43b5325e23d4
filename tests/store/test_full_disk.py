"""A full disk: one clear error, nothing half-written, and the store is whole."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamella.cli.main import main
from lamella.errors import NoSpace
from lamella.store.cache import CacheRecord
from lamella.store.collect import prune, remove_image
from lamella.store.mirror import StoredImage
from lamella.store.rootfs import import_rootfs
from lamella.store.save import chosen, save_docker_archive
from lamella.store.store import Store
from lamella.store.verify import verify

pytestmark = pytest.mark.root


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """An ext4 of 8 MB."""
    disk, mount = tmp_path / "disk", tmp_path / "small"
    with disk.open("wb") as file:
        file.truncate(8 << 20)
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", disk], check=True)
    if subprocess.run(["mount", "-o", "loop", disk, mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("no loop device can be mounted here")
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)


@pytest.fixture
def tight(small: Path, add_image: Callable[..., StoredImage]) -> Iterator[Store]:
    """A store on it that holds an image."""
    with Store.open(str(small / "store")) as store:
        add_image("app", {"a": os.urandom(500_000)}, to=store)
        yield store


def fill(path: Path) -> None:
    """To the last byte."""
    with (path / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_writing_a_blob(tight: Store, small: Path) -> None:
    before = set(tight.blobs)
    with pytest.raises(NoSpace) as caught, tight.blobs.writer() as writer:
        while True:
            writer.write(os.urandom(1 << 20))
    assert caught.value.exit_code == 3
    assert "prune" in (caught.value.hint or "")
    assert set(tight.blobs) == before
    assert os.listdir(small / "store" / "lamella" / "tmp") == []
    assert verify(tight).ok


def test_importing(tight: Store, tmp_path: Path, make_tar: Callable[..., bytes]) -> None:
    path = tmp_path / "big.tar"
    path.write_bytes(make_tar({"big": os.urandom(9_000_000)}))
    with pytest.raises(NoSpace):
        import_rootfs(tight, str(path), "big")
    assert [image.names for image in tight.images.list()] == [("app:latest",)]
    assert verify(tight).ok


def test_not_a_byte_left(
    tight: Store, small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names and cache records cannot be written then; reading, and making room, can be done."""
    image = tight.images.resolve("app")
    fill(small)
    with pytest.raises(NoSpace):
        for number in range(10_000):
            tight.images.tag(f"app:{number}", image)
    with pytest.raises(NoSpace):
        for number in range(100_000):
            tight.cache.put(CacheRecord(f"k{number}", None, "", 0, 0.0, 0, definition=b"x" * 4000))
    assert tight.images.resolve("app").image_id == image.image_id
    monkeypatch.setenv("LAMELLA_ROOT", tight.root)
    assert main(["save", "-o", str(small / "app.tar"), "app"]) == 3
    assert capsys.readouterr().err.startswith(f"error: {small / 'app.tar'}")
    assert sorted(os.listdir(small)) == ["filler", "lost+found", "store"]
    assert [found.image_id for found in tight.images.list()] == [image.image_id]
    assert verify(tight).ok


@pytest.mark.parametrize("command", ["rm", "prune"])
def test_there_is_a_way_out(tight: Store, small: Path, command: str) -> None:
    """In a process of its own, which has to open everything first."""
    tight.close()
    fill(small)
    with Store.open(tight.root) as store:
        (image,) = [store.images.measure(each) for each in store.images.list()]
        assert (image.names, image.size) == (("app:latest",), 500_000)
        if command == "rm":
            assert remove_image(store, "app").images == (image.image_id,)
        else:
            assert prune(store, all=True, build_cache=True).images == (image.image_id,)
        assert list(store.blobs) == []
        assert store.blobs.put(bytes(200_000))
        assert verify(store).ok
    os.unlink(small / "filler")
    with Store.open(tight.root) as store, store.removing():
        pass
    assert (small / "store" / "lamella" / "reserve").stat().st_size == 1 << 20


def test_saving_to_a_full_device(tight: Store) -> None:
    with pytest.raises(NoSpace) as caught, io.FileIO("/dev/full", "w") as sink:
        save_docker_archive(tight, chosen(tight, ["app"]), sink)  # type: ignore[arg-type]
    assert caught.value.where == "/dev/full"

"""The SQLite file: made anew whenever it is not what it should be, without losing an image."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.errors import InputError, MachineError
from lamella.store.cache import CacheRecord
from lamella.store.mirror import StoredImage
from lamella.store.store import Store

AddImage = Callable[..., StoredImage]


@pytest.mark.parametrize("damage", ["garbage", "zeros in the middle", "empty", "gone", "other version", "cut"])
def test_damaged_index_is_made_anew(root: Path, store: Store, add_image: AddImage, damage: str) -> None:
    image = add_image("app", {"a": b"123"})
    store.cache.put(CacheRecord("k", None, "", 0, 0.0, 0))
    store.close()
    path = root / "lamella" / "index.sqlite"
    data = bytearray(path.read_bytes())
    match damage:
        case "garbage":
            path.write_bytes(os.urandom(20_000))
        case "zeros in the middle":
            data[4096 : len(data)] = bytes(len(data) - 4096)
            path.write_bytes(data)
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "cut":
            path.write_bytes(data[:4096])
        case "other version":
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA user_version=4711")
            connection.close()
    with Store.open(str(root)) as again:
        found = again.images.resolve("app")
        assert (found.image_id, found.size, found.names) == (image.image_id, 3, ("app:latest",))
        assert again.cache.get("k") is None
        again.cache.put(CacheRecord("k", None, "", 0, 0.0, 0))
        assert again.cache.get("k") is not None


def test_damage_while_it_is_open(root: Path, store: Store, add_image: AddImage) -> None:
    image = add_image("app", {"a": b"123"})
    store.database.change("PRAGMA wal_checkpoint(TRUNCATE)")
    store.database.change("PRAGMA cache_size=0")
    path = root / "lamella" / "index.sqlite"
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    assert store.images.resolve("app").image_id == image.image_id


def test_reset_keeps_names(store: Store, add_image: AddImage) -> None:
    add_image("app", {"a": b"123"})
    store.database.reset()
    assert [image.names for image in store.images.list()] == [("app:latest",)]


def test_failed_transaction_changes_nothing(store: Store) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        raise ValueError

    with pytest.raises(ValueError):
        store.database.write(work)
    assert store.database.query("SELECT count(*) FROM meta WHERE key = 'a'") == [(0,)]


OPENING = """
import sys
from lamella.store.cache import CacheRecord
from lamella.store.store import Store
with Store.open(sys.argv[1]) as store:
    for number in range(30):
        store.cache.put(CacheRecord(f"{sys.argv[2]}{number}", None, "", 0, 0.0, 0))
"""


def test_many_processes_make_one_store(root: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", OPENING, str(root), name]) for name in "abcd"]
    assert [child.wait() for child in children] == [0] * 4
    with Store.open(str(root)) as store:
        assert store.cache.stats().records == 120


def test_threads_share_a_store(store: Store, add_image: AddImage) -> None:
    from concurrent.futures import ThreadPoolExecutor

    image = add_image("app", {"a": b"1"})

    def work(number: int) -> int:
        store.blobs.put(b"%d" % number)
        store.cache.put(CacheRecord(str(number), None, "", 0, 0.0, 0))
        store.images.tag(f"app:{number}", image)
        return len(store.images.resolve(f"app:{number}").names)

    with ThreadPoolExecutor(8) as pool:
        assert min(pool.map(work, range(40))) >= 2
    assert len(store.images.resolve("app").names) == 41


def test_something_else_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("x")
    with pytest.raises(InputError, match="holds other things"):
        Store.open(str(tmp_path))
    with pytest.raises(InputError, match="no store here"):
        Store.open(str(tmp_path / "nothing"), create=False)
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "oci-layout").write_text('{"imageLayoutVersion": "2.0"}')
    with pytest.raises(InputError, match="layout"):
        Store.open(str(tmp_path / "layout"))


@pytest.mark.containers
def test_store_on_a_read_only_mount(root: Path, store: Store, add_image: AddImage) -> None:
    add_image("app", {"a": b"123"})
    store.close()
    subprocess.run(["mount", "--bind", root, root], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
        with Store.open(str(root)) as readable:
            image = readable.images.resolve("app")
            assert image.size == 3
            assert next(readable.layers.toc(image.diff_ids[0])).path == "a"
            with pytest.raises(MachineError) as caught:
                readable.images.tag("other", image)
            assert caught.value.code == "no-permission"
            assert "--root" in (caught.value.hint or "")
    finally:
        subprocess.run(["umount", root], check=True)


def test_opening_is_cheap(root: Path, store: Store) -> None:
    import time

    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        Store.open(str(root)).close()
        best = min(best, time.perf_counter() - start)
    assert best < 0.003

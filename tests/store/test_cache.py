"""The build cache, and the cache of file digests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from lamella.layer.packed import PackedLayer
from lamella.oci.digest import chain_id
from lamella.store.cache import CacheRecord
from lamella.store.digests import GRAIN_NS
from lamella.store.store import Store

AddLayer = Callable[..., PackedLayer]


def record(key: str, packed: PackedLayer | None, **fields: object) -> CacheRecord:
    made = CacheRecord(key, packed.ref if packed else None, "", 5, 0.25, 7, b"RUN x", "c" * 64, key[:1])
    return made._replace(**fields)  # type: ignore[arg-type]


def test_what_was_put_comes_back_in_another_process(store: Store, add_layer: AddLayer, root: Path) -> None:
    packed = add_layer({"a": b"1"})
    put = record("k1", packed)
    store.cache.put(put)
    store.cache.put(record("n1", None, definition="WORKDIR /"))
    with Store.open(str(root)) as other:
        assert other.cache.get("k1") == put
        assert other.cache.get("n1") == record("n1", None, definition="WORKDIR /")
        assert other.cache.get("k2") is None


def test_record_without_its_blob_is_absent(store: Store, add_layer: AddLayer) -> None:
    packed = add_layer({"a": b"1"})
    store.cache.put(record("k", packed))
    path = Path(store.blobs.path_of(packed.blob.digest))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])  # cut by a power loss
    assert store.cache.get("k") is None
    path.unlink()
    assert store.cache.get("k") is None
    path.write_bytes(whole)
    assert store.cache.get("k") is not None


def test_put_replaces(store: Store) -> None:
    store.cache.put(record("k", None, seconds=1.0))
    store.cache.put(record("k", None, seconds=2.0))
    found = store.cache.get("k")
    assert found is not None
    assert found.seconds == 2.0
    assert store.cache.stats().records == 1


def test_definitions(store: Store) -> None:
    store.cache.put(record("a1", None, created=1, contents="x"))
    store.cache.put(record("a2", None, created=2, contents="y"))
    assert store.cache.has_definition("a")
    assert not store.cache.has_definition("b")


def test_a_record_without_its_blob_can_be_looked_up(store: Store, add_layer: AddLayer) -> None:
    packed = add_layer({"a": b"1"})
    put = record("k", packed)
    store.cache.put(put, lines=b"what it read")
    Path(store.blobs.path_of(packed.blob.digest)).unlink()
    assert store.cache.lookup("k") == put
    assert store.cache.lines_of(put.contents) == b"what it read"
    assert store.cache.drop_missing() == 1
    assert (store.cache.lookup("k"), store.cache.lines_of(put.contents)) == (None, b"")


def test_stats_chains_and_deletion(store: Store, add_layer: AddLayer) -> None:
    one, two = add_layer({"a": b"1"}), add_layer({"a": b"2"})
    parent = chain_id(None, one.diff_id)
    store.cache.put(record("k1", one))
    store.cache.put(record("k2", two, parent_chain=str(parent)))
    store.cache.put(record("k3", two, parent_chain=str(parent)))
    assert store.cache.stats() == (3, one.blob.size + two.blob.size)
    assert store.cache.diff_ids() == {one.diff_id, two.diff_id}
    assert store.cache.chains() == {parent, chain_id(parent, two.diff_id)}
    assert store.cache.delete(["k1", "k9"]) == 1
    store.blobs.remove(two.blob.digest)
    assert store.cache.drop_missing() == 2
    assert store.cache.clear() == 0


def test_last_use_is_noted_lazily(store: Store, root: Path) -> None:
    old = time.time_ns() - 10 * 3_600_000_000_000
    store.cache.put(record("used", None))
    store.cache.put(record("unused", None))
    store.database.change("UPDATE cache SET last_used = ?", (old,))
    assert store.cache.get("used") is not None
    assert store.database.query("SELECT last_used FROM cache WHERE key = 'used'") == [(old,)]
    store.close()
    with Store.open(str(root)) as again:
        assert again.cache.unused_since(old + 1) == ["unused"]


def stamp(path: Path) -> tuple[int, int, int, int, str]:
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, "d" * 64)


def test_file_digests(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    long_ago = time.time_ns() + 10**9
    names = {"file": stamp(path), os.fsdecode(b"caf\xe9"): stamp(path), "dir/ü": stamp(path)}
    store.digests.save_many("/context", names, hashed_at=long_ago)
    assert store.digests.lookup_directory("/context") == names
    assert store.digests.lookup_directory("/other") == {}
    store.digests.save_many("/context", {}, hashed_at=long_ago)
    assert store.digests.lookup_directory("/context") == {}


def test_digests_of_files_changed_just_now_are_distrusted(store: Store, tmp_path: Path) -> None:
    """Within the grain of file times a further change would not show."""
    path = tmp_path / "file"
    path.write_text("x")
    now = stamp(path)
    for hashed_at, trusted in ((now[2] + GRAIN_NS + 1, True), (now[2] + GRAIN_NS - 1, False), (now[2] - 5, False)):
        store.digests.save_many("/context", {"file": now}, hashed_at=hashed_at)
        assert ("file" in store.digests.lookup_directory("/context")) is trusted


def test_garbage_in_the_digest_rows_is_no_matter(store: Store) -> None:
    store.digests.save_many("/context", {"f": (1, 2, 3, 4, "d" * 64)})
    for garbage in (b"", b"garbage", store.database.query("SELECT rows FROM digests")[0][0][:-3]):
        store.database.change("UPDATE digests SET rows = ?", (garbage,))
        assert store.digests.lookup_directory("/context") == {}


def test_only_so_many_contexts_are_remembered(store: Store) -> None:
    for number in range(80):
        store.digests.save_many(f"/{number}", {"f": (1, 2, 3, 4, "d" * 64)})
    assert store.database.query("SELECT count(*) FROM digests") == [(64,)]
    assert store.digests.lookup_directory("/79") != {}


def test_twenty_thousand_digests_load_quickly(store: Store) -> None:
    files = {f"src/dir{n % 100}/file{n}.py": (n, n * 10**9, n * 10**9, n, f"{n:064x}") for n in range(20_000)}
    store.digests.save_many("/context", files)
    best = min(_seconds(lambda: store.digests.lookup_directory("/context")) for _ in range(3))
    assert len(store.digests.lookup_directory("/context")) == 20_000
    assert best < 0.2  # 0.03 on an idle machine


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

"""Blobs: whole or not there, and verified whenever they are read."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.errors import ImageInvalid, MachineError, NotFound, StoreDamaged
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.store.store import Store
from lamella.store.verified import VerifiedReader


def described(data: bytes) -> Descriptor:
    return Descriptor("", Digest.of(data), len(data))


def test_put_and_read(store: Store) -> None:
    data = os.urandom(3_000_000)
    digest = store.blobs.put(data)
    assert digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert store.blobs.read_blob(described(data)) == data
    assert store.blobs.has(digest)
    assert store.blobs.size(digest) == len(data)
    assert list(store.blobs) == [digest]
    assert Path(store.blobs.path_of(digest)).stat().st_mode & 0o777 == 0o644


def test_put_twice_keeps_one(store: Store) -> None:
    first = store.blobs.put(b"x")
    inode = Path(store.blobs.path_of(first)).stat().st_ino
    assert store.blobs.put(b"x") == first
    assert Path(store.blobs.path_of(first)).stat().st_ino == inode


def test_put_replaces_a_short_one(store: Store) -> None:
    """What a power loss may have left."""
    digest = store.blobs.put(b"whole")
    Path(store.blobs.path_of(digest)).write_bytes(b"")
    store.blobs.put(b"whole")
    assert store.blobs.read_blob(described(b"whole")) == b"whole"


def test_writer_checks_what_was_announced(store: Store, leftovers: Callable[[], list[str]]) -> None:
    for digest, size in ((Digest.of(b"other"), None), (None, 5), (Digest.of(b"data"), 3)):
        with store.blobs.writer() as writer, pytest.raises(ImageInvalid):
            writer.write(b"data")
            writer.commit(digest, size)
    assert list(store.blobs) == []
    assert leftovers() == []


def test_writer_without_commit_leaves_nothing(store: Store, leftovers: Callable[[], list[str]]) -> None:
    def fail() -> None:
        with store.blobs.writer() as writer:
            writer.write(b"data")
            assert leftovers() != []
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert leftovers() == []


def test_trusted_digest_is_not_computed_again(store: Store) -> None:
    with store.blobs.writer(hashing=False) as writer:
        writer.write(b"da")
        writer.write(memoryview(b"ta"))
        assert writer.commit(trusted=Digest.of(b"data")) == Digest.of(b"data")


def test_without_hashing_and_trust_the_file_is_read(store: Store) -> None:
    with store.blobs.writer(hashing=False) as writer:
        writer.write(b"data")
        assert writer.commit() == Digest.of(b"data")


def test_sha512_blobs(store: Store) -> None:
    digest = Digest("sha512:" + hashlib.sha512(b"data").hexdigest())
    with store.blobs.writer() as writer:
        writer.write(b"data")
        assert writer.commit(digest) == digest
    assert store.blobs.read_blob(Descriptor("", digest, 4)) == b"data"


@pytest.mark.parametrize(
    ("stored", "says"), [(b"dataX", "more than"), (b"dat", "3 bytes"), (b"dbta", "does not match"), (b"", "0 bytes")]
)
def test_damage_is_seen_by_the_reader(store: Store, stored: bytes, says: str) -> None:
    digest = store.blobs.put(b"data")
    Path(store.blobs.path_of(digest)).write_bytes(stored)
    with pytest.raises(StoreDamaged, match=says) as caught:
        store.blobs.read_blob(described(b"data"))
    assert caught.value.where == digest
    assert caught.value.hint is not None
    assert "verify" in caught.value.hint


def test_missing_blob(store: Store) -> None:
    with pytest.raises(NotFound) as caught:
        store.blobs.open_blob(described(b"nothing"))
    assert caught.value.where == Digest.of(b"nothing")


def test_huge_manifest_is_refused(store: Store) -> None:
    with pytest.raises(ImageInvalid, match="too large"):
        store.blobs.read_blob(Descriptor("application/json", Digest.of(b""), 1 << 30))


@given(data=st.binary(max_size=3000), reads=st.lists(st.integers(1, 1000), max_size=10))
@settings(deadline=None)
def test_verified_reader_passes_everything_on(data: bytes, reads: list[int]) -> None:
    raw = VerifiedReader(io.BytesIO(data), described(data), StoreDamaged)  # type: ignore[arg-type]
    got = b"".join(raw.read(count) or b"" for count in reads)
    assert got + raw.readall() == data


@given(data=st.binary(min_size=1, max_size=300), position=st.integers(0, 299), bit=st.integers(0, 7))
def test_any_flipped_bit_is_seen(data: bytes, position: int, bit: int) -> None:
    flipped = bytearray(data)
    flipped[position % len(data)] ^= 1 << bit
    with pytest.raises(StoreDamaged):
        VerifiedReader(io.BytesIO(flipped), described(data), StoreDamaged).readall()  # type: ignore[arg-type]


def test_foreign_files_among_blobs_are_passed_over(store: Store, root: Path) -> None:
    store.blobs.put(b"x")
    (root / "blobs" / "sha256" / "README").write_text("hello")
    (root / "blobs" / "notes.txt").write_text("hello")
    assert list(store.blobs) == [Digest.of(b"x")]


KILLED = """
import sys, os
from lamella.store.store import Store
store = Store.open(sys.argv[1])
with store.blobs.writer() as writer:
    writer.write(b"x" * 100_000)
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_killed_writer_leaves_no_blob_and_its_file_is_swept(root: Path, leftovers: Callable[[], list[str]]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        with Store.open(str(root)) as store:
            store.blobs.put(b"living")  # takes a lease, which sweeps; the other's file stays, for it lives
            assert len(leftovers()) == 1
            child.send_signal(signal.SIGKILL)
            child.wait()
        with Store.open(str(root)) as store:
            store.blobs.put(b"after")
            assert leftovers() == []
            assert set(store.blobs) == {Digest.of(b"living"), Digest.of(b"after")}


@pytest.mark.containers
def test_no_permission_is_said(tmp_path: Path) -> None:
    """Root may write anywhere but on what cannot be written at all."""
    with pytest.raises(MachineError) as caught:
        Store.open("/proc/lamella-test")
    assert caught.value.exit_code == 3
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError):
        Store.open(str(tmp_path / "file" / "below"))

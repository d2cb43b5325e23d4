"""Real root file systems, read in full, with Python's tarfile as judge."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, Entry
from lamella.filetree.tree import merge_layers
from lamella.layer.changes import walk_tree
from lamella.layer.compression import open_decompressed
from lamella.layer.index import index_layer
from lamella.layer.pack import pack_layer
from lamella.layer.read import read_entries
from lamella.layer.unpack import unpack_layer

BASES = ["alpine-minirootfs-3.20.3-x86_64.tar.gz", "busybox-glibc-amd64.tar.gz", "busybox-musl-amd64.tar.gz"]


def by_tarfile(path: Path) -> list[Entry]:
    kinds = {
        tarfile.REGTYPE: FILE, tarfile.DIRTYPE: DIRECTORY, tarfile.SYMTYPE: "l", tarfile.LNKTYPE: HARDLINK,
        tarfile.CHRTYPE: "c", tarfile.BLKTYPE: "b", tarfile.FIFOTYPE: "p",
    }  # fmt: skip
    found = []
    with tarfile.open(path) as archive:
        for info in archive:
            clean = "/".join(part for part in info.name.split("/") if part not in ("", "."))
            link = info.linkname.removeprefix("./") if info.islnk() else info.linkname
            content = archive.extractfile(info) if info.isreg() else None
            digest = hashlib.sha256(content.read()).hexdigest() if content is not None else ""
            found.append(
                Entry(
                    clean,
                    kinds[info.type],
                    info.mode & 0o7777,
                    info.uid,
                    info.gid,
                    info.size if info.isreg() else 0,
                    int(info.mtime) * 10**9,
                    link,
                    info.devmajor,
                    info.devminor,
                    (),
                    digest,
                )
            )
    return found


@pytest.mark.parametrize("name", BASES)
def test_a_base_is_read_as_tarfile_reads_it(name: str, bases: Path) -> None:
    with (bases / name).open("rb") as blob:
        index = index_layer(blob, name)
    assert index.entries == by_tarfile(bases / name)
    assert len(index.entries) > 10
    raw = (bases / name).read_bytes()
    assert (index.digest, index.size) == ("sha256:" + hashlib.sha256(raw).hexdigest(), len(raw))


@pytest.mark.containers
@pytest.mark.parametrize("name", BASES)
def test_a_base_on_disk_is_its_table_of_contents(name: str, bases: Path, place: Path, seen: Any) -> None:
    with (bases / name).open("rb") as blob, open_decompressed(blob, name) as tar:
        entries = unpack_layer(
            tar, str(place), name, whiteouts="overlay", lower=None, privileged=True, digests=True
        )  # fmt: skip
    tree = merge_layers([entries])
    tree.pop("", None)
    assert seen(place) == tree


@pytest.mark.containers
@pytest.mark.parametrize("name", BASES)
def test_a_base_packed_again_is_the_same_tree(name: str, bases: Path, place: Path) -> None:
    with (bases / name).open("rb") as blob, open_decompressed(blob, name) as tar:
        first = unpack_layer(tar, str(place), name, whiteouts="apply", lower=None, privileged=True, digests=True)
    sink = io.BytesIO()
    layer = pack_layer(walk_tree(str(place)), sink, compression="zstd")
    sink.seek(0)
    again = [entry for entry, _ in read_entries(open_decompressed(sink, name), name)]
    assert again == [entry._replace(digest="") for entry in layer.entries]
    before, after = merge_layers([first]), merge_layers([layer.entries])
    before.pop("", None)
    after.pop("", None)
    assert after == before

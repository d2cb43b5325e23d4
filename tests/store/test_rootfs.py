"""Base images from root file systems' archives."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lamella.errors import ImageInvalid, InputError, ReferenceError_
from lamella.oci import mediatype
from lamella.oci.config import RunConfig
from lamella.oci.digest import Digest
from lamella.oci.platform import Platform
from lamella.store.rootfs import import_rootfs
from lamella.store.store import Store
from lamella.store.verify import verify

MakeTar = Callable[..., bytes]
CREATED = "2026-01-02T03:04:05Z"
COMPRESS: dict[str, tuple[Callable[[bytes], bytes], str, bool]] = {
    "none": (lambda data: data, mediatype.OCI_LAYER_GZIP, False),
    "gzip": (lambda data: gzip.compress(data, mtime=0), mediatype.OCI_LAYER_GZIP, True),
    "zstd": (zstandard.ZstdCompressor().compress, mediatype.OCI_LAYER_ZSTD, True),
    "bzip2": (bz2.compress, mediatype.OCI_LAYER_GZIP, False),
    "xz": (lzma.compress, mediatype.OCI_LAYER_GZIP, False),
}


@pytest.mark.parametrize("compression", COMPRESS)
def test_every_compression_gives_the_same_diff_id(
    store: Store, make_tar: MakeTar, tmp_path: Path, compression: str
) -> None:
    tar = make_tar({"bin/sh": b"#!" * 5000, "etc/passwd": b"root"})
    compress, media_type, kept = COMPRESS[compression]
    path = tmp_path / "rootfs"
    path.write_bytes(compress(tar))
    image = import_rootfs(store, str(path), "base:1", created=CREATED)
    assert image.diff_ids == ("sha256:" + hashlib.sha256(tar).hexdigest(),)
    (layer,) = image.image.manifest.layers
    assert layer.media_type == media_type
    assert (layer.digest == Digest.of(compress(tar))) is kept
    assert image.size == 10_004
    assert image.names == ("base:1",)
    assert verify(store).ok


def test_config_and_history(store: Store, make_tar: MakeTar, tmp_path: Path) -> None:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(make_tar({"a": b"x"}))
    run = RunConfig(cmd=("/bin/sh",))
    first = import_rootfs(
        store, str(path), None, created=CREATED, config=run, platform=Platform("linux", "arm64"), message="hello"
    )
    config = first.image.config
    assert (config.config, config.platform, config.created) == (run, Platform("linux", "arm64"), CREATED)
    assert [(entry.comment, entry.created) for entry in config.history] == [("hello", CREATED)]
    again = import_rootfs(
        store, str(path), None, created=CREATED, config=run, platform=Platform("linux", "arm64"), message="hello"
    )
    assert again.descriptor == first.descriptor
    assert import_rootfs(store, str(path), None).image.config.history[0].comment == "Imported from rootfs.tar"


def test_through_a_pipe(store: Store, make_tar: MakeTar) -> None:
    tar = make_tar({"a": os.urandom(200_000)})
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as pipe:
        assert pipe.stdin is not None
        pipe.stdin.write(tar)
        pipe.stdin.close()
        image = import_rootfs(store, "-", "base", stream=pipe.stdout)  # type: ignore[arg-type]
    assert image.diff_ids == ("sha256:" + hashlib.sha256(tar).hexdigest(),)
    assert image.image.config.history[0].comment == "Imported from -"


@pytest.mark.parametrize(
    "data", [b"", b"no tar", b"\x1f\x8b" + b"garbage" * 10, gzip.compress(b"x" * 5000, mtime=0)[:-9], b"\0" * 100]
)
def test_broken_archives(store: Store, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(data)
    with pytest.raises((ImageInvalid, InputError)) as caught:
        import_rootfs(store, str(path), "base")
    assert str(path) in (caught.value.where or "")
    assert list(store.blobs) == []
    assert os.listdir(f"{store.root}/lamella/tmp") == []


def test_bad_arguments(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        import_rootfs(store, str(tmp_path / "absent"), "base")
    with pytest.raises(InputError, match="folder") as caught:
        import_rootfs(store, str(tmp_path), "base")
    assert "tar -C" in (caught.value.hint or "")
    with pytest.raises(ReferenceError_):
        import_rootfs(store, "-", "UPPER", stream=io.BytesIO(b""))


def test_real_base(store: Store, bases: Path) -> None:
    image = import_rootfs(store, str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"), "alpine:3.20")
    paths: dict[str, Any] = {entry.path: entry for entry in store.layers.toc(image.diff_ids[0])}
    assert paths["bin/sh"].link == "/bin/busybox"
    assert "alpine" in (paths["etc/alpine-release"].path)
    assert image.size == 7_797_760  # what Docker 20.10 shows for it
    assert verify(store).ok

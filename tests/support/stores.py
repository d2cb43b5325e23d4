"""Fixtures: stores in temporary folders, and images of a few files in them."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from lamella.filetree.entry import FILE, SYMLINK, WHITEOUT, Entry
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackedLayer, PackItem
from lamella.oci import mediatype
from lamella.oci.config import HistoryEntry, ImageConfig, RunConfig
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.manifest import make_manifest
from lamella.oci.platform import Platform
from lamella.store.mirror import StoredImage
from lamella.store.store import Store

Files = Mapping[str, bytes | str | None]
AddLayer = Callable[..., PackedLayer]
AddImage = Callable[..., StoredImage]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store.open(str(root)) as opened:
        yield opened


def _item(path: str, value: bytes | str | None) -> PackItem:
    if value is None:
        return PackItem(Entry(path, WHITEOUT))
    if isinstance(value, str):
        return PackItem(Entry(path, SYMLINK, 0o777, link=value))
    return PackItem(Entry(path, FILE, 0o644, size=len(value)), data=value)


@pytest.fixture
def add_layer(store: Store) -> AddLayer:
    """``add_layer({"etc/x": b"content", "link": "target", "gone": None})``: packed into the store and recorded."""

    def add(files: Files, *, to: Store | None = None, compression: str = "gzip", record: bool = True) -> PackedLayer:
        target = to or store
        with target.blobs.writer(hashing=False) as sink:
            items = [_item(path, value) for path, value in sorted(files.items())]
            packed = pack_layer(items, sink, compression=compression)  # type: ignore[arg-type]
            sink.commit(trusted=packed.blob.digest, size=packed.blob.size)
        if record:
            target.layers.record(packed)
        return packed

    return add


@pytest.fixture
def add_image(store: Store, add_layer: AddLayer) -> AddImage:
    """``add_image("app:1", {"a": b"x"}, {"b": b"y"})``: an image of these layers under this name (None: none)."""

    def add(
        name: str | None,
        *layers: Files,
        to: Store | None = None,
        compression: str = "gzip",
        record: bool = True,
        run: RunConfig | None = None,
        created: str = "2026-01-02T03:04:05Z",
        platform: Platform = Platform("linux", "amd64"),  # noqa: B008
        history: Sequence[HistoryEntry] = (),
    ) -> StoredImage:
        target = to or store
        packed = [add_layer(layer, to=target, compression=compression, record=record) for layer in layers]
        entries = tuple(history) or tuple(HistoryEntry(created, f"RUN {n}") for n in range(len(layers)))
        diff_ids = tuple(layer.diff_id for layer in packed)
        config = ImageConfig(b"", platform, run or RunConfig(), diff_ids, entries, created).encode()
        described = Descriptor(mediatype.OCI_CONFIG, Digest.of(config.raw), len(config.raw))
        manifest = make_manifest(described, tuple(layer.blob for layer in packed))
        return target.images.put(manifest.raw, config.raw, [name] if name else [])

    return add


@pytest.fixture
def make_tar() -> Callable[..., bytes]:
    """``make_tar({"name": b"content"})`` by the standard library; TarInfo values stand for themselves."""

    def make(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, value in members.items():
                if isinstance(value, tarfile.TarInfo):
                    value.name = name
                    tar.addfile(value)
                else:
                    info = tarfile.TarInfo(name)
                    info.size = len(value)
                    tar.addfile(info, io.BytesIO(value))
        return buffer.getvalue()

    return make


@pytest.fixture
def leftovers(root: Path) -> Callable[[], list[str]]:
    """Names in the store's folder for temporary files."""

    def names() -> list[str]:
        return sorted(os.listdir(root / "lamella" / "tmp"))

    return names

"""The command line called in this process, on a store of its own, with images made of a few files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lamella.cli.main import main
from lamella.filetree.entry import FILE, WHITEOUT, Entry
from lamella.image.assemble import assemble
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackItem
from lamella.oci.config import HistoryEntry, RunConfig
from lamella.oci.image import LayerRef
from lamella.oci.platform import Platform
from lamella.store.store import Store


class Result(NamedTuple):
    """What a call printed and returned."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def store_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``LAMELLA_ROOT`` for this test."""
    root = tmp_path / "store"
    monkeypatch.setenv("LAMELLA_ROOT", str(root))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return root


@pytest.fixture
def lamella(store_root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """``lamella("prove", "a", "b")``: runs the command in this process."""

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


Layer = Mapping[str, bytes | Entry | None]


@pytest.fixture
def put_image(store_root: Path) -> Callable[..., None]:
    """``put_image("app:1", [{"etc/x": b"content", "gone": None}], history=["RUN make"], config=RunConfig(…))``.

    One mapping a layer: bytes make a file, None a whiteout, an Entry stands for itself. ``history`` holds one text for
    each layer; one that begins with ``-`` is an entry without a layer."""

    def put(
        name: str,
        layers: Sequence[Layer],
        history: Sequence[str] = (),
        config: RunConfig | None = None,
    ) -> None:
        with Store.open(str(store_root)) as store:
            entries = [HistoryEntry(created_by=text.removeprefix("-"), empty_layer=text[0] == "-") for text in history]
            image = assemble(
                None,
                [_pack(store, layer) for layer in layers],
                config or RunConfig(),
                entries,
                platform=Platform("linux", "amd64"),
            )
            store.images.put(image.manifest.raw, image.config.raw, [name])

    return put


def _pack(store: Store, layer: Layer) -> LayerRef:
    with store.blobs.writer(hashing=False) as sink:
        packed = pack_layer([_item(path, value) for path, value in sorted(layer.items())], sink)  # type: ignore[arg-type]
        sink.commit(trusted=packed.blob.digest, size=packed.blob.size)
    store.layers.record(packed)
    return packed.ref


def _item(path: str, value: bytes | Entry | None) -> PackItem:
    if value is None:
        return PackItem(Entry(path, WHITEOUT))
    if isinstance(value, bytes):
        return PackItem(Entry(path, FILE, 0o644, size=len(value)), data=value)
    return PackItem(value._replace(path=path), data=b"" if value.kind == FILE else None)

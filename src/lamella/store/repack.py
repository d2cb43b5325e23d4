"""Layers that are put together of the contents of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from lamella.errors import ImageInvalid
from lamella.filetree.entry import FILE, Entry
from lamella.layer.compression import open_decompressed
from lamella.layer.contents import LayerContents
from lamella.layer.pack import never, pack_layer
from lamella.layer.packed import PackedLayer, PackItem
from lamella.oci.image import LayerRef
from lamella.store.disk import remove_quietly
from lamella.store.store import Store


def repack(
    store: Store,
    entries: Iterable[Entry],
    sources: Sequence[LayerRef],
    *,
    compression: str = "gzip",
    clamp_mtime: int | None = None,
    cancelled: Callable[[], bool] = never,
) -> PackedLayer:
    """Packs ``entries``, in their order, into the store. The contents of files are found by their digests in
    ``sources``, the last of them that holds one; they are streamed from there, and checked. Each source is read once,
    and only as far as needed. Raises ImageInvalid where no source holds a file, Interrupted."""
    items = list(entries)
    with ExitStack() as opened:
        contents = _Sources(store, sources, items, opened)
        with store.blobs.writer(hashing=False) as sink:
            packed = pack_layer(
                contents.items(items), sink, compression=compression, clamp_mtime=clamp_mtime, cancelled=cancelled
            )
            sink.commit(trusted=packed.blob.digest, size=packed.blob.size)
    store.layers.record(packed)
    return packed


class _Sources:
    """Where the contents of ``entries`` are, and the readers of those layers, opened when first needed."""

    def __init__(self, store: Store, layers: Sequence[LayerRef], entries: list[Entry], opened: ExitStack) -> None:
        self._store, self._layers, self._opened = store, layers, opened
        self._readers: dict[int, LayerContents] = {}
        self._files: dict[int, list[str]] = {}
        self._places = self._find({entry.digest: entry.path for entry in entries if _has_content(entry)})
        self._wanted: dict[int, dict[str, int]] = {}
        for entry in entries:
            if _has_content(entry):
                number, path = self._place(entry)
                counts = self._wanted.setdefault(number, {})
                counts[path] = counts.get(path, 0) + 1

    def items(self, entries: Iterable[Entry]) -> Iterator[PackItem]:
        for entry in entries:
            if not _has_content(entry):
                yield PackItem(entry, data=b"" if entry.kind == FILE else None)
                continue
            number, path = self._place(entry)
            yield PackItem(entry, content=self._reader(number).open(path))

    def _find(self, digests: dict[str, str]) -> dict[str, tuple[int, str]]:
        """Layer and path by digest; under its own path where a layer has it there, so that layers are read in order."""
        places: dict[str, tuple[int, str]] = {}
        for number in reversed(range(len(self._layers))):
            if len(places) == len(digests):
                break
            layer = self._layers[number]
            self._store.layers.ensure_toc(layer)
            files: list[str] = []
            found: dict[str, str] = {}
            for entry in self._store.layers.toc(layer.diff_id):
                if entry.kind == FILE:
                    files.append(entry.path)
                    if entry.digest in digests and (entry.path == digests[entry.digest] or entry.digest not in found):
                        found[entry.digest] = entry.path
            for digest, path in found.items():
                places.setdefault(digest, (number, path))
            self._files[number] = files
        return places

    def _place(self, entry: Entry) -> tuple[int, str]:
        place = self._places.get(entry.digest)
        if place is None:
            raise ImageInvalid("no layer holds the content of this file", where=entry.path)
        return place

    def _reader(self, number: int) -> LayerContents:
        if number not in self._readers:
            layer = self._layers[number]
            where = str(layer.blob.digest)
            stream = self._opened.enter_context(self._store.blobs.open_blob(layer.blob))
            tar = self._opened.enter_context(open_decompressed(stream, where, ahead=False))
            reader = LayerContents(tar, where, self._files[number], self._wanted[number], self._open_spool)
            self._opened.callback(reader.close)
            self._readers[number] = reader
        return self._readers[number]

    def _open_spool(self) -> BinaryIO:
        path = self._store.temporary_path(".spool")
        self._opened.callback(remove_quietly, path)
        return open(path, "x+b")


def _has_content(entry: Entry) -> bool:
    return entry.kind == FILE and entry.size > 0

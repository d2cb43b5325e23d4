"""Recomputes everything the store says, and trusts nothing: digests, sizes, diff IDs, tables of contents, the index."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from lamella.errors import ImageInvalid, LamellaError, StoreDamaged
from lamella.oci import mediatype
from lamella.oci.config import parse_config
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import LayerRef
from lamella.oci.manifest import parse_index, parse_manifest
from lamella.store.layers import measure_entries
from lamella.store.layout import IndexEntry
from lamella.store.store import Store


class Problem(NamedTuple):
    """``kind`` is one word of: layout, index, blob, missing, size, image, layer, toc, facts. ``where`` is a digest or a
    path; ``images`` are the names (or short IDs) that suffer."""

    kind: str
    where: str
    message: str
    images: tuple[str, ...] = ()


class Report(NamedTuple):
    """``notes`` are oddities that harm nobody."""

    images: int
    blobs: int
    bytes: int
    layers: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(store: Store) -> Report:
    """Reads every byte of the store. Raises MachineError only when the disk itself refuses."""
    return _Verification(store).run()


class _Verification:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._users: dict[str, set[str]] = {}  # digest → images
        self._layers: dict[LayerRef, None] = {}
        self._bad: set[Digest] = set()
        self._images = 0

    def run(self) -> Report:
        self._check_marker()
        for entry in self._entries():
            label = entry.name or entry.descriptor.digest.short
            self._walk(entry.descriptor, label, 0)
        count, size = self._check_blobs()
        for ref in self._known_layers():
            self._check_layer(ref)
        self._check_tocs()
        self._check_facts()
        problems = tuple(
            problem._replace(images=tuple(sorted(self._users.get(problem.where, ())))) for problem in self._problems
        )
        return Report(self._images, count, size, len(self._layers), problems, tuple(self._notes))

    def _problem(self, kind: str, where: str, message: str) -> None:
        self._problems.append(Problem(kind, where, message))

    def _check_marker(self) -> None:
        try:
            self._store.layout.check()
        except LamellaError as error:
            self._problem("layout", "oci-layout", error.message)

    def _entries(self) -> tuple[IndexEntry, ...]:
        try:
            return self._store.images.entries()
        except StoreDamaged as error:
            self._problem("index", "index.json", error.message)
            return ()

    # -- from the names down -----------------------------------------------------------------------------------------

    def _walk(self, descriptor: Descriptor, label: str, depth: int) -> bool:
        """Whether the blob is there. What it leads to is noted in ``_users`` and ``_layers``."""
        where = str(descriptor.digest)
        self._users.setdefault(where, set()).add(label)
        if not self._is_there(descriptor):
            return False
        try:
            if descriptor.media_type in mediatype.INDEXES and depth < 4:
                self._walk_index(descriptor, label, depth)
            elif descriptor.media_type in mediatype.MANIFESTS:
                self._walk_manifest(descriptor, label)
            else:
                self._notes.append(f"{label} is no image but a {descriptor.media_type or 'blob'}")
        except StoreDamaged:
            pass  # its digest is wrong: _check_blobs tells
        except LamellaError as error:
            self._problem("image", where, error.message)
        return True

    def _walk_index(self, descriptor: Descriptor, label: str, depth: int) -> None:
        children = parse_index(self._store.blobs.read_blob(descriptor), str(descriptor.digest)).manifests
        there = [child for child in children if self._store.blobs.has(child.digest)]
        for child in there:
            self._walk(child, label, depth + 1)
        if len(there) < len(children) and there:
            self._notes.append(f"{label}: {len(there)} of {len(children)} platforms are here")
        elif not there and children:
            self._problem("missing", str(children[0].digest), "none of the images of an index is there")

    def _walk_manifest(self, descriptor: Descriptor, label: str) -> None:
        self._images += 1
        where = str(descriptor.digest)
        manifest = parse_manifest(self._store.blobs.read_blob(descriptor), where)
        for child in (manifest.config, *manifest.layers):
            self._users.setdefault(str(child.digest), set()).add(label)
            self._is_there(child)
        if not self._store.blobs.holds(manifest.config):
            return
        if any(mediatype.compression_of(layer.media_type) is None for layer in manifest.layers):
            return  # something else that is kept like an image: attestations
        config = parse_config(self._store.blobs.read_blob(manifest.config), str(manifest.config.digest))
        if len(config.diff_ids) != len(manifest.layers):
            self._problem(
                "image", where, f"the config names {len(config.diff_ids)} layers, the manifest {len(manifest.layers)}"
            )
            return
        for ref in map(LayerRef, config.diff_ids, manifest.layers):
            self._layers[ref] = None

    def _is_there(self, descriptor: Descriptor) -> bool:
        size = self._store.blobs.size(descriptor.digest)
        where = str(descriptor.digest)
        if size is None:
            self._once("missing", where, "the blob is missing")
        elif size != descriptor.size:
            self._once("size", where, f"the blob has {size} bytes, its image says {descriptor.size}")
        return size is not None

    def _once(self, kind: str, where: str, message: str) -> None:
        problem = Problem(kind, where, message)
        if problem not in self._problems:
            self._problems.append(problem)

    # -- from the files up -------------------------------------------------------------------------------------------

    def _check_blobs(self) -> tuple[int, int]:
        count = size = 0
        for digest in self._store.blobs:
            count += 1
            found = hashlib.new(digest.algorithm)
            try:
                with open(self._store.blobs.path_of(digest), "rb", buffering=0) as file:
                    while chunk := file.read(1 << 20):
                        found.update(chunk)
                        size += len(chunk)
            except OSError as error:
                self._problem("blob", str(digest), f"the blob cannot be read: {error.strerror}")
                self._bad.add(digest)
                continue
            if found.hexdigest() != digest.encoded:
                self._bad.add(digest)
                if not any(problem.where == digest for problem in self._problems):
                    self._problem("blob", str(digest), "the blob's content does not match its digest")
        return count, size

    def _known_layers(self) -> list[LayerRef]:
        """Layers of images, and those that the table of layers and the build cache speak of."""
        known = dict(self._layers)
        known.update(dict.fromkeys(self._store.layers.refs()))
        return [ref for ref in known if ref.blob.digest not in self._bad and self._store.blobs.holds(ref.blob)]

    def _check_layer(self, ref: LayerRef) -> None:
        from lamella.layer.index import index_layer

        where = str(ref.blob.digest)
        try:
            with self._store.blobs.open_blob(ref.blob) as stored:
                index = index_layer(stored, where)
        except (ImageInvalid, StoreDamaged) as error:
            self._once("layer", where, error.message)
            return
        if index.diff_id != ref.diff_id:
            self._once("layer", where, f"the layer's diff ID is {index.diff_id}, it is said to be {ref.diff_id}")
            return
        if not self._store.layers.has_toc(ref.diff_id):
            return
        try:
            same = list(self._store.layers.toc(ref.diff_id)) == index.entries
        except LamellaError as error:
            self._once("toc", str(ref.diff_id), error.message)
            return
        if not same:
            self._once("toc", str(ref.diff_id), "the table of contents differs from the layer")
        size = self._store.layers.size(ref.diff_id)
        right = measure_entries(index.entries, index.uncompressed)
        if size is not None and size._replace(tar=size.tar or index.uncompressed) != right:
            self._once("facts", str(ref.diff_id), "the index has another size for this layer")

    def _check_tocs(self) -> None:
        for diff_id in self._store.layers.indexed():
            try:
                for _ in self._store.layers.toc(diff_id):
                    pass
            except LamellaError as error:
                self._once("toc", str(diff_id), error.message)

    def _check_facts(self) -> None:
        damage = self._store.database.query("PRAGMA quick_check(1)")
        if damage != [("ok",)]:
            self._problem("facts", "index.sqlite", f"SQLite finds it damaged: {damage[0][0]}")
            return
        try:
            images = self._store.images.list()
        except StoreDamaged:
            return  # index.json, told already
        for image in images:
            if image.descriptor.digest in self._bad or image.image_id in self._bad:
                continue
            try:
                loaded = image.image
            except LamellaError:
                continue
            facts = (image.image_id, image.diff_ids, image.platform)
            if facts != (loaded.manifest.config.digest, loaded.config.diff_ids, loaded.config.platform):
                self._once("facts", str(image.descriptor.digest), "the index says something else than the image")
        stale = sum(not self._store.blobs.has(digest) for digest in self._store.cache.blobs())
        if stale:
            self._notes.append(f"{stale} blobs of the build cache are gone; their steps will be run again")


def repair(store: Store, report: Report) -> tuple[str, ...]:
    """Removes what ``report`` found damaged, so that it can be pulled, loaded or built again; writes a damaged
    index.json anew from the mirror. Returns what was done, in words."""
    done: list[str] = []
    with store.lock():
        kinds = {problem.kind for problem in report.problems}
        if "layout" in kinds:
            store.layout.mark()
            done.append("wrote oci-layout anew")
        if "index" in kinds:
            done.append(f"wrote index.json anew with {store.images.restore()} names")
        for kind, where, _, _ in report.problems:
            if kind in ("blob", "size", "layer") and store.blobs.remove(Digest(where)):
                done.append(f"removed the damaged blob {where}")
            elif kind == "toc":
                store.layers.forget(DiffID(where))
                done.append(f"removed the table of contents of {where}")
        if "facts" in kinds:
            store.database.reset()
            done.append("made the index anew; the build cache is empty")
    return tuple(done)

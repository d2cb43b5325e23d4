"""The mirror of ``index.json`` in SQLite: what each image is, without reading blobs again.

Blobs never change, so what was read of a manifest once stays true; only the entries of index.json are compared.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from lamella.errors import ImageInvalid, LamellaError, NoSpace
from lamella.layer.limits import MAX_LAYERS
from lamella.oci import mediatype
from lamella.oci.config import parse_config
from lamella.oci.descriptor import Descriptor, descriptor_from_json
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import Image
from lamella.oci.manifest import is_image, parse_index, parse_manifest
from lamella.oci.platform import Platform, normalize_platform
from lamella.store.blobs import BlobStore
from lamella.store.database import IN_MEMORY, Database
from lamella.store.instant import parse_instant
from lamella.store.layers import LayerStore
from lamella.store.layout import IndexEntry, Layout
from lamella.store.lock import StoreLock


class StoredImage(NamedTuple):
    """An image of the store. ``descriptor`` is its manifest's; ``root`` the entry of index.json that led to it (the
    same, or a multi-platform index). ``created`` is in ns since the epoch, 0 where unsaid. ``size`` is what
    ``docker images`` shows (``LayerSize.shown`` of all layers), None where a layer was never indexed
    (``ImageTable.measure`` does)."""

    names: tuple[str, ...]
    descriptor: Descriptor
    root: Descriptor
    image_id: Digest
    platform: Platform
    created: int
    size: int | None
    diff_ids: tuple[DiffID, ...]
    load: Callable[[Descriptor], Image]

    @property
    def image(self) -> Image:
        """Manifest and config, parsed. Raises NotFound or StoreDamaged when their blobs are not as they should."""
        return self.load(self.descriptor)


class BrokenImage(NamedTuple):
    """An entry of index.json that cannot be read; ``descriptor`` is what it points at."""

    name: str | None
    descriptor: Descriptor
    problem: str

    @property
    def digest(self) -> Digest:
        return self.descriptor.digest


def host_platform() -> Platform:
    """The platform that is meant where none is said."""
    return normalize_platform("linux", os.uname().machine)


_SELECT = """
SELECT image.digest, image.media_type, image.size, config, created, os, architecture, variant,
    (SELECT json_group_array(name) FROM (
        SELECT name FROM root WHERE manifest = image.digest AND name IS NOT NULL ORDER BY position)),
    (SELECT json_group_array(diff_id) FROM (
        SELECT diff_id FROM image_layer WHERE manifest = image.digest ORDER BY position)),
    (SELECT count(bytes) FROM image_layer JOIN content USING (diff_id) WHERE manifest = image.digest),
    (SELECT sum(bytes + links) FROM image_layer JOIN content USING (diff_id) WHERE manifest = image.digest),
    min(root.data)
FROM image JOIN root ON root.manifest = image.digest
WHERE {where} GROUP BY image.digest ORDER BY created DESC, min(root.position)
"""


class Mirror:
    """Answers from SQLite, after looking whether index.json changed."""

    def __init__(self, layout: Layout, database: Database, blobs: BlobStore, layers: LayerStore) -> None:
        self._layout = layout
        self._database = database
        self._blobs = blobs
        self._layers = layers
        self._loaded: dict[Digest, Image] = {}
        self._spare: Database | None = None

    def _read(self, work: Callable[[sqlite3.Connection], list[Any]]) -> list[Any]:
        """On a full disk the mirror is kept in memory: there must be a way to see what can be removed."""
        try:
            return self._database.read(work)
        except NoSpace:
            if self._spare is None:
                self._spare = Database(IN_MEMORY, StoreLock(""))
            return self._spare.read(work)

    def select(self, where: str = "1", values: Sequence[object] = ()) -> list[StoredImage]:
        """Images by an SQL condition on the tables ``image`` and ``root``, the newest first."""

        def work(connection: sqlite3.Connection) -> list[Any]:
            self._follow(connection)
            return connection.execute(_SELECT.format(where=where), values).fetchall()

        return [self._stored(*row) for row in self._read(work)]

    def broken(self) -> list[BrokenImage]:
        def work(connection: sqlite3.Connection) -> list[Any]:
            self._follow(connection)
            return connection.execute("SELECT name, data, problem FROM root WHERE problem IS NOT NULL").fetchall()

        rows = self._read(work)
        return [
            BrokenImage(name, descriptor_from_json(json.loads(data), "index.json"), problem)
            for name, data, problem in rows
        ]

    def remembered(self) -> list[dict[str, Any]]:
        """The entries of index.json as they were when it was last read, for the case that it is damaged now."""
        rows = self._database.query("SELECT data FROM root ORDER BY position")
        return [json.loads(row[0]) for row in rows]

    def doubt(self, root: Digest) -> None:
        """More of this index may be there than when it was read: it is looked at again."""
        self._database.change(
            "UPDATE root SET problem = 'to be read again' WHERE json_extract(data, '$.digest') = ?", (root,)
        )
        self._database.change("DELETE FROM meta WHERE key = 'index'")

    def load(self, descriptor: Descriptor) -> Image:
        """Manifest and config, verified and parsed; kept for the life of this object."""
        image = self._loaded.get(descriptor.digest)
        if image is None:
            manifest = parse_manifest(self._blobs.read_blob(descriptor), str(descriptor.digest))
            config = parse_config(self._blobs.read_blob(manifest.config), str(manifest.config.digest))
            image = Image(manifest, config)
            check_layer_count(image)
            self._loaded[descriptor.digest] = image
        return image

    def manifests(self, root: Descriptor) -> tuple[Descriptor, ...]:
        """Image manifests under an entry, nested indexes followed (a few levels; deeper ones are nonsense)."""
        found, queue = [], [(root, 0)]
        while queue:
            descriptor, depth = queue.pop(0)
            if depth and descriptor.media_type in mediatype.INDEXES and not self._blobs.has(descriptor.digest):
                continue  # of platforms that were not fetched
            if descriptor.media_type in mediatype.INDEXES and depth < 4:
                index = parse_index(self._blobs.read_blob(descriptor), str(descriptor.digest))
                queue += [(child, depth + 1) for child in index.manifests]
            elif descriptor.media_type in mediatype.MANIFESTS and is_image(descriptor):
                found.append(descriptor)
        return tuple(found)

    def _stored(
        self,
        digest: str,
        media_type: str,
        size: int,
        config: str,
        created: int,
        *rest: Any,
    ) -> StoredImage:
        system, architecture, variant, names, diff_ids, known, content, data = rest
        layers = tuple(DiffID(diff_id) for diff_id in json.loads(diff_ids))
        platform = Platform(system, architecture, variant)
        descriptor = Descriptor(media_type, Digest(digest), size, (), platform)
        entry = json.loads(data)
        root = descriptor
        if entry["digest"] != digest:
            root = Descriptor(entry["mediaType"], Digest(entry["digest"]), entry["size"])
        return StoredImage(
            tuple(json.loads(names)),
            descriptor,
            root,
            Digest(config),
            platform,
            created,
            (content or 0) if known == len(layers) else None,
            layers,
            self.load,
        )

    def _follow(self, connection: sqlite3.Connection) -> None:
        """Brings the mirror up to index.json, if that changed."""
        row = connection.execute("SELECT value FROM meta WHERE key = 'index'").fetchone()
        if row is not None and row[0] == self._layout.stamp():
            return
        state = self._layout.read()
        mirrored = connection.execute("SELECT data, problem, manifest FROM root ORDER BY position").fetchall()
        wanted = [json.dumps(entry.data) for entry in state.entries]
        fresh = wanted == [row[0] for row in mirrored] and not any(row[1] for row in mirrored)
        if fresh and not state.stamp:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # What could not be read may come back, which does not show in index.json: looked at again each time.
            whole = fresh or self._renew(connection, zip(state.entries, wanted, strict=True), mirrored)
            stamp = state.stamp if whole else ""
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('index', ?)", (stamp,))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _renew(
        self, connection: sqlite3.Connection, wanted: Iterable[tuple[IndexEntry, str]], mirrored: list[Any]
    ) -> bool:
        """Whether every image could be read."""
        known = {data: manifest for data, problem, manifest in mirrored if problem is None}
        rows, names = [], set()
        for entry, data in wanted:
            picked, problem = known.get(data), None
            if picked is None:
                picked, problem = self._read_image(connection, entry.descriptor)
            # The first of equal names counts, as it does for skopeo.
            rows.append((None if entry.name in names else entry.name, data, picked, problem))
            names.add(entry.name)
        connection.execute("DELETE FROM root")
        connection.executemany("INSERT INTO root (name, data, manifest, problem) VALUES (?, ?, ?, ?)", rows)
        connection.execute("DELETE FROM image WHERE digest NOT IN (SELECT manifest FROM root WHERE manifest NOT NULL)")
        connection.execute("DELETE FROM image_layer WHERE manifest NOT IN (SELECT digest FROM image)")
        return all(problem is None for *_, problem in rows)

    def _read_image(self, connection: sqlite3.Connection, root: Descriptor) -> tuple[Digest | None, str | None]:
        """The manifest that is meant by an entry, its facts noted; or what is wrong with it."""
        try:
            manifest = self._pick(root)
            if not connection.execute("SELECT 1 FROM image WHERE digest = ?", (manifest.digest,)).fetchone():
                self._insert(connection, manifest, self.load(manifest))
        except LamellaError as error:
            return None, str(error)
        return manifest.digest, None

    def _insert(self, connection: sqlite3.Connection, manifest: Descriptor, image: Image) -> None:
        config = image.config
        connection.execute(
            "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                manifest.digest, manifest.media_type, manifest.size, image.manifest.config.digest,
                parse_instant(config.created), *config.platform,
            ),
        )  # fmt: skip
        rows = [(manifest.digest, position, diff_id) for position, diff_id in enumerate(config.diff_ids)]
        connection.executemany("INSERT OR REPLACE INTO image_layer VALUES (?, ?, ?)", rows)
        layers = [(ref.diff_id, ref.blob.digest, ref.blob.media_type, ref.blob.size) for ref in image.layers]
        connection.executemany("INSERT OR IGNORE INTO layer VALUES (?, ?, ?, ?)", layers)
        for ref in image.layers:  # its table of contents may be there from before
            self._layers.size(ref.diff_id)

    def _pick(self, root: Descriptor) -> Descriptor:
        """The manifest for this machine, else the first one that is here."""
        manifests = self.manifests(root)
        if not manifests:
            raise ImageInvalid(f"nothing that is an image ({root.media_type})", where=str(root.digest))
        host = host_platform()
        fitting = [m for m in manifests if m.platform is None or m.platform.matches(host)]
        there = [m for m in (*fitting, *manifests) if self._blobs.has(m.digest)]
        return (there or fitting or list(manifests))[0]


def check_layer_count(image: Image) -> None:
    """Raises ImageInvalid where manifest and config disagree on the number of layers, or it is absurd."""
    if len(image.config.diff_ids) > MAX_LAYERS:
        raise ImageInvalid(
            f"it has {len(image.config.diff_ids)} layers, more than the {MAX_LAYERS} that anything can run",
            where=str(image.manifest.digest),
        )
    if len(image.config.diff_ids) != len(image.manifest.layers):
        raise ImageInvalid(
            f"the config names {len(image.config.diff_ids)} layers, the manifest {len(image.manifest.layers)}",
            where=str(image.manifest.digest),
        )

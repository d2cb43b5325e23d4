"""The build cache: which layer a step came to, under the key of everything the step depends on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import ChainID, DiffID, Digest, chain_id
from lamella.oci.image import LayerRef
from lamella.store.blobs import BlobStore
from lamella.store.database import Database

#: a record's time of last use is written at most once an hour: a hit costs a read, not a write
_USE_GRAIN_NS = 3_600_000_000_000
_COLUMNS = (
    "key, diff_id, media_type, digest, size, parent_chain, content_size, seconds, created, definition, contents, prefix"
)


class CacheRecord(NamedTuple):
    """``key`` names (parent, definition, contents); ``prefix`` names (parent, definition) alone. ``layer`` is None for
    a step that made none. ``content_size`` is in bytes, ``seconds`` what the step took, ``created`` ns since the epoch.
    ``definition`` and ``contents`` say in the engine's words what the key was made of, to explain a miss."""

    key: str
    layer: LayerRef | None
    parent_chain: str
    content_size: int
    seconds: float
    created: int
    definition: bytes | str = ""
    contents: str = ""
    prefix: str = ""


class CacheStats(NamedTuple):
    """``size`` is the bytes of the blobs that records name, each counted once."""

    records: int
    size: int


class BuildCache:
    """A record whose blob is missing, or has another size than it says, counts as absent."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._used: set[str] = set()

    def get(self, key: str) -> CacheRecord | None:
        """The record, its blob there and marked as in use."""
        rows = self._database.query(f"SELECT {_COLUMNS}, last_used FROM cache WHERE key = ?", (key,))
        if not rows:
            return None
        record = _record(rows[0])
        if record.layer is not None and not self._blobs.touch(record.layer.blob):
            return None
        if time.time_ns() - rows[0][-1] > _USE_GRAIN_NS:
            self._used.add(key)
        return record

    def lookup(self, key: str) -> CacheRecord | None:
        """The record, its blob there or not: what a miss is explained from."""
        rows = self._database.query(f"SELECT {_COLUMNS} FROM cache WHERE key = ?", (key,))
        return _record(rows[0]) if rows else None

    def put(self, record: CacheRecord, lines: bytes = b"") -> None:
        """Keeps the record; one with the same key is replaced. It survives a kill from here on. ``lines`` are what
        ``record.contents`` is the digest of, kept to explain a miss; they go with the last record of those contents."""
        layer = record.layer
        blob = (layer.diff_id, layer.blob.media_type, layer.blob.digest, layer.blob.size) if layer else (None,) * 4
        values = (
            record.key, *blob, record.parent_chain, record.content_size, record.seconds, record.created,
            record.definition, record.contents, record.prefix, time.time_ns(),
        )  # fmt: skip
        insert = f"INSERT OR REPLACE INTO cache ({_COLUMNS}, last_used) VALUES ({','.join('?' * len(values))})"
        if not lines:
            self._database.change(insert, values)
            return
        from lamella.layer.compression import make_compressor

        compressor = make_compressor("gzip")
        packed = compressor.compress(lines) + compressor.flush()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO reading VALUES (?, ?)", (str(record.contents), packed))
            connection.execute(insert, values)

        self._database.write(write)

    def lines_of(self, contents: str) -> bytes:
        """What was put with a record of these contents; empty where nothing was, or it is gone."""
        rows = self._database.query("SELECT lines FROM reading WHERE contents = ?", (str(contents),))
        if not rows:
            return b""
        import zlib

        try:
            return zlib.decompress(rows[0][0], wbits=31)
        except zlib.error:
            return b""

    def has_definition(self, prefix: str) -> bool:
        """Whether any record has this prefix, whatever its contents."""
        return bool(self._database.query("SELECT 1 FROM cache WHERE prefix = ? LIMIT 1", (prefix,)))

    def delete(self, keys: Iterable[str]) -> int:
        """Removes records; returns how many there were. Their blobs stay until garbage is collected."""
        values = [(key,) for key in keys]
        return self._database.write(lambda connection: _delete(connection, "key", values))

    def clear(self) -> int:
        """Forgets everything; returns how many records there were."""

        def clear(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM reading")
            return connection.execute("DELETE FROM cache").rowcount

        return self._database.write(clear)

    def drop_missing(self) -> int:
        """Removes records whose blob is not there; returns how many."""
        rows = self._database.query("SELECT DISTINCT digest, size FROM cache WHERE digest IS NOT NULL")
        gone = [(digest,) for digest, size in rows if self._blobs.size(Digest(digest)) != size]
        if not gone:
            return 0
        return self._database.write(lambda c: _delete(c, "digest", gone))

    def unused_since(self, instant: int) -> list[str]:
        """Keys of records not used since ``instant`` (ns since the epoch)."""
        self.flush()
        return [row[0] for row in self._database.query("SELECT key FROM cache WHERE last_used < ?", (instant,))]

    def blobs(self) -> dict[Digest, int]:
        """The blobs that records name, with their sizes."""
        rows = self._database.query("SELECT DISTINCT digest, size FROM cache WHERE digest IS NOT NULL")
        return {Digest(digest): size for digest, size in rows}

    def diff_ids(self) -> set[DiffID]:
        """The layers that records name."""
        rows = self._database.query("SELECT DISTINCT diff_id FROM cache WHERE diff_id IS NOT NULL")
        return {DiffID(row[0]) for row in rows}

    def chains(self) -> set[ChainID]:
        """The chain IDs of the states that records lead to and start from."""
        rows = self._database.query("SELECT DISTINCT parent_chain, diff_id FROM cache")
        parents = {ChainID(parent) for parent, _ in rows if parent}
        return parents | {
            chain_id(ChainID(parent) if parent else None, DiffID(diff_id)) for parent, diff_id in rows if diff_id
        }

    def stats(self) -> CacheStats:
        count = self._database.query("SELECT count(*) FROM cache")[0][0]
        there = (size for digest, size in self.blobs().items() if self._blobs.has(digest))
        return CacheStats(count, sum(there))

    def flush(self) -> None:
        """Writes the times of last use that ``get`` gathered."""
        if not self._used:
            return
        now = time.time_ns()
        values = [(now, key) for key in self._used]
        self._used = set()
        self._database.write(lambda c: c.executemany("UPDATE cache SET last_used = ? WHERE key = ?", values))


def _delete(connection: sqlite3.Connection, column: str, values: list[tuple[str]]) -> int:
    """Records by what stands in ``column``, and the lines that no record needs any more."""
    if not values:
        return 0
    count = connection.executemany(f"DELETE FROM cache WHERE {column} = ?", values).rowcount
    connection.execute("DELETE FROM reading WHERE contents NOT IN (SELECT contents FROM cache)")
    return count


def _record(row: tuple[Any, ...]) -> CacheRecord:
    key, diff_id, media_type, digest, size, parent, content_size, seconds, created, definition, contents, prefix = row[
        :12
    ]
    layer = LayerRef(DiffID(diff_id), Descriptor(media_type, Digest(digest), size)) if digest else None
    return CacheRecord(key, layer, parent, content_size, seconds, created, definition, contents, prefix)

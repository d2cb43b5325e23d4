"""The SQLite file beside the layout: facts derived from blobs, and the build cache.

Nothing in it is needed to keep an image: a missing or damaged file is made anew, and only cache rows are lost.
WAL with synchronous=NORMAL: a killed process loses nothing, a power loss at most the last rows.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lamella.errors import MachineError, NoSpace
from lamella.store.disk import disk_errors, is_full, remove_quietly
from lamella.store.lock import StoreLock

_T = TypeVar("_T")
#: a path that makes a database nobody else sees
IN_MEMORY = ":memory:"
_VERSION = 4
_BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE root (
    position INTEGER PRIMARY KEY, name TEXT, data TEXT NOT NULL, manifest TEXT, problem TEXT);
CREATE TABLE image (
    digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, config TEXT NOT NULL,
    created INTEGER NOT NULL, os TEXT NOT NULL, architecture TEXT NOT NULL, variant TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE image_layer (
    manifest TEXT NOT NULL, position INTEGER NOT NULL, diff_id TEXT NOT NULL,
    PRIMARY KEY (manifest, position)) WITHOUT ROWID;
CREATE TABLE layer (
    diff_id TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (diff_id, digest)) WITHOUT ROWID;
CREATE TABLE content (
    diff_id TEXT PRIMARY KEY, tar INTEGER NOT NULL, bytes INTEGER NOT NULL, links INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cache (
    key TEXT PRIMARY KEY, prefix TEXT NOT NULL, diff_id TEXT, media_type TEXT, digest TEXT, size INTEGER,
    parent_chain TEXT NOT NULL, content_size INTEGER NOT NULL, seconds REAL NOT NULL, created INTEGER NOT NULL,
    definition BLOB NOT NULL, contents TEXT NOT NULL, last_used INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX cache_prefix ON cache (prefix);
CREATE INDEX cache_digest ON cache (digest);
CREATE TABLE reading (contents TEXT PRIMARY KEY, lines BLOB NOT NULL);
CREATE TABLE note (
    kind TEXT NOT NULL, key TEXT NOT NULL, used INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE digests (root TEXT PRIMARY KEY, used INTEGER NOT NULL, rows BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE repository_digest (
    repository TEXT NOT NULL, digest TEXT NOT NULL, here TEXT NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)) WITHOUT ROWID;
CREATE INDEX repository_digest_here ON repository_digest (here);
CREATE TABLE blob_home (
    digest TEXT NOT NULL, repository TEXT NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (digest, repository)) WITHOUT ROWID;
CREATE INDEX blob_home_used ON blob_home (used);
CREATE TABLE recompressed (
    diff_id TEXT NOT NULL, method TEXT NOT NULL, media_type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (diff_id, method)) WITHOUT ROWID;
"""


class Database:
    """One connection, opened at the first need, shared by the process's threads."""

    def __init__(self, path: str, lock: StoreLock) -> None:
        self._path = path
        self._lock = lock
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """``work`` on the connection, without a transaction. Run again if the file had to be made anew."""
        return self._attempt(work)

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """``work`` in one transaction; on any exception nothing is changed."""

        def transaction(connection: sqlite3.Connection) -> _T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return result

        return self._attempt(transaction)

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self.read(lambda connection: connection.execute(sql, values).fetchall())

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """One statement; returns the number of rows it changed."""
        return self.read(lambda connection: connection.execute(sql, values).rowcount)

    def reset(self) -> None:
        """Throws everything away; it is gathered again as it is needed."""
        with self._guard:
            self._start_anew()

    def close(self) -> None:
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._guard:
            try:
                return work(self._connect())
            except sqlite3.DatabaseError as error:
                if not _damaged(error):
                    raise self._explained(error) from None
            try:
                self._start_anew()
                return work(self._connect())
            except sqlite3.DatabaseError as error:
                raise self._explained(error) from None

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            # A store that may only be read has its facts in memory.
            place = self._path if os.access(os.path.dirname(self._path), os.W_OK) else IN_MEMORY
            connection = sqlite3.connect(
                place, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            try:
                connection.execute("PRAGMA synchronous=NORMAL")
                if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    self._fill(connection, place)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _fill(self, connection: sqlite3.Connection, place: str) -> None:
        if place == IN_MEMORY:
            connection.executescript(_SCHEMA + f"PRAGMA user_version={_VERSION};")
            return
        with self._lock.hold():
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == _VERSION:  # another process was faster
                return
            if version != 0 or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise _OtherVersion("made by another version")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={_VERSION};COMMIT;")

    def _start_anew(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        with self._lock.hold(), disk_errors(self._path, "make the store's index anew"):
            for suffix in ("", "-wal", "-shm"):
                remove_quietly(self._path + suffix)

    def _explained(self, error: sqlite3.DatabaseError) -> MachineError:
        code = _code(error)
        if code == sqlite3.SQLITE_FULL or (code in _NO_ROOM and is_full(os.path.dirname(self._path))):
            return NoSpace(
                "cannot write the store's index: no space left on the device",
                where=self._path,
                hint="free some space with `lamella image prune`, or name a store elsewhere with --root",
            )
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return MachineError(
                "the store's index is kept busy by another process",
                where=self._path,
                hint="wait for the other lamella command to end, then try again",
                code="store-busy",
            )
        return MachineError(f"cannot use the store's index: {error}", where=self._path)


#: what SQLite says when it cannot make the files beside its own
_NO_ROOM = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


class _OtherVersion(sqlite3.DatabaseError):
    pass


def _code(error: sqlite3.DatabaseError) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _damaged(error: sqlite3.DatabaseError) -> bool:
    return isinstance(error, _OtherVersion) or _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

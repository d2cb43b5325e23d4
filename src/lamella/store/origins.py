"""Which repositories hold what: digests that images have there, blobs that can be mounted, compressions made before.

All of it is hearsay, true when it was written down: who uses it asks the registry. A *repository* is written with its
registry: ``docker.io/library/alpine``.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.store.database import Database

#: rows of one table at most; the oldest go first
LIMIT = 50_000


class Origins:
    """Safe to use from threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_image(self, repository: str, digest: Digest, here: Digest) -> None:
        """``repository`` has under ``digest`` the manifest or index that the store has under ``here``: the same, or one
        that names other blobs of the same layers."""
        self._database.change(
            "INSERT OR REPLACE INTO repository_digest VALUES (?, ?, ?, ?)", (repository, digest, here, time.time_ns())
        )

    def image(self, repository: str, digest: Digest) -> Digest | None:
        """What the store has for this digest of the repository; it may be gone again."""
        rows = self._database.query(
            "SELECT here FROM repository_digest WHERE repository = ? AND digest = ?", (repository, digest)
        )
        return Digest(rows[0][0]) if rows else None

    def digests(self, here: Iterable[Digest]) -> list[tuple[str, Digest]]:
        """Repository and digest of every place where one of these manifests or indexes was met, sorted."""
        found: set[tuple[str, Digest]] = set()
        for one in here:
            rows = self._database.query("SELECT repository, digest FROM repository_digest WHERE here = ?", (one,))
            found.update((row[0], Digest(row[1])) for row in rows)
        return sorted(found)

    def forget_images(self, gone: Iterable[Digest]) -> None:
        """Manifests and indexes that the store has no longer."""
        for one in gone:
            self._database.change("DELETE FROM repository_digest WHERE here = ?", (one,))

    def images(self) -> set[Digest]:
        """Every ``here`` that is noted."""
        return {Digest(row[0]) for row in self._database.query("SELECT DISTINCT here FROM repository_digest")}

    def note_blobs(self, repository: str, digests: Iterable[Digest]) -> None:
        """These blobs came from the repository, or were sent to it."""
        now = time.time_ns()
        rows = [(digest, repository, now) for digest in digests]

        def save(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO blob_home VALUES (?, ?, ?)", rows)
            connection.execute(
                "DELETE FROM blob_home WHERE used < (SELECT used FROM blob_home ORDER BY used DESC LIMIT 1 OFFSET ?)",
                (LIMIT,),
            )

        if rows:
            self._database.write(save)

    def homes(self, digest: Digest, domain: str) -> list[str]:
        """Repositories of one registry that had the blob, the latest first."""
        rows = self._database.query(
            "SELECT repository FROM blob_home WHERE digest = ? AND repository GLOB ? ORDER BY used DESC, repository",
            (digest, f"{domain.replace('[', '[[]')}/*"),
        )
        return [row[0] for row in rows]

    def forget_home(self, digest: Digest, repository: str) -> None:
        """It has the blob no longer."""
        self._database.change("DELETE FROM blob_home WHERE digest = ? AND repository = ?", (digest, repository))

    def note_recompressed(self, diff_id: DiffID, method: str, blob: Descriptor) -> None:
        """``method`` (``zstd:3``) made ``blob`` of the layer."""
        self._database.change(
            "INSERT OR REPLACE INTO recompressed VALUES (?, ?, ?, ?, ?)",
            (diff_id, method, blob.media_type, blob.digest, blob.size),
        )

    def recompressed(self, diff_id: DiffID, method: str) -> Descriptor | None:
        """What ``method`` made of the layer before; the blob need not be in the store."""
        rows = self._database.query(
            "SELECT media_type, digest, size FROM recompressed WHERE diff_id = ? AND method = ?", (diff_id, method)
        )
        return Descriptor(rows[0][0], Digest(rows[0][1]), rows[0][2]) if rows else None

"""Short texts that are worth keeping between commands and may be lost: what a build was the last time, sums that
were worked out from layers. Each kind keeps a number of them, the least recently written go first."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping

from lamella.store.database import Database

#: notes of one kind at most
LIMIT = 2000


class Notes:
    """Texts by kind and key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, kind: str, key: str) -> str | None:
        rows = self._database.query("SELECT text FROM note WHERE kind = ? AND key = ?", (kind, key))
        return rows[0][0] if rows else None

    def put(self, kind: str, texts: Mapping[str, str]) -> None:
        """Keeps ``texts`` by key, in place of what was there."""
        now = time.time_ns()
        rows = [(kind, key, now, text) for key, text in texts.items()]

        def save(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?)", rows)
            connection.execute(
                "DELETE FROM note WHERE kind = ? AND key IN "
                "(SELECT key FROM note WHERE kind = ? ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (kind, kind, LIMIT),
            )

        self._database.write(save)

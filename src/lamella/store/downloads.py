"""What servers said of files that were downloaded: with that they can be asked whether anything has changed."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from lamella.store.database import Database


class Remembered(NamedTuple):
    """``etag`` and ``modified`` as the server wrote them; ``digest`` is the sha256 of the content, 64 hex digits."""

    etag: str
    modified: str
    digest: str


class Downloads:
    """By address. An address itself, which may hold a password, is not kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, address: str) -> Remembered | None:
        rows = self._database.query("SELECT value FROM meta WHERE key = ?", (_key(address),))
        try:
            return Remembered(*map(str, json.loads(rows[0][0]))) if rows else None
        except (ValueError, TypeError):
            return None

    def put(self, address: str, one: Remembered) -> None:
        """Replaces what was known. A server that names neither tag nor time cannot be asked: nothing is kept then."""
        if one.etag or one.modified:
            self._database.change("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_key(address), json.dumps(one)))


def _key(address: str) -> str:
    return f"download {hashlib.sha256(address.encode('utf-8', 'surrogateescape')).hexdigest()}"

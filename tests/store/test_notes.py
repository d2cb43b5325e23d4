"""Notes: short texts by kind and key."""

from __future__ import annotations

import pytest

from lamella.store import notes
from lamella.store.store import Store


def test_a_note_replaces_the_one_before(store: Store) -> None:
    store.notes.put("kind", {"a": "1", "b": "2"})
    store.notes.put("kind", {"a": "3"})
    assert [store.notes.get("kind", key) for key in ("a", "b", "c")] == ["3", "2", None]
    assert store.notes.get("other", "a") is None


def test_the_oldest_of_a_kind_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "LIMIT", 2)
    store.notes.put("other", {"a": "1"})
    for key in ("a", "b", "c"):
        store.notes.put("kind", {key: key})
    assert [store.notes.get("kind", key) for key in ("a", "b", "c")] == [None, "b", "c"]
    assert store.notes.get("other", "a") == "1"

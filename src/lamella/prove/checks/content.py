"""Size and content of a file, by digest."""

from __future__ import annotations

from lamella.filetree.entry import FILE, Entry

NAME = "content"
_SHOWN = 12  # hex digits of a digest, as people read them


def compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None:
    if a.kind != FILE or b.kind != FILE or (a.size, a.digest) == (b.size, b.digest):
        return None
    return _content(a), _content(b)


def _content(entry: Entry) -> str:
    digest = f"sha256:{entry.digest[:_SHOWN]}" if entry.digest else "digest not known"
    return f"{entry.size} bytes, {digest}"

"""What a step read then and now, file by file: the lines of two values of :class:`lamella.build.cache.Contents`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lamella.events import MissReason

#: reasons that name a file, at most; more are counted
NAMED = 20
#: what the fields of a line are called
_ASPECTS = ("type", "mode", "owner", "link", "content", "attributes")


class _Line(NamedTuple):
    kind: str
    mode: str
    owner: str
    link: str
    digest: str
    extra: str


def file_changes(before: bytes, after: bytes) -> list[MissReason]:
    """A reason for each file that is not the same in both, at most NAMED and one that counts the rest. Folders that
    came or went are named only where no file in them says it already."""
    old, new = dict(_parse(before)), dict(_parse(after))
    changed = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    full = {folder for path in changed for folder in _above(path)}
    reasons = []
    for path in changed:
        was, now = old.get(path), new.get(path)
        if (was is None or now is None) and path in full:
            continue
        reasons.append(_reason(path, was, now))
    if len(reasons) > NAMED:
        return [*reasons[:NAMED], MissReason("more-files", after=str(len(reasons) - NAMED))]
    return reasons


def _reason(path: str, was: _Line | None, now: _Line | None) -> MissReason:
    name = path or "."
    if was is None or now is None:
        return MissReason("file", name, "new" if was is None else "gone")
    different = [number for number in range(len(was)) if was[number] != now[number]]
    # What has another type differs in all else, too.
    named = different[:1] if different[0] == 0 else different
    change = ", ".join(_ASPECTS[number] for number in named)
    before, after = (was[named[0]], now[named[0]]) if len(named) == 1 else ("", "")
    return MissReason("file", name, change, before, after)


def _above(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def _parse(data: bytes) -> Iterator[tuple[str, _Line]]:
    """Paths in the source with what was said of them. Names may hold line breaks: only the NULs count."""
    text = data.decode("utf-8", "surrogateescape")
    at = 0
    while at < len(text):
        end = text.index("\0", at)
        count, _, top = text[at:end].partition(" ")
        at = end + 1
        for _ in range(int(count)):
            fields, at = _fields(text, at)
            path, *rest = fields
            yield "/".join(part for part in (top, path) if part), _Line(*rest)


def _fields(text: str, at: int) -> tuple[Sequence[str], int]:
    fields = []
    for _ in range(6):
        end = text.index("\0", at)
        fields.append(text[at:end])
        at = end + 1
    end = text.index("\n", at)
    return [*fields, text[at:end]], end + 1

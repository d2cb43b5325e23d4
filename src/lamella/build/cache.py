"""The build cache: a step's layer, found by what the step depends on.

A key is made of the chain ID below the step, the step's definition, and for COPY the names, metadata and content of
its files, never their times. The chain ID is of the layers themselves, so a step made again with an equal result
brings the rest of the stage back from the cache.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping

from lamella.build.copyplan import Found
from lamella.build.level import Level, chain_of
from lamella.build.machine import Machine, content_size
from lamella.filetree.entry import FILE, Entry
from lamella.layer.packed import PackedLayer
from lamella.plan.key import cache_key
from lamella.store.cache import CacheRecord


def prefix_of(level: Level | None, definition: bytes) -> str:
    """The key without the contents."""
    return cache_key(chain_of(level) or "", definition)


def find(machine: Machine, level: Level | None, definition: bytes, contents: str = "") -> CacheRecord | None:
    """None also where the level below is still being packed: it was made just now, so what follows cannot be known.
    And where the layer may hold times that are later than SOURCE_DATE_EPOCH allows."""
    if level is not None and not level.settled:
        return None
    found = machine.store.cache.get(cache_key(chain_of(level) or "", definition, contents))
    return found if found is None or fits_epoch(found, machine.epoch) else None


def fits_epoch(record: CacheRecord, epoch: int | None) -> bool:
    """Whether the layer is what a build with this SOURCE_DATE_EPOCH makes: one that was made with another has other
    times in it, and the same inputs would give another digest. Without one any layer will do."""
    if epoch is None:
        return True
    limit = epoch * 10**9
    return record.created == limit or (record.created < limit and limit > time.time_ns())


def may_hit(machine: Machine, level: Level | None, definition: bytes) -> bool:
    """Whether looking at the contents can be worth it: is anything known of this step on this base?"""
    return machine.store.cache.has_definition(prefix_of(level, definition))


def record(
    machine: Machine, level: Level | None, definition: bytes, contents: str, packed: PackedLayer, *, seconds: float
) -> str:
    """Remembers the layer a step made on ``level`` (waits for the level's own packing). Returns the key."""
    below = chain_of(level) or ""
    key = cache_key(below, definition, contents)
    machine.store.cache.put(
        CacheRecord(
            key=key,
            prefix=cache_key(below, definition),
            layer=packed.ref,
            parent_chain=below,
            content_size=content_size(packed.entries),
            seconds=seconds,
            created=machine.started,
            definition=definition,
            contents=contents,
        ),
        getattr(contents, "lines", b""),
    )
    return key


class Contents(str):
    """A digest of contents, 64 hex digits (several, where they were joined), that remembers in ``lines`` what it was
    made of, to tell a miss by.

    These are the very lines that were digested, so what they do not say cannot have caused a miss. Before the lines of
    each thing that a source pattern named stand their number and its path in the source, ended by NUL."""

    lines: bytes = b""


def line_of(path: str, identity: str) -> bytes:
    """The line of what has no other metadata than a path, or an address, and what it is."""
    return f"1 {path}\0\0{FILE}\0\0\0\0{identity}\0\n".encode("utf-8", "surrogateescape")


def join_contents(parts: Iterable[Contents]) -> Contents:
    """Several of them as one, in their order."""
    parts = list(parts)
    joined = Contents(" ".join(parts))
    joined.lines = b"".join(part.lines for part in parts)
    return joined


def contents_key(
    found: Iterable[Found], digests: dict[str, str], links: Mapping[str, str], *, with_owner: bool
) -> Contents:
    """One digest over all that COPY reads: names, kinds, modes, owners (``with_owner``), link targets, contents.
    ``links`` are, by path, the first names of files that have several."""
    state = hashlib.sha256()
    kept: list[bytes] = []
    for one in found:
        state.update(f"{one.pattern}\0{one.name}\0".encode("utf-8", "surrogateescape"))
        top = one.entry._replace(path="") if one.entry.kind != "d" else Entry("", "d", 0)
        cut = len(one.path) + 1 if one.path else 0
        lines = [_line(top, digests.get(one.path, ""), 0, "", with_owner)]
        for entry in one.below:
            path = entry.path
            lines.append(_line(entry, digests.get(path, ""), cut, links.get(path, ""), with_owner))
        block = b"".join(lines)
        state.update(block)
        kept += (f"{len(lines)} {one.path}\0".encode("utf-8", "surrogateescape"), block)
    contents = Contents(state.hexdigest())
    contents.lines = b"".join(kept)
    return contents


def _line(entry: Entry, digest: str, cut: int, first: str, with_owner: bool) -> bytes:
    owner = f"{entry.uid}:{entry.gid}" if with_owner else ""
    text = f"{entry.path[cut:]}\0{entry.kind}\0{entry.mode:o}\0{owner}\0{entry.link or first[cut:]}\0{digest}\0"
    line = text.encode("utf-8", "surrogateescape")
    if entry.major or entry.minor or entry.xattrs:
        line += repr((entry.major, entry.minor, entry.xattrs)).encode()
    return line + b"\n"

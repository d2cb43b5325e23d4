"""COPY and ADD: a layer packed straight from where the files lie."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from lamella.build.accounts import is_number, resolve_owner
from lamella.build.add_archive import add_archive, is_archive
from lamella.build.cache import Contents, contents_key, line_of
from lamella.build.copyplan import Found, find_sources, leaves_root, unmatched
from lamella.build.level import Level
from lamella.build.placement import Ownership, Placed, Placement
from lamella.build.sources import ContextSource, CopySource
from lamella.build.work import Outcome, Work
from lamella.errors import DockerfileError
from lamella.events import Note
from lamella.filetree import entry as kinds
from lamella.layer.packed import PackedLayer, PackItem
from lamella.plan.key import step_definition
from lamella.plan.mode import parse_mode
from lamella.plan.step import CopyStep

if TYPE_CHECKING:
    from lamella.build.remote_sources import RemoteSource


class _Inputs(NamedTuple):
    """What a step reads: ``found`` in ``source``, and what it fetches from elsewhere, each with its address."""

    source: CopySource
    found: tuple[Found, ...]
    remotes: tuple[tuple[str, RemoteSource], ...]

    def key(self, known: dict[str, str]) -> Contents:
        """One digest over all of it; ``known`` are digests of just now, by path in ``source``."""
        local = _key_of(self.source, self.found, known)
        if not self.remotes:
            return local
        identities = [(address, remote.identity()) for address, remote in self.remotes]
        text = "\n".join([local, *(identity for _, identity in identities)])
        contents = Contents(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest())
        contents.lines = local.lines + b"".join(line_of(*one) for one in identities)
        return contents


def execute_copy(work: Work, level: Level | None, step: CopyStep) -> Outcome:
    """Raises ContextError with ``file:line`` when a source names nothing or lies outside its root."""
    where = step.info.where
    definition = step_definition(step)
    inputs = _inputs(work, step)
    if work.may_be_cached(level, definition, alone=step.linked):
        cached = work.find_cached(level, definition, inputs.key({}), alone=step.linked)
        if cached is not None:
            return cached
    items, paths = _items(work, level, step, inputs)

    def contents(packed: PackedLayer) -> str:
        """The same key, from the digests that packing has computed anyway."""
        by_path = {entry.path: entry.digest for entry in packed.entries if entry.digest}
        return inputs.key({name: by_path[path] for name, path in paths.items() if path in by_path})

    return work.pack(level, lambda: items, definition, where, contents=contents, alone=step.linked)


def _inputs(work: Work, step: CopyStep) -> _Inputs:
    where = step.info.where
    source = work.open_source(step.source, where)
    found = find_sources(source, step.sources, step.excludes, where, parents=step.parents)
    for pattern in unmatched(step.sources, found, parents=step.parents):
        work.machine.emit(Note("warning", f"{pattern!r} matches no file", where))
    for pattern in step.sources:
        if leaves_root(pattern):
            message = f"{pattern!r} leads out of what is copied from; the '..' is dropped, as Docker does"
            work.machine.emit(Note("warning", message, where))
    if not step.remotes:
        return _Inputs(source, found, ())
    from lamella.build.remote_sources import remote_source
    from lamella.remote.address import without_credentials

    remotes = [(without_credentials(address), remote_source(work, step, address)) for address in step.remotes]
    return _Inputs(source, found, tuple(remotes))


def _key_of(source: CopySource, found: tuple[Found, ...], known: dict[str, str]) -> Contents:
    files = [entry for one in found for entry in (one.entry, *one.below) if entry.kind == kinds.FILE]
    digests = source.digests(files, known) if files else {}
    first: dict[object, str] = {}
    links: dict[str, str] = {}
    for entry in files:
        group = source.link_group(entry)
        if group is not None and first.setdefault(group, entry.path) != entry.path:
            links[entry.path] = first[group]
    return contents_key(found, digests, links, with_owner=not isinstance(source, ContextSource))


def _items(work: Work, level: Level | None, step: CopyStep, inputs: _Inputs) -> tuple[list[PackItem], dict[str, str]]:
    """What to pack, and where each file of the local source went (for the digests)."""
    placement = _place(work, level, step, inputs)
    if placement.overwritten is not None:
        message = f"several sources are written to {placement.overwritten}, each over the one before, as Docker does"
        work.machine.emit(Note("warning", f"{message}; end the destination with a slash", step.info.where))
    items: list[PackItem] = []
    paths: dict[str, str] = {}
    links: dict[object, str] = {}
    for placed in placement.placed():
        item = PackItem(placed.entry, placed.host_path, placed.data)
        if placed.root is not None and placed.entry.kind == kinds.FILE:
            item = _link_or_file(placed.root, placed, links)
            if placed.root is inputs.source:
                paths[placed.source] = item.entry.link or item.entry.path
        items.append(item)
    return items, paths


def _place(work: Work, level: Level | None, step: CopyStep, inputs: _Inputs) -> Placement:
    """Everything at its place: what is local, what comes from elsewhere, heredocs."""
    machine = work.machine
    below = machine.tree(None if step.linked else level)
    placement = Placement(below.get, _ownership(work, level, step), machine.made_at, step.info.where)
    own = [(inputs.source, one, step.unpack is not False) for one in inputs.found]
    fetched = [(*remote.fetch(), step.unpack is True) for _, remote in inputs.remotes]
    for root, one, unpack in (*own, *fetched):
        if step.add and unpack and is_archive(root, one.entry):
            add_archive(machine, placement, root.place(one.path), step.destination)
        else:
            placement.add(root, one, step.destination)
    for file in step.inline:
        placement.add_file(file.name, file.content, step.destination)
    return placement


def _link_or_file(source: CopySource, placed: Placed, links: dict[object, str]) -> PackItem:
    """The second and later names of one file become hard links to the first, where one word named them both."""
    entry = placed.entry
    original = source.lookup(placed.source)
    group = source.link_group(original) if original is not None else None
    if group is not None:
        first = links.setdefault((placed.match, group), entry.path)
        if first != entry.path:
            return PackItem(entry._replace(kind=kinds.HARDLINK, link=first, size=0, digest=""))
    return PackItem(entry._replace(kind=kinds.FILE, link=""), source.place(placed.source))


def _ownership(work: Work, level: Level | None, step: CopyStep) -> Ownership:
    mode = parse_mode(step.chmod) if step.chmod is not None else None
    if step.chown is None:
        return Ownership(mode=mode)
    if step.linked and not all(is_number(part) or part == "root" for part in step.chown.split(":", 1)):
        raise DockerfileError(
            f"--chown={step.chown} with --link: names are looked up below the layer, which --link must not read",
            where=step.info.where,
            hint="give numbers, --chown=UID:GID, or leave out --link",
        )
    what = f"--chown={step.chown}"
    uid, gid = resolve_owner(work.machine, None if step.linked else level, step.chown, what, step.info.where)
    return Ownership(uid, gid, mode)

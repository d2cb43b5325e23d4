"""COPY and ADD: a layer packed straight from where the files lie."""

from __future__ import annotations

from lamella.build.accounts import resolve_owner
from lamella.build.add_archive import add_archive, is_archive
from lamella.build.cache import contents_key
from lamella.build.copyplan import Found, find_sources, unmatched
from lamella.build.level import Level
from lamella.build.placement import Ownership, Placed, Placement
from lamella.build.sources import ContextSource, CopySource
from lamella.build.work import Outcome, Work
from lamella.errors import NotSupported
from lamella.events import Note
from lamella.filetree import entry as kinds
from lamella.layer.packed import PackedLayer, PackItem
from lamella.plan.key import step_definition
from lamella.plan.step import CopyStep


def refuse_unsupported(step: CopyStep) -> None:
    """Raises NotSupported for what parses and is not executed by this version."""
    for what, used in (
        (f"ADD of {step.remotes[0] if step.remotes else ''}", bool(step.remotes)),
        ("COPY --parents", step.parents),
        ("ADD --checksum", step.checksum is not None),
        ("ADD --unpack", step.unpack is not None),
        ("ADD --keep-git-dir", step.keep_git_dir),
    ):
        if used:
            raise NotSupported(
                f"{what} is not supported yet", where=step.info.where, hint="it parses; building it is to come"
            )


def execute_copy(work: Work, level: Level | None, step: CopyStep) -> Outcome:
    """Raises ContextError with ``file:line`` when a source names nothing or lies outside its root."""
    refuse_unsupported(step)
    where = step.info.where
    source = work.open_source(step.source, where)
    found = find_sources(source, step.sources, step.excludes, where)
    for pattern in unmatched(step.sources, found):
        work.machine.emit(Note("warning", f"{pattern!r} matches no file", where))
    definition = step_definition(step)
    if work.may_be_cached(level, definition):
        cached = work.find_cached(level, definition, _key_of(source, found, {}))
        if cached is not None:
            return cached
    items, paths = _items(work, level, step, source, found)

    def contents(packed: PackedLayer) -> str:
        """The same key, from the digests that packing has computed anyway."""
        by_path = {entry.path: entry.digest for entry in packed.entries if entry.digest}
        return _key_of(source, found, {name: by_path[path] for name, path in paths.items() if path in by_path})

    return work.pack(level, lambda: items, definition, where, contents=contents)


def _key_of(source: CopySource, found: tuple[Found, ...], known: dict[str, str]) -> str:
    files = [entry for one in found for entry in (one.entry, *one.below) if entry.kind == kinds.FILE]
    digests = source.digests(files, known)
    first: dict[object, str] = {}
    links: dict[str, str] = {}
    for entry in files:
        group = source.link_group(entry)
        if group is not None and first.setdefault(group, entry.path) != entry.path:
            links[entry.path] = first[group]
    return contents_key(found, digests, links, with_owner=not isinstance(source, ContextSource))


def _items(
    work: Work, level: Level | None, step: CopyStep, source: CopySource, found: tuple[Found, ...]
) -> tuple[list[PackItem], dict[str, str]]:
    """What to pack, and where each source file went (for the digests)."""
    machine, where = work.machine, step.info.where
    placement = Placement(
        machine.tree(level).get,
        _ownership(work, level, step),
        machine.made_at,
        where,
        several=len(found) + len(step.inline) > 1,
    )
    for one in found:
        if step.add and is_archive(source, one.entry):
            add_archive(machine, placement, source.place(one.path), step.destination)
        else:
            placement.add(one, step.destination)
    for file in step.inline:
        placement.add_file(file.name, file.content, step.destination)
    items: list[PackItem] = []
    paths: dict[str, str] = {}
    links: dict[object, str] = {}
    for placed in placement.placed():
        item = PackItem(placed.entry, placed.host_path, placed.data)
        if placed.source and placed.entry.kind == kinds.FILE:
            item = _link_or_file(source, placed, links)
            paths[placed.source] = item.entry.link or item.entry.path
        items.append(item)
    return items, paths


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
    where = step.info.where
    mode = None
    if step.chmod is not None:
        if not step.chmod or set(step.chmod) - set("01234567") or len(step.chmod) > 5:
            raise NotSupported(
                f"--chmod={step.chmod}: symbolic modes are not supported yet", where=where, hint="write --chmod=755"
            )
        mode = int(step.chmod, 8) & 0o7777
    if step.chown is None:
        return Ownership(mode=mode)
    uid, gid = resolve_owner(work.machine, level, step.chown, f"--chown={step.chown}", where)
    return Ownership(uid, gid, mode)

"""COPY and ADD: a layer packed straight from where the files lie."""

from __future__ import annotations

from lamella.build.accounts import read_image_file
from lamella.build.add_archive import archive_items, is_archive
from lamella.build.cache import contents_key
from lamella.build.copyplan import Found, Ownership, Placement, find_sources
from lamella.build.level import Level
from lamella.build.sources import CopySource
from lamella.build.work import Outcome, Work
from lamella.errors import ContextError, DockerfileError, LamellaError, NotSupported
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.layer.packed import PackedLayer, PackItem
from lamella.plan.key import step_definition
from lamella.plan.step import CopyStep, SourceContext


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
    try:
        found = find_sources(source, step.sources, step.excludes, where)
        if len(found) + len(step.inline) > 1 and not step.destination.endswith(("/", "/.")):
            raise ContextError(
                f"{len(found) + len(step.inline)} sources and a destination that is no folder: {step.destination}",
                where=where,
                hint=f"write the destination with a slash at its end: {step.destination}/",
            )
        definition = step_definition(step)
        if work.may_be_cached(level, definition):
            cached = work.find_cached(level, definition, _key_of(source, step, found, {}))
            if cached is not None:
                return cached
        items, paths = _items(work, level, step, source, found)
    except LamellaError as error:
        error.where = error.where or where
        raise

    def contents(packed: PackedLayer) -> str:
        """The same key, from the digests that packing has computed anyway."""
        by_path = {entry.path: entry.digest for entry in packed.entries if entry.digest}
        return _key_of(source, step, found, {name: by_path[path] for name, path in paths.items() if path in by_path})

    return work.pack(level, lambda: items, definition, where, contents=contents)


def _key_of(source: CopySource, step: CopyStep, found: tuple[Found, ...], known: dict[str, str]) -> str:
    files = [entry for one in found for entry in (one.entry, *one.below) if entry.kind == kinds.FILE]
    digests = source.digests(files, known)
    return contents_key(found, digests, with_owner=not isinstance(step.source, SourceContext))


def _items(
    work: Work, level: Level | None, step: CopyStep, source: CopySource, found: tuple[Found, ...]
) -> tuple[list[PackItem], dict[str, str]]:
    """What to pack, and where each source file went (for the digests)."""
    machine = work.machine
    tree = machine.tree(level)
    made_at = machine.started // 10**9 * 10**9
    placement = Placement(tree.get, _ownership(work, level, step), made_at, step.info.where)
    archives: list[PackItem] = []
    inline: dict[str, bytes] = {}
    for file in step.inline:
        inline[placement.add_file(file.name, len(file.content), step.destination)] = file.content
    for one in found:
        if step.add and isinstance(step.source, SourceContext) and is_archive(source, one.entry):
            archives += archive_items(machine, placement, source.place(one.path), step.destination, step.info.where)
        else:
            placement.add(one, step.destination)
    items: list[PackItem] = []
    paths: dict[str, str] = {}
    links: dict[object, str] = {}
    for placed in placement.placed():
        entry = placed.entry
        if entry.path in inline:
            items.append(PackItem(entry, data=inline[entry.path]))
            continue
        host_path = None
        if entry.kind == kinds.FILE:
            entry, host_path = _link_or_file(source, placed.source, entry, links)
            paths[placed.source] = entry.link if host_path is None else entry.path
        items.append(PackItem(entry, host_path))
    if archives:
        taken = {item.entry.path for item in archives}
        items = [item for item in items if item.entry.path not in taken] + archives
    return items, paths


def _link_or_file(source: CopySource, path: str, entry: Entry, links: dict[object, str]) -> tuple[Entry, str | None]:
    """The second and later names of one file become hard links to the first."""
    original = source.lookup(path)
    group = source.link_group(original) if original is not None else None
    if group is not None and group in links:
        return entry._replace(kind=kinds.HARDLINK, link=links[group], size=0, digest=""), None
    if group is not None:
        links[group] = entry.path
    return entry._replace(kind=kinds.FILE, link=""), source.place(path)


def _ownership(work: Work, level: Level | None, step: CopyStep) -> Ownership:
    where = step.info.where
    mode = None
    if step.chmod is not None:
        if not step.chmod or set(step.chmod) - set("01234567") or len(step.chmod) > 5:
            raise NotSupported(f"--chmod={step.chmod} is not an octal mode", where=where, hint="write --chmod=755")
        mode = int(step.chmod, 8) & 0o7777
    if step.chown is None:
        return Ownership(mode=mode)
    if step.chown.isdecimal():  # Docker: a bare number is the user and the group
        return Ownership(int(step.chown), int(step.chown), mode)
    from lamella.runtime.users import resolve_user

    try:
        account = resolve_user(step.chown, lambda name: read_image_file(work.machine, level, name))
    except LamellaError as error:
        raise DockerfileError(f"--chown={step.chown}: {error.message}", where=where, hint=error.hint) from None
    return Ownership(account.uid, account.gid, mode)

"""``RUN --mount=type=bind``: files of the build context, a stage or an image, without copying them into the layer."""

from __future__ import annotations

import os

from lamella.build.cache import Contents, contents_key
from lamella.build.copyplan import find_exactly
from lamella.build.mounts.surroundings import Files, Ready, Surroundings, Wanted
from lamella.build.sources import ArchiveContext, ContextSource, TreeSource
from lamella.build.work import Work
from lamella.filetree import entry as kinds
from lamella.plan.step import MountStep
from lamella.runtime.protocol import BindMount

#: what a read-only mount keeps from being written; a named pipe is the user's own however it is mounted, and a device
#: does not come with a context at all
_HARMLESS = (kinds.FILE, kinds.DIRECTORY, kinds.SYMLINK)


def find_files(work: Work, step: MountStep, where: str) -> Files:
    """Looks the source up; waits for a stage. Raises ContextError where the path is not there."""
    assert step.source is not None
    source = work.open_source(step.source, where)
    return Files(source, find_exactly(source, step.source_path, where))


def contents_of(files: Files) -> Contents:
    """A digest of all that is mounted, as COPY makes one, for the cache key. What the path was called is not in it."""
    source, found = files
    regular = [entry for entry in (found.entry, *found.below) if entry.kind == kinds.FILE]
    nameless = found._replace(pattern="", name="")
    with_owner = not isinstance(source, ContextSource)
    return contents_key((nameless,), source.digests(regular, {}), {}, with_owner=with_owner)


def changed_since(files: Files) -> bool:
    """Whether files of a context are not any more what was looked at (a stage's and an image's never change)."""
    source, found = files
    if not isinstance(source, ContextSource):
        return False
    for entry in (found.entry, *found.below):
        before = source.stats[entry.path]
        try:
            now = os.lstat(source.place(entry.path) if entry.path else f"{source.root}/.")
        except OSError:
            return True
        if before is None or _stamp(before) != _stamp(now):
            return True
    return False


def _stamp(about: os.stat_result) -> tuple[int, ...]:
    return about.st_mode, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def open_bind(wanted: Wanted, around: Surroundings) -> Ready:
    """The container can write to a throw-away at most. Where it has all capabilities it could turn a read-only mount of
    the real thing into a writable one, so it is given a throw-away then, too."""
    step, files = wanted
    assert files is not None
    private = not step.readonly or around.step.security == "insecure"
    source, found = files
    if isinstance(source, ContextSource):
        path = _copy(files, around) if private or not _is_all_of(files) else source.place(found.path)
    elif isinstance(source, ArchiveContext):
        path = _copy(files, around)
    elif private:
        assert isinstance(source, TreeSource) and source.open_workspace is not None
        workspace = source.open_workspace()
        around.open.callback(workspace.discard)
        path = f"{workspace.root}/{found.path}"
    else:
        path = source.place(found.path)
    return Ready(BindMount(step.target, path.rstrip("/") or "/", step.readonly))


def _is_all_of(files: Files) -> bool:
    """Whether the context's folder itself can be shown: it costs nothing, and is what common small mounts and builds
    by root come to. In BuildKit all files of a context belong to root and the ignored ones are not there, so it is
    right only where the same is true on the disk. Idmapped mounts and overlays could stretch this a little further;
    neither works on every file system, while a copy always does."""
    source, found = files
    assert isinstance(source, ContextSource)
    names: dict[str, set[str]] = {}
    for entry in (found.entry, *found.below):
        about = source.stats[entry.path]
        if about is None or about.st_uid or about.st_gid or entry.kind not in _HARMLESS:
            return False
        if entry.kind == kinds.DIRECTORY:
            names[entry.path] = set()
        if entry is not found.entry:
            parent, _, name = entry.path.rpartition("/")
            names[parent].add(name)
    try:
        complete = all(set(os.listdir(source.place(folder))) == there for folder, there in names.items())
    except OSError:
        return False
    return complete and not _has_mounts_below(os.path.realpath(source.place(found.path)))


def _has_mounts_below(path: str) -> bool:
    """Mounting a folder read-only leaves mounts inside of it as they are: one could write there. Source: proc(5), where
    blanks and the like in a path are said to be written as octal numbers."""
    with open("/proc/self/mountinfo", "rb") as lines:
        points = (line.split(b" ", 5)[4] for line in lines)
        start = os.fsencode(path.rstrip("/")) + b"/"
        for character in b"\\ \t\n":
            start = start.replace(bytes((character,)), b"\\%03o" % character)
        return any(point.startswith(start) for point in points)


def _copy(files: Files, around: Surroundings) -> str:
    """A copy of the context's files that goes with the step; its place."""
    from lamella.build.mounts.filecopy import copy_files
    from lamella.snapshot.erase import erase
    from lamella.store.disk import disk_errors

    folder = around.work.machine.store.temporary_path(".mount")
    around.open.callback(erase, folder)
    with disk_errors(folder, "copy files of the build context for a mount"):
        os.mkdir(folder, 0o700)
        copy_files(files, f"{folder}/files")
    return f"{folder}/files"

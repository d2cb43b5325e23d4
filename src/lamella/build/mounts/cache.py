"""``RUN --mount=type=cache``: a folder that outlives the build and is in no layer."""

from __future__ import annotations

import os

from lamella.build.mounts.bind import contents_of
from lamella.build.mounts.cachefolders import CacheFolders
from lamella.build.mounts.surroundings import Ready, Surroundings, Wanted
from lamella.errors import DockerfileError
from lamella.events import Note
from lamella.filetree import entry as kinds
from lamella.runtime.protocol import BindMount
from lamella.store.store import Store
from lamella.userns.ids import give

_MODE = 0o755
_PATIENCE = 0.05  # seconds between two looks at a cache that another step has locked


def cache_folders(store: Store) -> CacheFolders:
    return CacheFolders(f"{store.root}/lamella/caches")


class Caches:
    """The caches of one step: one that is mounted twice is the same folder twice, and is not waited for."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def open(self, wanted: Wanted, around: Surroundings) -> Ready:
        key = _key(wanted)
        if key not in self._open:
            self._open[key] = _open(key, wanted, around)
        return Ready(BindMount(wanted.step.target, self._open[key], wanted.step.readonly))


def _has_owner(wanted: Wanted) -> bool:
    """Whether it begins as an empty folder of a mode or owner. As in BuildKit that comes before ``from``, unless there
    is a ``source``."""
    step = wanted.step
    return not step.source_path and (step.mode is not None or bool(step.uid or step.gid))


def _key(wanted: Wanted) -> str:
    """Caches of one id that begin otherwise are others, as in BuildKit."""
    step = wanted.step
    parts = [step.id]
    if _has_owner(wanted):
        parts += ["empty", f"{_mode(wanted):o}", f"{step.uid}:{step.gid}"]
    elif wanted.files is not None:
        parts += ["from", contents_of(wanted.files)]
    return "\0".join(parts)


def _mode(wanted: Wanted) -> int:
    return _MODE if wanted.step.mode is None else wanted.step.mode & 0o7777


def _open(key: str, wanted: Wanted, around: Surroundings) -> str:
    step, machine = wanted.step, around.work.machine
    told: list[bool] = []

    def wait() -> None:
        if not told:
            machine.emit(Note("info", f"waits for the cache {step.id}, which another step uses", around.where))
            told.append(True)
        machine.cancelled.wait(_PATIENCE)
        machine.check_cancelled()

    def fill(place: str) -> None:
        if wanted.files is not None and not _has_owner(wanted):
            from lamella.build.mounts.filecopy import copy_files

            copy_files(wanted.files, place)
            return
        os.mkdir(place, 0o700)
        os.chmod(place, _mode(wanted))
        give(place, step.uid, step.gid, around.where)

    if wanted.files is not None and wanted.files.found.entry.kind != kinds.DIRECTORY:
        raise DockerfileError(
            f"the cache {step.id} cannot begin as {step.source_path!r}, which is no folder",
            where=around.where,
            hint="name a folder with source=",
        )
    return around.open.enter_context(cache_folders(machine.store).use(key, step.sharing, fill, wait))

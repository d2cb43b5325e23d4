"""WORKDIR: a layer with the folders that were missing."""

from __future__ import annotations

from lamella.build.accounts import resolve_owner
from lamella.build.level import Level
from lamella.build.placement import new_folder
from lamella.build.sources import follow
from lamella.build.work import Outcome, Work
from lamella.errors import DockerfileError
from lamella.filetree import entry as kinds
from lamella.layer.packed import PackItem
from lamella.plan.key import step_definition
from lamella.plan.step import WorkdirStep


def execute_workdir(work: Work, level: Level | None, step: WorkdirStep) -> Outcome:
    """A layer always, as BuildKit makes it (an empty one where the folder exists), but for ``/``."""
    if step.path.strip("/") == "":
        return Outcome(level)
    definition = step_definition(step)
    cached = work.find_cached(level, definition)
    if cached is not None:
        return cached
    items = _missing_folders(work, level, step)
    return work.pack(level, lambda: items, definition, step.info.where)


def _missing_folders(work: Work, level: Level | None, step: WorkdirStep) -> list[PackItem]:
    machine, where = work.machine, step.info.where
    tree = machine.tree(level)
    items: list[PackItem] = []
    owner: tuple[int, int] | None = None
    parent, done = tree.get(""), ""
    for part in follow(tree.get, step.path).split("/"):
        done = f"{done}/{part}" if done else part
        existing = tree.get(done)
        if existing is not None and existing.kind != kinds.DIRECTORY:
            raise DockerfileError(
                f"WORKDIR {step.path}: /{done} is not a folder in the image", where=where, hint="choose another path"
            )
        if existing is None:
            existing = new_folder(done, parent, machine.made_at)
            if step.user:
                owner = owner or resolve_owner(machine, level, step.user, f"USER {step.user}", where)
                existing = existing._replace(uid=owner[0], gid=owner[1])
        items.append(PackItem(existing))
        parent = existing
    return items if done not in tree else []

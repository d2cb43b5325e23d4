"""WORKDIR: a layer with the folders that were missing."""

from __future__ import annotations

from lamella.build.accounts import read_image_file
from lamella.build.level import Level
from lamella.build.sources import follow
from lamella.build.work import Outcome, Work
from lamella.errors import DockerfileError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
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
    from lamella.runtime.users import resolve_user

    machine = work.machine
    tree = machine.tree(level)
    path = follow(tree.get, step.path)
    account = resolve_user(step.user, lambda name: read_image_file(machine, level, name))
    items: list[PackItem] = []
    made = False
    done = ""
    for part in path.split("/"):
        done = f"{done}/{part}" if done else part
        existing = tree.get(done)
        if existing is not None and existing.kind != kinds.DIRECTORY:
            raise DockerfileError(f"WORKDIR {step.path}: /{done} is not a folder in the image", where=step.info.where)
        if existing is None:
            made = True
            existing = Entry(
                done, kinds.DIRECTORY, 0o755, account.uid, account.gid, mtime=machine.started // 10**9 * 10**9
            )
        items.append(PackItem(existing))
    return items if made else []

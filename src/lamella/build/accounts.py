"""Users of an image, by its own passwd and group files."""

from __future__ import annotations

from lamella.build.level import Level, stack
from lamella.build.machine import Machine
from lamella.build.sources import follow
from lamella.errors import DockerfileError, LamellaError
from lamella.filetree import entry as kinds
from lamella.filetree.tree import resolved

_LIMIT = 4 << 20  # a passwd file larger than this is no passwd file


def resolve_owner(machine: Machine, level: Level | None, spec: str, what: str, where: str) -> tuple[int, int]:
    """uid and gid for ``user[:group]`` as Docker gives them to files: a bare number is the group too, and ``root`` is 0
    whatever the image says.

    Raises DockerfileError with ``where`` for a name that the image does not know; ``what`` begins its message."""
    from lamella.runtime.users import resolve_user

    spec = ":".join("0" if part == "root" else part for part in spec.split(":", 1))
    try:
        if is_number(spec):
            account = resolve_user(f"{spec}:{spec}", lambda path: None)
        else:
            account = resolve_user(spec, lambda path: read_image_file(machine, level, path))
    except LamellaError as error:
        raise DockerfileError(f"{what}: {error.message}", where=where, hint=error.hint) from None
    return account.uid, account.gid


def is_number(text: str) -> bool:
    """Whether a user or group is given by its number; Python would take other digits, too."""
    return text.isascii() and text.isdigit()


def read_image_file(machine: Machine, level: Level | None, path: str) -> bytes | None:
    """A small file of the level, from a layer that has its content; None where it is not a regular file."""
    tree = machine.tree(level)
    entry = tree.get(follow(tree.get, path))
    if entry is None:
        return None
    entry = resolved(tree, entry)
    if entry.kind != kinds.FILE or entry.size > _LIMIT:
        return None
    for one in reversed(stack(level)):
        for found in machine.contents(one.layer):
            if found.kind == kinds.FILE and found.digest == entry.digest:
                return _read_from_layer(machine, one, found.path)
    return None


def _read_from_layer(machine: Machine, level: Level, path: str) -> bytes | None:
    from lamella.layer.compression import open_decompressed
    from lamella.layer.read import read_entries

    layer = level.layer
    where = str(layer.blob.digest)
    with machine.store.blobs.open_blob(layer.blob) as stream, open_decompressed(stream, where=where) as tar:
        for entry, content in read_entries(tar, where):
            if entry.path == path and content is not None:
                return content.read()
    return None

"""A build context that comes as a tar archive."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

from lamella.errors import ContextError, LamellaError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.filetree.tree import merge_layers
from lamella.store.store import Store


@contextmanager
def unpacked_context(stream: BinaryIO, store: Store, where: str) -> Iterator[tuple[str, Mapping[str, Entry]]]:
    """Unpacks the archive, compressed or not, into a temporary folder of the store that goes at the end (or, after a
    kill, with the next process that uses the store); gives the folder and the tree of what is in it. ``where`` names
    the archive. Raises ContextError for one that is broken or hostile."""
    from lamella.layer.rootdir import remove_tree

    folder = store.temporary_path(".context")
    os.mkdir(folder, 0o700)
    parent = os.open(os.path.dirname(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder, _unpack(stream, folder, where)
    finally:
        try:
            remove_tree(os.path.basename(folder), parent)
        finally:
            os.close(parent)


def _unpack(stream: BinaryIO, folder: str, where: str) -> Mapping[str, Entry]:
    from lamella.layer.compression import open_decompressed
    from lamella.layer.unpack import unpack_entries

    try:
        with open_decompressed(stream, where) as tar:
            members = _members(tar, where)
            entries = unpack_entries(members, folder, where, privileged=os.geteuid() == 0, digests=True)
        return merge_layers([entries])
    except LamellaError as error:
        if error.exit_code != ContextError.exit_code:
            raise
        hint = error.hint or "the archive is broken or hostile: look into it by 'tar -tv'"
        raise ContextError(error.message, where=error.where, hint=hint) from None


def _members(tar: BinaryIO, where: str) -> Iterator[tuple[Entry, BinaryIO | None]]:
    from lamella.layer.read import read_entries

    for entry, content in read_entries(tar, where):
        if entry.kind in (kinds.WHITEOUT, kinds.OPAQUE):
            raise ContextError(
                f"the archive holds a file whose name begins with .wh., in the place of {entry.path!r}",
                where=where,
                hint="such names remove files in layers; leave it out of the archive",
            )
        yield entry, content

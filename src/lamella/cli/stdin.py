"""``lamella build -``: a Dockerfile, or a whole context as an archive, on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamella.cli.dockerfile import LIMIT, NAMES, DockerfileText
from lamella.errors import DockerfileError, InputError, LamellaError, UsageError

if TYPE_CHECKING:
    from lamella.filetree.entry import Entry
    from lamella.store.store import Store

_WHERE = "standard input"
BLOCK = 512


class StdinSource(NamedTuple):
    """``tree`` is what the context holds that came as an archive; None for a Dockerfile alone."""

    dockerfile: DockerfileText
    tree: Mapping[str, Entry] | None


@contextmanager
def read_stdin(store: Store, file: str | None) -> Iterator[StdinSource]:
    """What came; an unpacked context is there until the end. ``file`` is ``-f``, a path inside the archive. Raises
    UsageError, InputError, DockerfileError, ContextError."""
    if file == "-":
        raise UsageError("standard input cannot be both the context and the Dockerfile", hint="leave out -f -")
    if sys.stdin.isatty():
        raise UsageError(
            "a Dockerfile or an archive is expected on standard input, and it is a terminal",
            hint="lamella build - < Dockerfile, or tar -c . | lamella build -",
        )
    stream = sys.stdin.buffer
    start = _peek(stream)
    if not is_archive(start):
        yield StdinSource(_dockerfile_alone(stream, file), None)
        return
    from lamella.build.archivecontext import unpacked_context

    with unpacked_context(cast("BinaryIO", stream), store, _WHERE) as (folder, tree):
        yield StdinSource(dockerfile_inside(folder, tree, file), tree)


def _peek(stream: object) -> bytes:
    """The first block, which stays to be read; a pipe may bring less at a time."""
    start = b""
    while len(start) < BLOCK:
        more: bytes = stream.peek(BLOCK)  # type: ignore[attr-defined]
        if len(more) <= len(start):
            break
        start = more
    return start


def is_archive(start: bytes) -> bool:
    """As Docker tells: compressed by something, or with a first block that is a tar header."""
    from lamella.layer.decoders import detect_compression

    if detect_compression(start[:6]) != "none":
        return True
    if len(start) < BLOCK:
        return False
    from lamella.layer.tarformat import decode_header

    try:
        decode_header(start[:BLOCK], _WHERE)
    except LamellaError:
        return False
    return True


def _dockerfile_alone(stream: BinaryIO, file: str | None) -> DockerfileText:
    from lamella.syntax.parser import decode

    if file is not None:
        raise UsageError(
            f"both -f {file} and standard input are Dockerfiles",
            hint=f"build from a folder: lamella build -f {file} FOLDER, or leave out -f",
        )
    data = stream.read(LIMIT + 1)
    if not data:
        raise InputError("nothing came on standard input", hint="send a Dockerfile, or an archive of the context")
    return DockerfileText(decode(data, "-"), "-", None, None)


def dockerfile_inside(
    folder: str, tree: Mapping[str, Entry], file: str | None, where: str = _WHERE, what: str = "archive"
) -> DockerfileText:
    """The Dockerfile of a context that came from ``where``. Links are followed inside of it."""
    import os

    from lamella.build.sources import ArchiveContext, follow
    from lamella.filetree.entry import FILE
    from lamella.syntax.parser import decode

    context = ArchiveContext(tree, lambda: folder)
    for name in (file,) if file is not None else NAMES:
        path = follow(context.lookup, name)
        entry = context.lookup(path)
        if entry is None or entry.kind != FILE:
            continue
        if entry.size > LIMIT:
            raise DockerfileError("larger than 16 MiB, which no Dockerfile is", where=f"{name}:1")
        with open(os.open(context.place(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as opened:
            return DockerfileText(decode(opened.read(), name), name, None, folder)
    raise InputError(
        f"the {what} holds no {file or NAMES[0]}",
        where=where,
        hint=f"name the Dockerfile by its path in the {what} with -f FILE",
    )

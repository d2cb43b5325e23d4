"""``lamella build ADDRESS``: a git repository as the context, an archive of it behind a URL, or a Dockerfile alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lamella.cli.dockerfile import LIMIT, DockerfileText
from lamella.cli.stdin import BLOCK, StdinSource, dockerfile_inside, is_archive

if TYPE_CHECKING:
    from lamella.filetree.entry import Entry
    from lamella.store.store import Store

_GITHUB = "github.com/"


@contextmanager
def read_remote(address: str, store: Store, file: str | None, build_args: list[str]) -> Iterator[StdinSource]:
    """What is fetched is there until the end. ``file`` is ``-f``: a path in the context, or ``-`` for a Dockerfile on
    standard input; one of ``build_args`` says whether a repository keeps its ``.git``. Raises InputError,
    DockerfileError, ContextError, MachineError."""
    from lamella.build.remote_context import download_file, fetch_context
    from lamella.remote.address import is_git, without_credentials

    address = _with_scheme(address)
    shown = without_credentials(address)
    with ExitStack() as ends:

        def make_folder(suffix: str) -> str:
            return _temporary_folder(store, suffix, ends)

        if is_git(address):
            folder, tree = fetch_context(address, make_folder, keep_git_dir=_keeps_git_dir(build_args))
            yield StdinSource(_dockerfile(folder, tree, file, shown, "repository"), tree)
            return
        path = f"{make_folder('.download')}/file"
        download_file(address, path)
        with open(path, "rb") as stream:
            start = stream.read(BLOCK)
            stream.seek(0)
            if not is_archive(start):
                from lamella.syntax.parser import decode

                yield StdinSource(DockerfileText(decode(stream.read(LIMIT + 1), shown), shown, None, None), None)
                return
            from lamella.build.archivecontext import unpacked_context

            folder, unpacked = ends.enter_context(unpacked_context(stream, store, shown))
            yield StdinSource(_dockerfile(folder, unpacked, file, shown, "archive"), unpacked)


def _keeps_git_dir(build_args: list[str]) -> bool:
    """Docker's documentation, "BuildKit built-in build args"."""
    given = dict(arg.partition("=")[::2] for arg in build_args)
    return given.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "").lower() in ("1", "t", "true")


def _with_scheme(address: str) -> str:
    """``github.com/owner/name`` is one, for a build context alone. Source: BuildKit."""
    if not address.startswith(_GITHUB):
        return address
    path, mark, fragment = address.partition("#")
    return f"https://{path.removesuffix('.git')}.git{mark}{fragment}"


def _temporary_folder(store: Store, suffix: str, ends: ExitStack) -> str:
    from lamella.store.disk import disk_errors
    from lamella.store.lease import remove_any

    path = store.temporary_path(suffix)
    with disk_errors(path, "make a temporary folder"):
        os.mkdir(path)
    ends.callback(remove_any, path)
    return path


def _dockerfile(folder: str, tree: Mapping[str, Entry], file: str | None, shown: str, what: str) -> DockerfileText:
    if file != "-":
        return dockerfile_inside(folder, tree, file, shown, what)
    from lamella.syntax.parser import decode

    return DockerfileText(decode(sys.stdin.buffer.read(LIMIT + 1), "-"), "-", None, folder)

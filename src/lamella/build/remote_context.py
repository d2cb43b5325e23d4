"""Build contexts from elsewhere: a git repository, or a file behind a URL. As archives, without an ignore file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from typing import NamedTuple

from lamella.errors import InputError, MachineError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.remote.address import file_name, is_git, without_credentials
from lamella.remote.waiting import never

_CHUNK = 1 << 20
_FILE_MODE = 0o600
Path = Callable[[str], str]
"""Makes an empty folder whose name ends in what it is given; it goes at the end."""


class Fetched(NamedTuple):
    """``tree`` is what lies in ``folder``, with digests."""

    folder: str
    tree: Mapping[str, Entry]


def fetch_context(
    address: str, make_folder: Path, cancelled: Callable[[], bool] = never, *, keep_git_dir: bool = False
) -> Fetched:
    """A repository's files, with ``.git`` if the address or ``keep_git_dir`` says so, or a folder with the one file
    that is behind the URL. Raises InputError, MachineError."""
    if is_git(address):
        return _repository(address, make_folder, cancelled, keep_git_dir)
    folder = make_folder(".context")
    name = file_name(address)
    _, mtime = download_file(address, f"{folder}/{name}", cancelled)
    os.chmod(f"{folder}/{name}", _FILE_MODE)
    os.utime(f"{folder}/{name}", ns=(mtime, mtime))
    return Fetched(folder, scan(folder))


def download_file(url: str, path: str, cancelled: Callable[[], bool] = never) -> tuple[str, int]:
    """Into a new file; returns the sha256 and the mtime (ns)."""
    from lamella.remote.http import download
    from lamella.store.disk import disk_errors

    with disk_errors(path, "write what is downloaded"), open(path, "xb") as file:
        done = download(url, file.write, cancelled=cancelled)
    assert done is not None
    return done.digest, done.mtime


def _repository(address: str, make_folder: Path, cancelled: Callable[[], bool], keep: bool) -> Fetched:
    from lamella.remote.git import checkout, resolve
    from lamella.remote.repository import parse_repository

    one = parse_repository(address)
    found = resolve(one, make_folder(".git"), cancelled)
    folder = make_folder(".checkout")
    checkout(one, found, folder, make_folder(".git"), cancelled, keep=keep or bool(one.keep_git_dir))
    top = os.path.realpath(f"{folder}/{one.subdir}")
    if not f"{top}/".startswith(f"{os.path.realpath(folder)}/") or not os.path.isdir(top):
        where = without_credentials(address)
        raise InputError(f"the repository has no folder {one.subdir!r}", where=where, code="no-folder")
    return Fetched(top, scan(top))


def scan(folder: str) -> dict[str, Entry]:
    """Everything below a folder that nobody else writes to, owned by root."""
    tree: dict[str, Entry] = {}
    pending = [""]
    while pending:
        path = pending.pop()
        place = f"{folder}/{path}" if path else folder
        found = os.lstat(place)
        entry = Entry(path, kinds.DIRECTORY, stat.S_IMODE(found.st_mode), mtime=found.st_mtime_ns)
        if stat.S_ISDIR(found.st_mode):
            pending += [f"{path}/{name}" if path else name for name in os.listdir(place)]
        elif stat.S_ISLNK(found.st_mode):
            entry = entry._replace(kind=kinds.SYMLINK, link=os.readlink(place))
        elif stat.S_ISREG(found.st_mode):
            entry = entry._replace(kind=kinds.FILE, size=found.st_size, digest=_digest(place))
        else:
            raise MachineError("git has made something that is neither a file nor a folder", where=place)
        tree[path] = entry
    return tree


def _digest(path: str) -> str:
    state = hashlib.sha256()
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
        while data := file.read(_CHUNK):
            state.update(data)
    return state.hexdigest()

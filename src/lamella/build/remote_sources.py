"""What ADD fetches from elsewhere: one file over HTTP, or a git repository's files.

A cache key has what the content is, never the time: the digest of a file, the commit of a repository. To learn it a
server is asked, but where the Dockerfile pins it; the content comes only when the cache does not hold the step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from lamella.build.copyplan import Found
from lamella.build.sources import CopySource
from lamella.build.work import NotBuilt, Work
from lamella.errors import InputError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.plan.step import CopyStep
from lamella.remote.address import file_name, is_git, without_credentials
from lamella.store.downloads import Remembered

_SHA256 = "sha256:"
#: BuildKit's, for files without --chmod
_MODE = 0o600


class RemoteSource(Protocol):
    """One address of an ADD."""

    def identity(self) -> str:
        """What content it is, for the cache key. May ask a server."""
        ...

    def fetch(self) -> tuple[CopySource, Found]:
        """Brings it, where the identity did not."""
        ...


def remote_source(work: Work, step: CopyStep, address: str) -> RemoteSource:
    """Raises InputError for an address or a checksum that is none."""
    if is_git(address):
        from lamella.build.git_source import GitSource

        return GitSource(work, step, address)
    return UrlSource(work, address, step.checksum)


class UrlSource:
    """A file to be downloaded, into a temporary file of the store."""

    def __init__(self, work: Work, url: str, checksum: str | None) -> None:
        self._work = work
        self._url = url
        self._name = file_name(url)
        self._pinned = None if checksum is None else _digest_of(checksum)
        self._digest = self._pinned or ""
        self._path = ""
        self._mtime = 0

    def identity(self) -> str:
        if not self._digest:
            self._ask()
        return f"file {self._digest}"

    def fetch(self) -> tuple[CopySource, Found]:
        if not self._path:
            self._download(None)
        size = _size_of(self._path)
        entry = Entry(self._name, kinds.FILE, _MODE, size=size, mtime=self._mtime, digest=self._digest)
        return _OneFile(entry, self._path), Found(self._url, self._name, self._name, entry, ())

    def _ask(self) -> None:
        """Whether it is still what it was; if not it is here already."""
        known = self._work.machine.store.downloads.get(self._url)
        if self._work.only_cached:
            if known is None:
                raise NotBuilt
            self._digest = known.digest
        elif not self._download(known if self._work.use_cache else None):
            assert known is not None
            self._digest = known.digest

    def _download(self, known: Remembered | None) -> bool:
        """False where the server says that it is still what ``known`` says."""
        from lamella.remote.http import Known, download
        from lamella.store.disk import disk_errors

        machine = self._work.machine
        machine.asked_elsewhere = True
        path = machine.temporary_file(".download")
        with disk_errors(path, "write what is downloaded"), open(path, "xb") as file:
            before = Known(*known) if known is not None else None
            done = download(self._url, file.write, known=before, cancelled=machine.cancelled.is_set)
        if done is None:
            return False
        if self._pinned is not None and done.digest != self._pinned:
            raise InputError(
                "what was downloaded is not what --checksum says",
                where=without_credentials(self._url),
                detail=f"--checksum    {_SHA256}{self._pinned}\ndownloaded    {_SHA256}{done.digest}",
                hint="look at who changed the file, and why, before the checksum is changed",
                code="checksum",
            )
        self._digest, self._path, self._mtime = done.digest, path, done.mtime
        machine.store.downloads.put(self._url, Remembered(done.etag, done.modified, done.digest))
        return True


def _digest_of(checksum: str) -> str:
    digits = checksum.removeprefix(_SHA256)
    if digits == checksum or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise InputError(
            f"--checksum={checksum} is no digest", hint="write --checksum=sha256: and 64 hex digits, in small letters"
        )
    return digits


def _size_of(path: str) -> int:
    import os

    return os.stat(path).st_size


class _OneFile:
    """A CopySource that holds one file."""

    def __init__(self, entry: Entry, path: str) -> None:
        self._entry = entry
        self._path = path

    def lookup(self, path: str) -> Entry | None:
        return self._entry if path == self._entry.path else None

    def names(self, path: str) -> list[str]:
        return []

    def place(self, path: str) -> str:
        return self._path

    def digests(self, files: Iterable[Entry], known: dict[str, str]) -> dict[str, str]:
        return {entry.path: entry.digest for entry in files}

    def why_missing(self, path: str) -> str | None:
        return None

    def is_left_out(self, path: str) -> bool:
        return False

    def link_group(self, entry: Entry) -> object | None:
        return None

"""A git repository as what ADD copies: its files, or those of a folder in it."""

from __future__ import annotations

from lamella.build.copyplan import Found
from lamella.build.selection import Patterns, select
from lamella.build.sources import ContextSource, CopySource, follow
from lamella.build.work import NotBuilt, Work
from lamella.errors import InputError
from lamella.filetree import entry as kinds
from lamella.plan.ignore import parse_patterns
from lamella.plan.step import CopyStep
from lamella.remote.address import without_credentials
from lamella.remote.git import Resolved, checkout, resolve
from lamella.remote.repository import Repository, parse_repository


class GitSource:
    """One address of an ADD. Its identity is the commit."""

    def __init__(self, work: Work, step: CopyStep, address: str) -> None:
        """Raises InputError for an address that is odd, or that says otherwise than the flags."""
        self._work = work
        self._step = step
        self._address = address
        self._repository = _with_flags(parse_repository(address), step, address)
        self._keep = step.keep_git_dir or bool(self._repository.keep_git_dir)
        self._resolved: Resolved | None = None
        self._commit = ""

    def identity(self) -> str:
        found = self._resolve()
        one = self._repository
        git = f" .git {found.ref} {found.object}" if self._keep else ""
        return f"git {self._commit or found.commit}{git} {'' if one.submodules else '-'}submodules {one.subdir}"

    def fetch(self) -> tuple[CopySource, Found]:
        machine, one = self._work.machine, self._repository
        machine.asked_elsewhere = True
        tree = machine.temporary_folder(".checkout")
        room = machine.temporary_folder(".git")
        self._commit = checkout(one, self._resolve(), tree, room, machine.cancelled.is_set, keep=self._keep)
        source = ContextSource(tree)
        top = follow(source.lookup, one.subdir)
        entry = source.lookup(top)
        if entry is None or entry.kind != kinds.DIRECTORY:
            where = without_credentials(self._address)
            raise InputError(f"the repository has no folder {one.subdir!r}", where=where, code="no-folder")
        excludes = self._step.excludes
        exclude = parse_patterns(excludes, self._step.info.where) if excludes else None
        return source, Found(self._address, top, "", entry, *select(source, top, Patterns(None, exclude)))

    def _resolve(self) -> Resolved:
        if self._resolved is None:
            if not self._repository.commit:
                if self._work.only_cached:
                    raise NotBuilt
                self._work.machine.asked_elsewhere = True
            machine = self._work.machine
            room = machine.temporary_folder(".git")
            self._resolved = resolve(self._repository, room, machine.cancelled.is_set)
        return self._resolved


def _with_flags(repository: Repository, step: CopyStep, address: str) -> Repository:
    checksum = step.checksum or ""
    if checksum and repository.checksum and checksum != repository.checksum:
        message = f"--checksum={checksum} and the address ask for different commits"
        raise InputError(message, where=without_credentials(address), hint="leave one of them out")
    if checksum and set(checksum.lower()) - set("0123456789abcdef"):
        raise InputError(f"--checksum={checksum} is no commit's name", hint="write the commit in hex digits")
    return repository._replace(checksum=checksum or repository.checksum)

"""Git repositories: which commit an address means, and its files in a folder.

As BuildKit does it: a branch is preferred to a tag of the same name, the fetch is shallow where the server can do
that, submodules come along, ``.git`` does not unless it is asked for. Files are those of git: 0644 and 0755.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from lamella.errors import InputError, MachineError
from lamella.remote.address import without_credentials
from lamella.remote.gitprogram import Git, GitFailed
from lamella.remote.repository import Repository, is_commit

_UNREACHABLE = ("Could not resolve", "Connection refused", "timed out", "Failed to connect", "Couldn't connect",
                "Connection reset", "Network is unreachable", "No route to host", "certificate", "early EOF",
                "Operation too slow", "The requested URL returned error: 5")  # fmt: skip
_PRIVATE = ("could not read Username", "Authentication failed", "Permission denied", "terminal prompts disabled",
            "returned error: 403", "returned error: 401")  # fmt: skip


class Resolved(NamedTuple):
    """``ref`` is the whole name of what was asked for, or a commit; ``object`` is what it points to, ``commit`` the
    same but for annotated tags."""

    ref: str
    object: str
    commit: str


def resolve(repository: Repository, room: str, cancelled: Callable[[], bool]) -> Resolved:
    """Asks the server, but not for a whole commit's name. ``room`` is an empty folder. Raises InputError for a ref
    that is not there or is not what the checksum says, MachineError where the server cannot be reached."""
    if repository.commit:
        _check(repository, repository.commit)
        return Resolved(repository.commit, repository.commit, repository.commit)
    git = Git(room, cancelled, repository.remote)
    wanted = repository.ref or "HEAD"
    try:
        answer = git.run("ls-remote", "--", git.remote, wanted, f"{wanted}^{{}}")
    except GitFailed as error:
        raise _failed(repository, error) from None
    known = {name: commit for commit, _, name in (line.partition("\t") for line in answer.splitlines())}
    for name in _candidates(wanted):
        if is_commit(known.get(name, "")):
            found = Resolved(name, known[name], known.get(f"{name}^{{}}", known[name]))
            _check(repository, found.object, found.commit)
            return found
    raise InputError(
        f"the repository has no {wanted!r}",
        where=without_credentials(repository.remote),
        hint="name a branch, a tag or a whole commit behind the #",
        code="no-ref",
    )


def _candidates(wanted: str) -> tuple[str, ...]:
    if wanted == "HEAD":
        return ("HEAD",)
    bare = wanted.removeprefix("refs/")
    heads, tags = "refs/heads/", "refs/tags/"
    return f"refs/{bare}", heads + wanted.removeprefix(heads), tags + wanted.removeprefix(tags)


def _check(repository: Repository, *names: str) -> None:
    if repository.checksum and not any(name.startswith(repository.checksum.lower()) for name in names):
        raise InputError(
            "the repository is not at the commit that is asked for",
            where=without_credentials(repository.remote),
            detail=f"asked for  {repository.checksum}\nfound      {' or '.join(dict.fromkeys(names))}",
            hint="look at who moved the branch or the tag, and why, before the checksum is changed",
            code="checksum",
        )


def checkout(
    repository: Repository, found: Resolved, tree: str, room: str, cancelled: Callable[[], bool], *, keep: bool = False
) -> str:
    """Puts the files into the empty folder ``tree``, with ``.git`` if ``keep``; returns the commit that came, which is
    another one where the branch was moved since it was looked for. ``room`` is an empty folder for what git needs on
    the way. Raises InputError, MachineError."""
    git = Git(room, cancelled, repository.remote)
    store = os.path.join(tree if keep else room, ".git")
    os.chmod(tree, 0o755)

    def run(*words: str) -> str:
        return git.run(*words, folder=tree, repository=store, tree=tree)

    try:
        run("init", "--quiet", *(("--object-format=sha256",) if len(found.object) == 64 else ()))
        run("remote", "add", "origin", git.remote)
        commit = _fetch(run, found, keep)
        if commit != found.commit and not is_commit(found.ref):
            _check(repository, commit)
        run("checkout", "--quiet", "--force", "--detach", commit)
        if repository.submodules and os.path.lexists(os.path.join(tree, ".gitmodules")):
            _update_submodules(run)
        if keep:
            run("remote", "set-url", "origin", without_credentials(repository.remote))
            os.unlink(os.path.join(store, "FETCH_HEAD"))
        else:
            _remove_links(tree)
    except GitFailed as error:
        raise _failed(repository, error) from None
    return commit


def _fetch(run: Callable[..., str], found: Resolved, keep: bool) -> str:
    fetch = ("fetch", "--quiet", "--no-tags", "--update-head-ok", "--depth=1", "origin")
    if not is_commit(found.ref):
        _shallow(run, *fetch, f"{found.ref}:{found.ref}" if keep and found.ref != "HEAD" else found.ref)
        return run("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()
    try:
        _shallow(run, *fetch, found.ref)
    except GitFailed as error:
        if not any(words in error.text for words in ("not our ref", "unadvertised object", "couldn't find remote ref")):
            raise
        run("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    return run("rev-parse", "--verify", f"{found.ref}^{{commit}}").strip()


def _update_submodules(run: Callable[..., str]) -> None:
    """Shallow, or whole where the commits that are wanted are not the tips."""
    update = ("submodule", "--quiet", "update", "--init", "--recursive")
    try:
        run(*update, "--depth=1")
    except GitFailed:
        run(*update)


def _shallow(run: Callable[..., str], *words: str) -> str:
    """With the whole history where the server cannot do without."""
    try:
        return run(*words)
    except GitFailed as error:
        if "shallow" not in error.text and "--depth" not in error.text:
            raise
        return run(*(word for word in words if word != "--depth=1"))


def _remove_links(tree: str) -> None:
    """The files by which submodules find their repository; git lets nobody call a file of his own so."""
    if not os.path.lexists(os.path.join(tree, ".gitmodules")):
        return
    for folder, _, names in os.walk(tree):
        if ".git" in names:
            os.unlink(os.path.join(folder, ".git"))


def _failed(repository: Repository, error: GitFailed) -> InputError | MachineError:
    where = without_credentials(repository.remote)
    if any(words in error.text for words in _PRIVATE):
        hint = "git has to know who you are: set up a credential helper or an ssh key, and try 'git ls-remote'"
        return InputError("the repository is not for everybody", where=where, detail=error.text, hint=hint)
    if any(words in error.text for words in _UNREACHABLE):
        hint = "check the address, the network, and http_proxy, https_proxy and no_proxy"
        return MachineError("the server cannot be reached", where=where, detail=error.text, hint=hint)
    return InputError("git cannot fetch the repository", where=where, detail=error.text, hint="check the address")

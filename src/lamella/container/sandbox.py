"""A container as the runtime is to start it."""

from __future__ import annotations

import os
import stat

from lamella.container.folder import Folder
from lamella.container.surroundings import surrounding_mounts
from lamella.container.values import Container
from lamella.container.volumes import Volumes
from lamella.errors import InputError, MachineError
from lamella.runtime.program import find_program
from lamella.runtime.protocol import BindMount, Mount, Process, Sandbox
from lamella.runtime.stubs import make_directory, resolve_in_root
from lamella.runtime.users import User, resolve_user

_PASSWD_LIMIT = 4 << 20  # a passwd file larger than this is no passwd file
_INITS = ("docker-init", "tini", "catatonit")
_INIT = "/sbin/docker-init"


def make_sandbox(container: Container, folder: Folder, rootfs: str, root: str, network_namespace: str) -> Sandbox:
    """``rootfs`` is the container's own, writable and not used by anybody yet; ``root`` the store's.

    Raises InputError for a user that the image does not know and mounts that cannot be, NoSpace."""
    user = user_in(rootfs, container.user)
    make_directory(rootfs, container.cwd, 0, 0)
    mounts: tuple[Mount, ...] = Volumes(root).mounts(container, rootfs)
    args = container.args
    if container.init:
        mounts += (BindMount(_INIT, _init_program(), readonly=True),)
        args = (_INIT, "--", *args)
    return Sandbox(
        rootfs,
        Process(args, container.env, container.cwd, user.uid, user.gid, user.groups),
        (*surrounding_mounts(folder, container.readonly), *mounts),
        network="host" if container.network == "host" else "none",
        security="insecure" if container.privileged else "sandbox",
        hostname=container.hostname,
        network_namespace=network_namespace,
        readonly=container.readonly,
        terminal=container.terminal,
        capabilities=None if container.privileged else container.capabilities,
        limits=container.limits,
        show_cgroups=True,
    )


def user_in(rootfs: str, spec: str) -> User:
    """By the passwd and group files of a root file system. Raises InputError for a name that is not there."""

    def read(path: str) -> bytes | None:
        try:
            return _read_file(rootfs + resolve_in_root(rootfs, path))
        except (OSError, InputError):  # a loop of links is no file either
            return None

    return resolve_user(spec, read)


def _read_file(path: str) -> bytes | None:
    """The beginning of a regular file; None of anything else, which is not even opened: it may be a device."""
    found = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return None
        with open(f"/proc/self/fd/{found}", "rb") as file:
            return file.read(_PASSWD_LIMIT)
    finally:
        os.close(found)


def _init_program() -> str:
    for name in _INITS:
        found = find_program(name)
        if found is not None:
            return found
    raise MachineError(
        f"--init needs one of {', '.join(_INITS)}", hint="on Debian: apt-get install tini", code="no-init"
    )

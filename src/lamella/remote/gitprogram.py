"""The machine's git, in surroundings where a hostile repository has nothing to hold on to.

Neither the system's configuration nor the user's is read: filters, hooks and monitors named there could be set off by
what a repository says. Of the user's, what leads to a server is carried over (credentials, proxies, ssh). Nothing but
HTTP, ssh and git's own protocol is spoken, whatever submodules ask for, and nobody is asked for a password.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

from lamella.errors import Interrupted, MachineError
from lamella.userns.caller import as_the_caller

_OURS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "true",
    "core.autocrlf": "false",
    "core.logAllRefUpdates": "false",
    "init.defaultBranch": "master",
    "advice.detachedHead": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
}
_CARRIED = r"^(credential|http|url|ssh)\.|^core\.(sshcommand|askpass|gitproxy)$"
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_PROXY_COMMAND")
_PROTOCOLS = "http:https:ssh:git"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_VARIABLE = "LAMELLA_GIT_PASSWORD"
#: scheme, user, password and host of a URL; a password may hold an @
_PASSWORD = re.compile(r"(https?://)([^/?#:@]+):([^/?#]*)@([^/?#@]+)", re.IGNORECASE)
_USER = re.compile(r"(://)[^/\s@']+@")


class GitFailed(Exception):
    """What git wrote to its standard error, without passwords."""

    @property
    def text(self) -> str:
        return str(self.args[0])


class Git:
    """``room`` is an empty folder for its own use; ``remote`` is how git is to be told the address that it was made
    for. A password in it stays out of command lines, which everybody on the machine can read."""

    def __init__(self, room: str, cancelled: Callable[[], bool], remote: str) -> None:
        """Raises MachineError where there is no git."""
        program = shutil.which("git")
        if program is None:
            raise MachineError("git is not installed", hint="apt install git, or the like", code="no-git")
        self._program = program
        self._cancelled = cancelled
        self.remote, password, settings = _without_password(remote)
        config = os.path.join(room, "config")
        with open(config, "w", encoding="utf-8", errors="surrogateescape", opener=_private) as file:
            file.writelines(_lines((*_OURS.items(), *settings, *self._of_the_user())))
        self._caller = as_the_caller()  # ssh looks for its keys by the number of who runs it
        self._environment = _environment() | {"GIT_CONFIG_GLOBAL": config} | password

    def run(self, *words: str, folder: str = "/", repository: str | None = None, tree: str | None = None) -> str:
        """``git WORDS``; returns its output. Raises GitFailed."""
        environment = dict(self._environment)
        if repository is not None:
            environment["GIT_DIR"] = repository
        if tree is not None:
            environment["GIT_WORK_TREE"] = tree
        status, out, err = self._start([*self._caller, self._program, *words], environment, folder)
        if status:
            raise GitFailed(_USER.sub(r"\1", err).strip())
        return out

    def _start(self, argv: list[str], environment: dict[str, str], folder: str) -> tuple[int, str, str]:
        """In a group of its own, which goes as a whole: git's helpers outlive it otherwise. Where we are killed, git
        goes at once, and its helpers when they look for it, or after a minute of silence (``http.lowSpeedTime``)."""
        child = subprocess.Popen(
            argv,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=0o022,
            preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 -- waits for no other thread
        )
        try:
            while True:
                try:
                    out, err = child.communicate(timeout=0.2)
                    return child.returncode, _text(out), _text(err)
                except subprocess.TimeoutExpired:
                    if self._cancelled():
                        raise Interrupted("fetching the repository was cancelled") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()

    def _of_the_user(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for scope in ("--system", "--global"):
            done = subprocess.run(
                [self._program, "config", "--null", "--includes", scope, "--get-regexp", _CARRIED],
                cwd="/",
                capture_output=True,
                check=False,
            )
            for row in _text(done.stdout).split("\0"):
                name, mark, value = row.partition("\n")
                if name:
                    found.append((name, value if mark else "true"))
        return found


def _die_with(parent: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked for the signal
        os._exit(1)


def _without_password(remote: str) -> tuple[str, dict[str, str], tuple[tuple[str, str], ...]]:
    """The address without its password; the password as an environment; and settings by which git asks for that, for
    the same server alone. Source: gitcredentials(7)."""
    found = _PASSWORD.match(remote)
    name, password = (unquote(part, errors="surrogateescape") for part in found.group(2, 3)) if found else ("", "")
    if found is None or not name.isprintable() or not password or set(password) & set("\0\r\n"):
        return remote, {}, ()
    helper = f'!printf "password=%s\\n" "${_VARIABLE}"; :'
    start, user, host = found.group(1, 2, 4)
    settings = ((f"credential.{start}{host}.helper", helper),)
    return f"{start}{user}@{host}{remote[found.end() :]}", {_VARIABLE: password}, settings


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _KEPT or name.startswith(("GIT_SSL_", "GIT_HTTP_PROXY"))
    }
    kept.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=30")
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TEMPLATE_DIR": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "LC_ALL": "C",
    }


def _lines(settings: tuple[tuple[str, str], ...]) -> list[str]:
    """A configuration file. ``credential.https://host.helper`` is the name ``helper`` in ``[credential "https://host"]``."""
    lines = []
    for name, value in settings:
        section, _, rest = name.partition(".")
        middle, _, key = rest.rpartition(".")
        head = f'[{section} "{_escaped(middle)}"]' if middle else f"[{section}]"
        text = _escaped(value).replace("\n", "\\n").replace("\t", "\\t")
        lines.append(f'{head}\n\t{key} = "{text}"\n')
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

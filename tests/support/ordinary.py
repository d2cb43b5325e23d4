"""An ordinary user of the machine, made for the tests and removed after them. Only root can make one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_NAME = "lamtest"
_SUBIDS = ("/etc/subuid", "/etc/subgid")


class OrdinaryUser:
    """``home`` is a folder of the user's that others can look into."""

    def __init__(self, *, subordinate: bool) -> None:
        """With the subordinate ids that the system gives, or with none."""
        _remove_those_of_the_dead()
        self.name = f"{_NAME}{os.getpid()}{'s' if subordinate else 'n'}"
        self.home = Path(tempfile.mkdtemp(prefix="lamella-user-"))
        _patiently(["useradd", "--home-dir", str(self.home), "--shell", "/bin/sh", "--user-group", self.name])
        if not subordinate:
            for path in _SUBIDS:
                _take_lines_out(path, self.name)
        self.uid = int(subprocess.run(["id", "-u", self.name], capture_output=True, check=True).stdout)
        self.subids = _subordinate_ids(self.name)
        os.chown(self.home, self.uid, self.uid)
        self.home.chmod(0o755)
        self._shown = False
        if not self.can_read_this():  # it lies in a home that is closed: it is shown elsewhere, to this user's alone
            (self.home / "checkout").mkdir()
            os.chown(self.home / "checkout", self.uid, self.uid)
            self._shown = True

    @property
    def repository(self) -> Path:
        """Where the user sees the checkout."""
        return self.home / "checkout" if self._shown else REPOSITORY

    @property
    def python(self) -> str:
        """The interpreter under test, as the user sees it."""
        return str(self.repository / Path(sys.executable).relative_to(REPOSITORY)) if self._shown else sys.executable

    def can_read_this(self) -> bool:
        """Whether the user can execute the program under test."""
        return self.run(self.python, "-c", "import lamella.cli.main").returncode == 0

    def run(
        self, *argv: str, cwd: Path | None = None, timeout: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """As the user, in a fresh environment."""
        return subprocess.run(
            self.command(*argv, cwd=cwd, **environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )

    def command(self, *argv: str, cwd: Path | None = None, **environment: str) -> list[str]:
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1", **environment}
        if self._shown:
            variables["PYTHONPATH"] = str(self.repository / "src")
        words = [f"{name}={value}" for name, value in variables.items()]
        command = ["runuser", "-u", self.name, "--", "env", "-i", f"--chdir={cwd or self.home}", *words, *argv]
        if not self._shown:
            return command
        script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(REPOSITORY), str(self.repository), *command]

    def lamella(self, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.python, "-m", "lamella.cli.main", *words, cwd=cwd, **environment)

    def remove(self) -> None:
        """Fails where something of the user's still runs."""
        end = time.monotonic() + 5
        while (left := self._processes()) and time.monotonic() < end:  # what was killed takes its time to be gone
            time.sleep(0.02)
        _patiently(["userdel", "--force", self.name])
        shutil.rmtree(self.home)
        assert not left, left

    def _processes(self) -> list[str]:
        """Of the user and of the subordinate ids, dead ones that nobody has waited for left out."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "status").read_text().split("\nUid:", 1)
                uid, line = int(fields[1].split()[0]), (folder / "cmdline").read_bytes()
            except (OSError, IndexError):
                continue
            if line and (uid == self.uid or self.subids[0] <= uid < self.subids[1]):
                found.append(f"{folder.name} {line.replace(bytes(1), b' ').decode(errors='replace')}")
        return found


def _patiently(argv: list[str]) -> None:
    """The files of users have one lock for all, and several tests run at a time."""
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run(
            argv, capture_output=True, check=False, env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        )
        if done.returncode == 0:
            return
        if time.monotonic() > deadline or b"lock" not in done.stderr:
            raise AssertionError(f"{argv}: {done.stderr.decode(errors='replace')}")
        time.sleep(0.05)


def _subordinate_ids(name: str) -> tuple[int, int]:
    """The first and the one behind the last; (0, 0) where there is none."""
    for line in Path("/etc/subuid").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[1]), int(fields[1]) + int(fields[2])
    return 0, 0


def _take_lines_out(path: str, name: str) -> None:
    option = {"/etc/subuid": "--del-subuids", "/etc/subgid": "--del-subgids"}[path]
    for line in Path(path).read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            _patiently(["usermod", option, f"{fields[1]}-{int(fields[1]) + int(fields[2]) - 1}", name])


def _remove_those_of_the_dead() -> None:
    """Users of test runs that were killed."""
    for line in Path("/etc/passwd").read_text().splitlines():
        fields = line.split(":")
        found = re.fullmatch(rf"{_NAME}(\d+)[sn]", fields[0])
        if found and not os.path.exists(f"/proc/{found[1]}"):
            _patiently(["userdel", "--force", fields[0]])
            if fields[5].startswith(tempfile.gettempdir() + "/lamella-user-"):
                shutil.rmtree(fields[5], ignore_errors=True)

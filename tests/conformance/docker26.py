"""The outside judge: Debian trixie's Docker 26 with BuildKit 0.13, on a Debian 12 machine, with nothing installed.

    python tests/conformance/docker26.py tree                    makes the tree it lives in, once (a minute)
    python tests/conformance/docker26.py run docker WORDS…       starts it, runs the command, stops it
    python tests/conformance/docker26.py run sh -c 'docker …'    the same; `docker` on PATH is its own client
    python tests/conformance/docker26.py serve FOLDER            till Ctrl-C or SIGTERM; FOLDER/bin/docker is its client

From Python: ``with Docker26() as docker: docker("build", …)``.

The tree is Debian trixie's packages as mmdebstrap lays them, in ``.demo/docker26`` or where LAMELLA_DOCKER26 says. The
daemon enters it by pivot_root, in a mount and a process namespace of its own: a chroot is refused (runc wants `/` to be
a mount), and whatever happens, its mounts and processes end with the one that started it. The machine's own root stays
visible to it under /host, where its data lie. The client needs no namespace: it runs with the tree's libraries.

There is no bridge: build with ``--network host`` (or none).
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TREE = Path(os.environ.get("LAMELLA_DOCKER26") or REPOSITORY / ".demo" / "docker26").absolute()
PACKAGES = "docker.io,docker-cli,docker-buildx,ca-certificates,git,xz-utils"
#: seconds for the daemon to answer, and to stop
PATIENCE = 60

#: `docker build --allow security.insecure` may then be said
ALLOWED = '{"builder": {"entitlements": {"network-host": true, "security-insecure": true}}}'

#: Makes the tree the root of a new mount namespace, then becomes dockerd. $1 is the tree, the rest its flags.
ENTER = """
set -e
tree=$1; shift
mount --bind -o ro "$tree" "$tree"
mount --rbind / "$tree/host" && mount --make-rprivate "$tree/host"
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount --rbind /dev "$tree/dev"
mount -t tmpfs tmpfs "$tree/run"
mount -t tmpfs tmpfs "$tree/tmp"
cd "$tree"
pivot_root . mnt
cd /
umount -l /mnt
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec dockerd "$@"
"""


class JudgeMissing(Exception):
    """This machine cannot have the judge; the message says why."""


def make_tree(tree: Path = TREE) -> Path:
    """Debian's packages as a tree, made once; whoever comes while it is being made waits."""
    if (tree / "host").is_dir():
        return tree
    program = shutil.which("mmdebstrap")
    if program is None or os.geteuid() != 0:
        raise JudgeMissing("Docker 26 needs root and mmdebstrap (apt-get install mmdebstrap)")
    tree.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{tree}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (tree / "host").is_dir():
            half = Path(f"{tree}.half")
            shutil.rmtree(half, ignore_errors=True)
            words = [program, "--quiet", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(half)]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            if done.returncode:
                shutil.rmtree(half, ignore_errors=True)
                raise JudgeMissing("mmdebstrap could not lay trixie: " + done.stderr.decode(errors="replace")[-500:])
            (half / "host").mkdir()
            half.rename(tree)
    return tree


class Docker26:
    """A daemon with everything it needs in a folder (a temporary one unless given), and its client.

    ``docker("build", …)`` runs the client; what it prints comes back, and a non-zero exit raises CalledProcessError.
    """

    def __init__(self, folder: str | None = None, tree: Path = TREE) -> None:
        self._tree = tree
        self._temporary = folder is None
        # a short path: sockets have no longer ones
        self.folder = os.path.abspath(folder) if folder is not None else tempfile.mkdtemp(prefix="docker26-")
        self.socket = f"unix://{self.folder}/s.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a child process needs to find the daemon and its client."""
        return {
            **os.environ,
            "DOCKER_HOST": self.socket,
            "DOCKER_CONFIG": f"{self.folder}/config",
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
        }

    def __enter__(self) -> Docker26:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __call__(self, *words: str, **more: Any) -> bytes:
        return self.run(*words, check=True, **more).stdout  # type: ignore[no-any-return]

    def run(self, *words: str, **more: Any) -> subprocess.CompletedProcess[Any]:
        """The client's result, whatever its exit code; ``more`` goes to subprocess.run."""
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        check = more.pop("check", False)
        words = (f"{self.folder}/bin/docker", *words)
        return subprocess.run(words, env=self.environment, capture_output=True, check=check, **more)

    def version(self) -> str:
        """Such as ``docker 26.1.5+dfsg1``."""
        return "docker " + self("version", "--format={{.Server.Version}}").decode().strip()

    def _start(self) -> None:
        make_tree(self._tree)
        self._write_client()
        flags = ["--data-root", f"/host{self.folder}/data", "--exec-root=/run/docker", "--pidfile=/run/docker.pid"]
        flags += ["-H", f"unix:///host{self.folder}/s.sock"]
        flags += ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        flags += ["--config-file", f"/host{self.folder}/daemon.json"]
        Path(self.folder, "daemon.json").write_text(ALLOWED, encoding="utf-8")
        apart = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
        ]
        with open(f"{self.folder}/log", "wb") as log:
            self._process = subprocess.Popen(
                [*apart, "sh", "-c", ENTER, "sh", str(self._tree), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while self.run("version").returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = Path(self.folder, "log").read_text(encoding="utf-8", errors="replace")
                raise JudgeMissing(f"Docker 26 does not start here: {said[-500:]}")
            time.sleep(0.1)

    def _write_client(self) -> None:
        """Two scripts that run the tree's client and its build plugin with the tree's libraries."""
        libraries = f"{self._tree}/lib64/ld-linux-x86-64.so.2 --library-path {self._tree}/usr/lib/x86_64-linux-gnu"
        known = f"DOCKER_HOST={self.socket} DOCKER_CONFIG={self.folder}/config"
        for script, program, more in (
            ("bin/docker", "usr/bin/docker", known),
            ("config/cli-plugins/docker-buildx", "usr/libexec/docker/cli-plugins/docker-buildx", ""),
        ):
            path = Path(self.folder, script)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/sh\nexec env {more} {libraries} {self._tree}/{program} "$@"\n', encoding="utf-8")
            path.chmod(0o755)

    def _stop(self) -> None:
        """Asks the daemon to end, then ends the first process of its namespace, and with it all of them."""
        if self._process is None:
            return
        first = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            for child in first.read_text(encoding="utf-8").split():
                os.kill(int(child), signal.SIGTERM)
            self._process.wait(PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self._process.kill()
        self._process.wait()
        self._process = None


def _serve(folder: str) -> int:
    os.makedirs(folder, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Docker26(folder) as docker:
        print(f"{docker.version()}: {docker.folder}/bin/docker (Ctrl-C or SIGTERM ends it)", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
    return 0


def _run(words: list[str]) -> int:
    with Docker26() as docker:
        return subprocess.run(words, env=docker.environment, check=False).returncode


def main(words: list[str]) -> int:
    try:
        match words:
            case ["tree"]:
                print(make_tree())
                return 0
            case ["run", _, *_]:
                return _run(words[1:])
            case ["serve", folder]:
                return _serve(folder)
    except JudgeMissing as error:
        print(f"docker26: error: {error}", file=sys.stderr)
        return 3
    print(f"usage: {shlex.quote(sys.argv[0])} tree | run COMMAND… | serve FOLDER", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The examples' surroundings: the command line with one store, images judged by skopeo and unpacked by umoci, and what
answers in a container that runc starts of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"

# Inside the container's network: asks until somebody listens, for ten seconds at most.
ASK = """\
import sys, time, urllib.request
deadline = time.monotonic() + 10
while True:
    try:
        sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=2).read())
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.05)
"""


class Demo:
    """The command line with one store for all the examples."""

    def __init__(self, store: Path) -> None:
        self.store = store
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAMELLA_", "SOURCE_DATE"))}
        self.env = {**kept, "LAMELLA_ROOT": str(store)}
        if "LAMELLA_TEST_BASES" in os.environ:
            self.env["LAMELLA_BASES"] = os.environ["LAMELLA_TEST_BASES"]

    def run(self, *argv: str | Path, expect: int = 0) -> str:
        done = subprocess.run(
            [str(word) for word in argv], env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == expect, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def lamella(self, *words: str | Path, expect: int = 0) -> str:
        return self.run(sys.executable, "-m", "lamella", *words, expect=expect)

    def json(self, command: str, *words: str | Path, expect: int = 0) -> Any:
        return json.loads(self.lamella(command, "--format", "json", *words, expect=expect))

    def build(self, tag: str, folder: Path, dockerfile: str = "Dockerfile") -> None:
        self.lamella("build", "-q", "-t", tag, "-f", folder / dockerfile, folder)

    def bases(self, *names: str) -> None:
        self.run(REPOSITORY / "scripts" / "bases", *names)

    def skopeo(self, tag: str) -> Any:
        """What skopeo finds in the store as it stands."""
        return json.loads(self.run("skopeo", "inspect", f"oci:{self.store}:{full(tag)}"))

    def unpack(self, tag: str, folder: Path) -> Path:
        """A runtime bundle, made by umoci of the store as it stands."""
        self.run("umoci", "unpack", "--image", f"{self.store}:{full(tag)}", folder / "bundle")
        return folder / "bundle"


def full(tag: str) -> str:
    return tag if ":" in tag else f"{tag}:latest"


@contextmanager
def started(bundle: Path) -> Iterator[int]:
    """The bundle's process in a container; its number here."""
    config = bundle / "config.json"
    settings = json.loads(config.read_text())
    settings["process"]["terminal"] = False
    settings["linux"]["namespaces"] = [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network")]
    settings["linux"].pop("uidMappings", None)
    settings["linux"].pop("gidMappings", None)
    config.write_text(json.dumps(settings))
    runc = [shutil.which("runc") or "/usr/sbin/runc", "--root", str(bundle / "state")]
    with (bundle / "log").open("wb") as log:
        start = [*runc, "run", "--detach", "--bundle", str(bundle), "--pid-file", str(bundle / "pid"), "example"]
        done = subprocess.run(start, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, timeout=60)
    assert done.returncode == 0, (bundle / "log").read_text()
    try:
        yield int((bundle / "pid").read_text())
    finally:
        subprocess.run([*runc, "delete", "--force", "example"], check=True, timeout=60)


def http_answer(bundle: Path, path: str = "/") -> str:
    """What the container's own command answers on its port 8080."""
    with started(bundle) as pid:
        ask = [
            "nsenter",
            "--net",
            "--target",
            str(pid),
            sys.executable,
            "-S",
            "-c",
            ASK,
            f"http://127.0.0.1:8080{path}",
        ]
        done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    return done.stdout

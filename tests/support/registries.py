"""Real registries for tests: Debian's ``docker-registry`` on loopback, each in a folder of its own, started when a test
first asks for it and shared by all tests of the worker. Tests keep apart by the names of their repositories.

Fixtures (imported by tests/conftest.py): ``registry`` speaks plain HTTP and asks for nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

_ACCESS = re.compile(r'^\S+ - \S+ \[[^]]*\] "([A-Z]+) (\S+) HTTP/[0-9.]+" (\d{3}) ')


class Asked(NamedTuple):
    """A line of the registry's access log."""

    method: str
    path: str
    status: int


class Registry:
    """A ``docker-registry`` process. ``host`` is ``127.0.0.1:PORT``."""

    def __init__(self, program: str, *, http: dict[str, Any] | None = None, auth: dict[str, Any] | None = None) -> None:
        """``http`` and ``auth`` are sections of its configuration."""
        self.folder = Path(tempfile.mkdtemp(prefix="lamella-registry-"))
        self.host = f"127.0.0.1:{free_port()}"
        self.log_file = self.folder / "log"
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host, "secret": "of the tests", **(http or {})},
        }
        if auth:
            config["auth"] = auth
        (self.folder / "config.yml").write_text(json.dumps(config))
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", str(self.folder / "config.yml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"},
            )  # fmt: skip
        deadline = time.monotonic() + 20
        name, _, port = self.host.rpartition(":")
        while True:
            try:
                socket.create_connection((name, int(port)), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("docker-registry does not start: " + self.log()[-2000:]) from None
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def asked(self, repository: str = "") -> list[Asked]:
        """What it was asked so far, of one repository or of all, in the order of the answers."""
        lines = (_ACCESS.match(line) for line in self.log().splitlines())
        found = [Asked(match[1], match[2], int(match[3])) for match in lines if match]
        return [asked for asked in found if asked.path.startswith(f"/v2/{repository}")]

    def blob_file(self, digest: str) -> Path:
        """Where it keeps a blob, for tests that break it."""
        algorithm, _, encoded = digest.partition(":")
        return self.folder / f"data/docker/registry/v2/blobs/{algorithm}/{encoded[:2]}/{encoded}/data"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def registry(require: Callable[[str], str]) -> Iterator[Registry]:
    server = Registry(require("docker-registry"))
    yield server
    server.close()

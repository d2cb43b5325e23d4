"""Real registries for tests: Debian's ``docker-registry`` on loopback, each in a folder of its own, started when a test
first asks for it and shared by all tests of the worker. Tests keep apart by the names of their repositories.

Fixtures (imported by tests/conftest.py):

- ``registry`` speaks plain HTTP and asks for nothing - ``tls_registry`` speaks TLS; ``tls_registry.ca`` is the
certificate of its authority, ``tls_registry.cert_dir`` a folder with it as ``ca.crt`` - ``basic_registry`` speaks
plain HTTP and wants USER and PASSWORD - ``token_registry`` speaks plain HTTP and wants tokens of
``token_registry.tokens``, a TokenServer - ``log_in(folder, host, …)`` writes a Docker config file with credentials
"""

from __future__ import annotations

import base64
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
from certificates import Authority
from tokenserver import ISSUER, SERVICE, TokenServer

USER = "tester"
PASSWORD = "open sesame"
#: USER and PASSWORD as htpasswd's bcrypt, at the lowest cost
_HTPASSWD = "tester:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"
_LISTENS = re.compile(r'msg="listening on (127\.0\.0\.1:\d+)[",]')
_ACCESS = re.compile(r'^\S+ - \S+ \[[^]]*\] "([A-Z]+) (\S+) HTTP/[0-9.]+" (\d{3}) ')


class Asked(NamedTuple):
    """A line of the registry's access log."""

    method: str
    path: str
    status: int


class Registry:
    """A ``docker-registry`` process. ``host`` is ``127.0.0.1:PORT``."""

    #: of the token registry
    tokens: TokenServer

    def __init__(
        self,
        program: str,
        *,
        http: dict[str, Any] | None = None,
        auth: dict[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        """``http`` and ``auth`` are sections of its configuration; ``folder`` goes with it."""
        self.folder = folder or Path(tempfile.mkdtemp(prefix="lamella-registry-"))
        self.log_file = self.folder / "log"
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": "127.0.0.1:0", "secret": "of the tests", **(http or {})},
        }
        if auth:
            config["auth"] = auth
        (self.folder / "config.yml").write_text(json.dumps(config))
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.host = self._start()

    @property
    def ca(self) -> Path:
        """Of the TLS registry."""
        return self.folder / "authority/ca.crt"

    @property
    def cert_dir(self) -> Path:
        """Of the TLS registry, as --cert-dir wants it."""
        return self.folder / "certs"

    def _start(self) -> str:
        """Where it listens, by its own word: a port that was free a moment ago may be another registry's by now."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*_with_us(), self._program, "serve", str(self.folder / "config.yml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"},
            )  # fmt: skip
        deadline = time.monotonic() + 20
        while not (found := _LISTENS.search(self.log())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("docker-registry does not start: " + self.log()[-2000:])
            time.sleep(0.02)
        return found[1]

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
        return [asked for asked in found if not repository or asked.path.startswith(f"/v2/{repository}/")]

    def blob_file(self, digest: str) -> Path:
        """Where it keeps a blob, for tests that break it."""
        algorithm, _, encoded = digest.partition(":")
        return self.folder / f"data/docker/registry/v2/blobs/{algorithm}/{encoded[:2]}/{encoded}/data"


def _with_us() -> list[str]:
    """A worker that is killed leaves no registry behind."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "KILL"] if program else []


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def log_in(folder: Path, host: str, user: str = USER, password: str = PASSWORD, **more: str) -> Path:
    """``folder/config.json`` as Docker writes it; ``folder`` is for DOCKER_CONFIG, and the file for --authfile."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": {host: {"auth": encoded, **more}}}))
    return file


@pytest.fixture(scope="session")
def registry(require: Callable[[str], str]) -> Iterator[Registry]:
    server = Registry(require("docker-registry"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def tls_registry(require: Callable[[str], str]) -> Iterator[Registry]:
    folder = Path(tempfile.mkdtemp(prefix="lamella-registry-"))
    authority = Authority(require("openssl"), folder / "authority")
    cert, key = authority.issue("server")
    (folder / "certs").mkdir()
    shutil.copy(authority.ca, folder / "certs/ca.crt")
    tls = {"tls": {"certificate": str(cert), "key": str(key)}}
    server = Registry(require("docker-registry"), http=tls, folder=folder)
    yield server
    server.close()


@pytest.fixture(scope="session")
def basic_registry(require: Callable[[str], str]) -> Iterator[Registry]:
    folder = Path(tempfile.mkdtemp(prefix="lamella-registry-"))
    (folder / "htpasswd").write_text(_HTPASSWD + "\n")
    auth = {"htpasswd": {"realm": "the tests", "path": str(folder / "htpasswd")}}
    server = Registry(require("docker-registry"), auth=auth, folder=folder)
    yield server
    server.close()


@pytest.fixture(scope="session")
def token_registry(require: Callable[[str], str]) -> Iterator[Registry]:
    folder = Path(tempfile.mkdtemp(prefix="lamella-registry-"))
    tokens = TokenServer(require("openssl"), folder / "tokens")
    told = {"realm": tokens.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(tokens.bundle)}
    server = Registry(require("docker-registry"), auth={"token": told}, folder=folder)
    server.tokens = tokens
    yield server
    server.close()
    tokens.close()

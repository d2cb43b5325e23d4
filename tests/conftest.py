"""Fixtures for the whole suite: where real root file systems lie, and what this machine has."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from fakedaemon import FakeDaemon
from faults import faults
from githttp import answer_git
from hypothesis import strategies as st
from memory import folder_in_memory
from quiet import QuietServer
from registries import basic_registry, registry, tls_registry, token_registry

from lamella.filetree.entry import DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry
from lamella.filetree.tree import merge_layers, order
from lamella.store.archive import import_rootfs
from lamella.store.store import Store
from lamella.userns import current, enter
from lamella.userns.standing import PLAIN, ROOT

# What a script starts in the background ignores SIGINT, and so would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["basic_registry", "faults", "registry", "tls_registry", "token_registry"]  # fixtures from elsewhere
REPOSITORY = Path(__file__).resolve().parent.parent

# Names without a registry are Docker Hub's, which no test may ask: an image that is missing would be pulled from there.
os.environ["CONTAINERS_REGISTRIES_CONF"] = str(REPOSITORY / "tests/data/registries.conf")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """As an ordinary user the suite runs in a user namespace, before there are threads or workers; with
    LAMELLA_TEST_NAMESPACE=no outside of it, as a user calls the program. Temporary files lie in memory."""
    if os.geteuid() != 0 and os.environ.get("LAMELLA_TEST_NAMESPACE") != "no":
        enter()
    if config.option.basetemp or hasattr(config, "workerinput"):
        return
    if "LAMELLA_TEST_TMP" in os.environ:
        config.option.basetemp = os.path.join(os.environ["LAMELLA_TEST_TMP"], "lamella-tests")
        return
    folder = folder_in_memory()
    if folder is not None:
        config.option.basetemp = str(folder / "t")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """An empty folder on a disk, wherever the other temporary folders are."""
    with tempfile.TemporaryDirectory(prefix="lamella-test-", dir=os.environ.get("LAMELLA_TEST_TMP")) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def bases() -> Path:
    """Folder with real root file systems of Alpine and BusyBox."""
    folder = Path(os.environ.get("LAMELLA_TEST_BASES") or REPOSITORY.parent / "shared" / "bases")
    if not (folder / "alpine-minirootfs-3.20.3-x86_64.tar.gz").is_file():
        pytest.skip(f"no base root file systems in {folder} (set LAMELLA_TEST_BASES)")
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """``once("name", make)``: the path that ``make(path)`` filled, once for all workers of a run; not to be changed."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def get(name: str, make: Callable[[Path], object]) -> Path:
        path = shared / f"once-{name}"
        with open(f"{path}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                half = shared / f"half-{name}"
                shutil.rmtree(half, ignore_errors=True)
                make(half)
                half.rename(path)
        return path

    return get


@pytest.fixture(scope="session")
def store_with(bases: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Callable[[str, Path], None]:
    """``store_with("alpine:3.20", root)``: a store at ``root`` that holds this base, a copy of one imported once."""
    archives = {"alpine:3.20": "alpine-minirootfs-3.20.3-x86_64.tar.gz", "busybox": "busybox-musl-amd64.tar.gz"}

    def put(name: str, root: Path) -> None:
        def make(folder: Path) -> None:
            with Store.open(str(folder)) as store:
                import_rootfs(store, str(bases / archives[name]), name)

        shutil.copytree(once(name.partition(":")[0], make), root, dirs_exist_ok=True)

    return put


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``root`` needs root of the machine; ``containers`` is satisfied by root of a user namespace, or by what can
    enter one."""
    kind = current().kind
    outside = os.environ.get("LAMELLA_TEST_NAMESPACE") == "no"
    for item in items:
        if "root" in item.keywords and kind != ROOT:
            item.add_marker(pytest.mark.skip(reason="needs root of the machine"))
        elif "containers" in item.keywords and kind == PLAIN and not outside:
            item.add_marker(pytest.mark.skip(reason="needs root, or a user namespace"))
    # So that at the end no worker waits for another's long test. Groups come first in any case, by their size.
    items.sort(key=lambda item: ("early" not in item.keywords, "slow" not in item.keywords))


@pytest.fixture(scope="session")
def require() -> object:
    """``require("skopeo")`` gives the program's path, or skips and says so."""

    def find(program: str) -> str:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed")
        return path

    return find


class Docker:
    """A client of a dockerd of our own."""

    #: Debian's client before any other: it needs no plugin to build by BuildKit
    PROGRAM = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"

    def __init__(self, socket: str) -> None:
        #: as DOCKER_HOST names it
        self.host = f"unix://{socket}"
        self._env = {
            **os.environ,
            "DOCKER_BUILDKIT": "1",
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": os.path.dirname(socket),
        }

    def __call__(self, *words: str, stdin: bytes | None = None) -> str:
        """``docker WORDS``: its output; fails the test with its stderr unless it exits 0."""
        done = subprocess.run([self.PROGRAM, *words], env=self._env, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def answers(self) -> bool:
        return (
            subprocess.run([self.PROGRAM, "version"], env=self._env, capture_output=True, check=False).returncode == 0
        )


@pytest.fixture(scope="session")
def dockerd(require: Callable[[str], str]) -> Iterator[Docker]:
    """A dockerd with everything it needs in a temporary folder, one for each worker, started at the first use."""
    program = require("dockerd")
    require("docker")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    folder = tempfile.mkdtemp(prefix="lamella-dockerd-")  # a short path: sockets have no longer ones
    flags = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    flags += ["-H", f"unix://{folder}/s.sock", "--iptables=false", "--ip6tables=false", "--bridge=none"]
    with open(f"{folder}/log", "wb") as log:
        daemon = subprocess.Popen([program, *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    docker = Docker(f"{folder}/s.sock")
    try:
        deadline = time.monotonic() + 60
        while not docker.answers():
            if daemon.poll() is not None or time.monotonic() > deadline:
                pytest.skip("dockerd does not start here: " + Path(folder, "log").read_text(errors="replace")[-300:])
            time.sleep(0.2)
        yield docker
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            below = [line.split()[4] for line in mounts if f" {folder}/" in line]
        for mount in reversed(below):  # it leaves its network namespace behind
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(folder)


@pytest.fixture
def fake_daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """The two paths of a Docker daemon that images go through, on a socket that DOCKER_HOST names."""
    folder = tempfile.mkdtemp(prefix="lamella-daemon-")  # a short path: sockets have no longer ones
    daemon = FakeDaemon(Path(folder, "s.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/s.sock")
    try:
        yield daemon
    finally:
        daemon.close()
        shutil.rmtree(folder)


_PATHS = st.lists(st.sampled_from(["a", "b", "c", "a-"]), min_size=1, max_size=3).map("/".join)
_NODES = st.builds(
    Entry,
    path=_PATHS,
    kind=st.sampled_from([FILE, FILE, FILE, DIRECTORY, DIRECTORY, SYMLINK, FIFO, HARDLINK]),
    mode=st.sampled_from([0o644, 0o755]),
    uid=st.sampled_from([0, 7]),
    gid=st.just(0),
    size=st.just(0),
    mtime=st.sampled_from([0, 10**9]),
    link=st.just(""),
    major=st.just(0),
    minor=st.just(0),
    xattrs=st.just(()),
    digest=st.sampled_from(["1" * 64, "2" * 64]),
)


def _plant(nodes: list[Entry]) -> dict[str, Entry]:
    """A tree as trees are: parents there, links to files that are there, each field only where it belongs."""
    tree: dict[str, Entry] = {}
    for node in sorted(nodes, key=lambda node: order(node.path)):
        parents = node.path.split("/")[:-1]
        above = ["/".join(parents[: depth + 1]) for depth in range(len(parents))]
        if any(path in tree and tree[path].kind != DIRECTORY for path in above):
            continue
        for path in above:
            tree.setdefault(path, Entry(path, DIRECTORY, 0o755))
        fields = {"size": len(node.digest) if node.kind == FILE else 0}
        if node.kind != FILE:
            fields["digest"] = ""
        if node.kind == SYMLINK:
            fields["link"] = "a/b"
        if node.kind == HARDLINK:
            files = [entry for entry in tree.values() if entry.kind == FILE]
            if not files or node.path in tree:
                continue
            first = files[node.uid % len(files)]
            tree[node.path] = first._replace(path=node.path, kind=HARDLINK, link=first.path, size=0, digest="")
            continue
        tree.setdefault(node.path, node._replace(**fields))
    return tree


@pytest.fixture(scope="session")
def draw_tree() -> Callable[[st.DataObject], dict[str, Entry]]:
    """Draws a tree as :func:`merge_layers` gives them."""
    trees = st.lists(_NODES, max_size=10).map(_plant)

    def draw(data: st.DataObject) -> dict[str, Entry]:
        tree = data.draw(trees)
        assert merge_layers([tree.values()]) == tree
        return tree

    return draw


Answer = Callable[[BaseHTTPRequestHandler], None]


class WebServer:
    """A web server on loopback that does what a test tells it to. ``answers`` by path; ``asked`` are (path, headers) of
    all requests so far."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.other: Answer = lambda request: request.send_error(404)
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                outer.answers.get(self.path.partition("?")[0], outer.other)(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def file(self, path: str, content: bytes, **headers: str) -> str:
        """Serves ``content``; a request that names its ETag is told that nothing has changed. Returns the URL."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            tag = headers.get("ETag")
            time = headers.get("Last-Modified")
            same = (tag and request.headers.get("If-None-Match") == tag) or (
                time and request.headers.get("If-Modified-Since") == time
            )
            request.send_response(304 if same else 200)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", "0" if same else str(len(content)))
            request.end_headers()
            if not same:
                request.wfile.write(content)

        self.answers[path] = answer
        return self.url(path)

    def redirect(self, path: str, target: str, status: int = 302) -> str:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            request.send_header("Location", target)
            request.send_header("Content-Length", "0")
            request.end_headers()

        self.answers[path] = answer
        return self.url(path)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = WebServer()
    yield server
    server.close()


class Repositories:
    """Git repositories in a folder, served by git's own program over HTTP."""

    def __init__(self, folder: Path, web: WebServer, program: str) -> None:
        self.folder = folder
        self.web = web
        self._program = program
        folder.mkdir()
        web.other = self._answer

    def git(self, name: str, *words: str, **environment: str) -> str:
        """In the work tree of ``name``."""
        identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ALLOW_PROTOCOL": "file:http"}
        done = subprocess.run(
            [self._program, "-c", "init.defaultBranch=main", *words],
            cwd=self.folder / name,
            env={**os.environ, **identity, **alone, **environment},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, name: str, **files: str) -> str:
        """A commit with these files (``__`` in a name is ``/``) on what is there; returns its name."""
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir()
            self.git(name, "init", "--quiet")
            self.git(name, "config", "http.receivepack", "false")
        for path, content in files.items():
            target = folder / path.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        self.git(name, "add", "--all")
        self.git(name, "commit", "--quiet", "--allow-empty", "--message", "one")
        return self.git(name, "rev-parse", "HEAD")

    def url(self, name: str) -> str:
        return self.web.url(f"/{name}.git")

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        answer_git(request, self.folder, path.replace(".git/", "/.git/", 1), query, program=self._program)


@pytest.fixture
def repositories(tmp_path: Path, web: WebServer, require: Callable[[str], str]) -> Repositories:
    return Repositories(tmp_path / "repositories", web, require("git"))

"""Real, long Dockerfiles of three public kinds: they build as they stand, the service runs, and what a real Docker
builds of them is the same state. The bases have the names that the files ask for, and are made here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from demo import REPOSITORY, Demo, http_answer

Docker = Any
REAL = REPOSITORY / "tests" / "data" / "real"

pytestmark = [pytest.mark.containers, pytest.mark.peer, pytest.mark.slow, pytest.mark.xdist_group("examples")]


class Pair:
    """Lamella and Docker with the same base images."""

    def __init__(self, demo: Demo, docker: Docker, folder: Path) -> None:
        self.demo = demo
        self.docker = docker
        self.folder = folder

    def share(self, base: str) -> None:
        """Gives Docker an image of Lamella's."""
        archive = self.folder / "base.tar"
        self.demo.lamella("save", "-o", archive, base)
        self.docker("load", "-i", str(archive))
        archive.unlink()

    def build(self, tag: str, context: Path, *words: str) -> None:
        self.demo.lamella("build", "-q", "-t", f"{tag}:latest", *words, context)

    def build_by_docker(self, tag: str, context: Path, *words: str) -> str:
        """Where the image is, for ``lamella prove``."""
        self.docker("build", "--network", "host", "-t", f"{tag}:latest", *words, str(context))
        archive = self.folder / f"{tag}.tar"
        self.docker("save", "-o", str(archive), f"{tag}:latest")
        return f"docker-archive:{archive}"

    def config(self, tag: str) -> dict[str, Any]:
        """What ``docker inspect`` calls Config, of Lamella's image."""
        inspected = json.loads(self.demo.lamella("inspect", f"{tag}:latest"))
        found: dict[str, Any] = (inspected[0] if isinstance(inspected, list) else inspected)["Config"]
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, demo: Demo, dockerd: Docker) -> Pair:
    return Pair(demo, dockerd, tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def web(pair: Pair) -> Pair:
    """With the bases that are made of Debian's packages, in ``.demo/bases`` from the first time on."""
    names = ("python:3.11-slim-bookworm", "node:18-bookworm-slim", "nginx:1.22-bookworm")
    kept = REPOSITORY / ".demo" / "bases" / "debian-web.tar"
    script = REPOSITORY / "scripts" / "bases"
    done = subprocess.run([script, *names], env=pair.demo.env, capture_output=True, text=True, check=False)
    if done.returncode != 0 and not kept.exists():
        pytest.skip(f"Debian's packages cannot be had here: {done.stdout}{done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    pair.share(names[0])
    for name in names[1:]:
        pair.docker("tag", names[0], name)
    return pair


def wheels(requirements: Path, into: Path) -> None:
    """What ``requirements`` names, from the package index; kept in ``.demo`` for the next time."""
    kept = REPOSITORY / ".demo" / "wheels"
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*fetch, "--dest", kept, "--requirement", requirements], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and not kept.exists():
        pytest.skip(f"the wheels cannot be had here: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
    into.mkdir()
    for line in requirements.read_text().split():
        name, _, version = line.partition("==")
        (found,) = [file for file in kept.iterdir() if file.name.lower().startswith(f"{name}-{version}-")]
        shutil.copy(found, into)


def test_a_python_service_with_apt_pip_a_user_and_a_healthcheck(web: Pair, tmp_path: Path) -> None:
    context = tmp_path / "shop"
    shutil.copytree(REAL / "python-service", context)
    wheels(context / "requirements.txt", context / "wheels")
    arguments = ("--build-arg", "VERSION=1.2.3")
    web.build("shop", context, *arguments)
    config = web.config("shop")
    assert (config["User"], config["Entrypoint"], config["StopSignal"]) == ("shop", ["tini", "--"], "SIGTERM")
    assert config["Healthcheck"]["Test"][0] == "CMD-SHELL"
    bundle = web.demo.unpack("shop", tmp_path)
    assert "<title>shop 1.2.3</title>" in http_answer(bundle)
    assert json.loads(http_answer(bundle, "/healthz")) == {"status": "ok", "user": 10001}

    # Logs of apt and dpkg, caches and byte-code have times in them: two builds by Lamella tell which files do.
    web.build("shop-again", context, "--no-cache", *arguments)
    by_docker = web.build_by_docker("shop", context, *arguments)
    proof = web.demo.json("prove", "shop:latest", by_docker, "--noise", "shop-again:latest")
    assert proof["same"] is True
    assert proof["paths"] > 10_000
    noisy = {entry["path"] for entry in proof["noise"]}
    assert noisy
    assert all(path.endswith(".pyc") or path.startswith(("/var/log/", "/var/cache/ldconfig/")) for path in noisy)


def test_a_front_end_by_node_behind_nginx(web: Pair, tmp_path: Path) -> None:
    context = REAL / "node-frontend"
    arguments = ("--build-arg", "GIT_REVISION=abc123", "--label", "team=web")
    web.build("front-end", context, *arguments)
    page = http_answer(web.demo.unpack("front-end", tmp_path))
    assert "<title>front end 1.4.0</title>" in page
    assert 'data-revision="abc123"' in page
    proof = web.demo.json("prove", "front-end:latest", web.build_by_docker("front-end", context, *arguments))
    assert (proof["same"], proof["noise"]) == (True, [])
    tested = web.demo.lamella("build", "-q", "--target", "test", context)
    assert tested.startswith("sha256:")


def test_a_service_in_go(pair: Pair, golang: Demo, tmp_path: Path) -> None:
    context = REAL / "go-service"
    pair.share("golang:1-alpine")
    arguments = ("--build-arg", "VERSION=3.1")
    pair.build("service", context, *arguments)
    bundle = golang.unpack("service", tmp_path)
    assert http_answer(bundle, "/layers") == "Hello, layers!\n"
    assert http_answer(bundle, "/version") == "3.1\n"
    proof = golang.json("prove", "service:latest", pair.build_by_docker("service", context, *arguments))
    assert (proof["same"], proof["noise"]) == (True, [])
    assert proof["paths"] == 11

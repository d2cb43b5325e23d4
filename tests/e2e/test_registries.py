"""Images that come from and go to real registries, through the command line, with skopeo and Docker as judges."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import Faults, drips
from registries import PASSWORD, USER, Registry, log_in

Shell = Any
DOCKERFILE = """FROM scratch
ENV A=1
WORKDIR /srv/app
COPY --chown=1000:1001 . ./
COPY Dockerfile /etc/os-release
CMD ["/bin/echo", "hello"]
"""


@pytest.fixture
def app(shell: Shell, tmp_path: Path) -> Shell:
    """A shell whose store holds ``app``; no file of this machine's says anything of registries."""
    shell.env |= {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}
    shell.write("src/Dockerfile", DOCKERFILE)
    shell.write("src/data", os.urandom(200_000))
    shell.ok("build", "-q", "-t", "app", "src")
    return shell


def another(shell: Shell, name: str = "other") -> Shell:
    """The same shell with an empty store."""
    other = type(shell)(shell.folder, shell.store.parent / name)
    other.env = shell.env | {"LAMELLA_ROOT": str(other.store)}
    return other


def asked(registry: Registry, name: str) -> int:
    return len(registry.asked(name))


@pytest.mark.parametrize("kind", ["registry", "tls_registry", "basic_registry", "token_registry"])
def test_there_and_back(kind: str, app: Shell, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    registry: Registry = request.getfixturevalue(kind)
    flags = []
    if kind == "tls_registry":
        flags = ["--cert-dir", str(registry.cert_dir)]
        app.env["SSL_CERT_FILE"] = str(registry.ca)  # for commands that have no such flag
    elif kind != "registry":
        done = app.run("push", "app", f"{registry.host}/e2e/app:1")
        assert (done.returncode, done.stdout) == (3, "") and "lamella login" in done.stderr
        log_in(tmp_path / "docker", registry.host)
    name = f"{registry.host}/e2e/app:1"
    digestfile = tmp_path / "digest"
    pushed = app.ok("push", *flags, "--digestfile", str(digestfile), "app", name)
    digest = digestfile.read_text()
    assert pushed.startswith(f"1: digest: {digest} size: ")
    other = another(app)
    pulled = other.ok("pull", *flags, name).splitlines()
    assert pulled == [f"Digest: {digest}", f"Status: Downloaded newer image for {name}", name]
    assert "same state" in other.ok("prove", f"docker://{name}", name)
    assert other.json("inspect", name)[0]["RepoDigests"] == [f"{registry.host}/e2e/app@{digest}"]
    assert f"Status: Image is up to date for {name}" in other.ok("pull", *flags, name)
    assert PASSWORD not in pushed + "".join(pulled)
    other.verify()
    assert other.mounts() == []


@pytest.mark.peer
def test_skopeo_copies_both_ways(app: Shell, registry: Registry, require: Callable[[str], str], tmp_path: Path) -> None:
    ours, theirs = f"{registry.host}/e2e/ours:1", f"{registry.host}/e2e/theirs:1"
    flags = ("--src-tls-verify=false", "--dest-tls-verify=false")
    app.ok("push", "-q", "--compression", "zstd", "app", ours)
    subprocess.run([require("skopeo"), "copy", *flags, f"docker://{ours}", f"oci:{tmp_path}/layout:1"], check=True)
    assert "same state" in app.ok("prove", f"oci:{tmp_path}/layout:1", "app")
    subprocess.run([require("skopeo"), "copy", *flags, f"oci:{app.store}:app:latest", f"docker://{theirs}"], check=True)
    other = another(app)
    other.ok("pull", "-q", theirs)
    assert "same state" in app.ok("prove", f"docker://{theirs}", "app")
    other.verify()


@pytest.mark.peer
@pytest.mark.root
@pytest.mark.xdist_group("dockerd")
def test_docker_pulls_what_we_push_and_we_what_docker_pushes(app: Shell, registry: Registry, dockerd: Any) -> None:
    name = f"{registry.host}/e2e/docker:1"
    digest = app.ok("push", "app", name).split()[2]
    assert f"Digest: {digest}" in dockerd("pull", name)
    said = json.loads(dockerd("image", "inspect", name))[0]
    assert said["Id"] == app.json("inspect", "app")[0]["Id"]
    assert said["RepoDigests"] == [f"{registry.host}/e2e/docker@{digest}"]
    back = f"{registry.host}/e2e/back:1"
    dockerd("tag", name, back)
    dockerd("push", back)
    other = another(app)
    other.ok("pull", "-q", back)
    assert other.json("inspect", back)[0]["Id"] == said["Id"]
    other.verify()


def test_other_destinations(app: Shell, registry: Registry) -> None:
    name = f"{registry.host}/e2e/elsewhere:1"
    app.ok("push", "-q", "app", f"docker://{name}")
    app.ok("push", "-q", f"docker://{name}", "oci-archive:a.tar:app:1")
    app.ok("push", "-q", "oci-archive:a.tar", "docker-archive:b.tar")
    app.ok("push", "-q", "docker-archive:b.tar", f"{name}-again")
    app.ok("save", "-o", "c.tar", f"docker://{name}-again")
    assert "same state" in app.ok("prove", "docker-archive:c.tar", "app")
    before = len(registry.asked("e2e/elsewhere/blobs"))
    explained = app.json("explain", "--format", "json", f"docker://{name}")
    assert (explained["layers"]["total"], explained["size"]) == (
        3,
        app.json("explain", "--format", "json", "app")["size"],
    )
    assert app.ok("diff", f"docker://{name}", "app") is not None
    layers = {layer["digest"] for layer in app.json("inspect", "app")[0]["Manifest"]["Layers"]}
    fetched = {one.path.rpartition("/")[2] for one in registry.asked("e2e/elsewhere/blobs")[before:]}
    assert len(layers) == 3 and not layers & fetched, "their tables of contents are here"
    assert len(app.json("images", "--format", "json")["images"]) == 1
    for words, says in (
        (("push", "app", f"{name}@sha256:{'0' * 64}"), "a digest comes of the push"),
        (("push", "--compression-level", "3", "app", name), "without --compression"),
        (("push", "--compression", "gzip", "--compression-level", "12", "app", name), "no level 12"),
        (("push", "--compression", "gzip", "app", "oci:dir"), "is for registries"),
        (("push", "--all-platforms", f"docker://{name}", f"{name}-all"), "takes an image of the store"),
        (("push", "nothing", name), "no image 'nothing'"),
        (("push", "--platform", "linux/arm64", "app", name), "not for linux/arm64"),
    ):
        done = app.run(*words)
        assert done.returncode == 2 and says in done.stderr, (words, done.stderr)


@pytest.mark.containers
def test_ctrl_c_leaves_nothing_half_done(app: Shell, faults: Faults) -> None:
    name = f"{faults.host}/e2e/stopped:1"
    app.ok("push", "-q", "app", name)
    faults.clear()
    faults.add("GET", "/blobs/", drips(0.05, 500))
    other = another(app)
    pulling = subprocess.Popen(
        [sys.executable, "-m", "lamella", "pull", name], cwd=other.folder, env=other.env, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not any("/blobs/" in one.path for one in faults.asked) and time.monotonic() < deadline:
        time.sleep(0.02)
    pulling.send_signal(signal.SIGINT)
    assert b"error: interrupted" in pulling.communicate(timeout=60)[1]
    assert pulling.returncode == 130
    assert os.listdir(other.store / "lamella/tmp") == [] and other.mounts() == []
    assert other.json("images", "--format", "json")["images"] == []
    faults.clear()
    other.ok("pull", "-q", name)
    other.verify()


def test_what_was_pulled_by_digest_has_that_as_its_name(app: Shell, registry: Registry) -> None:
    name = f"{registry.host}/e2e/pinned"
    digest = app.ok("push", "app", f"{name}:1").split()[2]
    other = another(app)
    assert other.ok("pull", "-q", f"{name}@{digest}") == f"{name}@{digest}\n"
    assert other.ok("images").splitlines()[1].split()[:2] == [name, "<none>"]
    assert other.ok("images", "--digests").splitlines()[1].split()[:3] == [name, "<none>", digest]
    assert app.ok("images", "--digests", "app").splitlines()[1].split()[:3] == ["app", "latest", "<none>"]
    assert other.json("inspect", f"{name}@{digest}")[0]["RepoTags"] == []
    other.ok("image", "prune", "--force")
    other.ok("save", "-o", "pinned.tar", f"{name}@{digest}")
    assert "same state" in other.ok("prove", "docker-archive:pinned.tar", f"{name}@{digest}")
    assert f"Untagged: {name}@{digest}" in other.ok("rmi", f"{name}@{digest}")
    assert other.json("images", "--format", "json")["images"] == []


# --- FROM ------------------------------------------------------------------------------------------------------------


def test_bases_come_from_a_registry(app: Shell, registry: Registry) -> None:
    base = f"{registry.host}/from/base"
    app.ok("push", "-q", "app", f"{base}:1")
    other = another(app)
    other.write(
        "b/Dockerfile", f"FROM {base}:1\nCOPY --from={base}:2 /srv/app/data /two\nCOPY --from=named /etc/os-release /\n"
    )
    app.ok("tag", "app", f"{base}:2")
    app.ok("push", "-q", f"{base}:2")
    app.ok("push", "-q", "app", f"{base}:named")
    words = ("build", "--build-context", f"named=docker-image://{base}:named", "b")

    predicted = other.json("explain", "--format", "json", "--build-context", f"named=docker-image://{base}:named", "b")
    assert predicted["layers"] == {"base": 3, "added": 2, "total": 5}
    assert other.run("images", "-q").stdout == ""

    done = other.run(*words)
    assert done.returncode == 0, done.stderr
    assert f"pulled {base}:1 in" in done.stderr and f"{base}:named" in done.stderr
    names = {row["tag"] for row in other.json("images", "--format", "json")["images"]}
    assert names == {"1", "2", "named", None}
    # What is here is taken as it is: nobody is asked.
    before = asked(registry, "from/base")
    assert other.ok(*words) == done.stdout
    assert other.ok(*words) == done.stdout
    assert asked(registry, "from/base") == before
    other.verify()

    other.write("again/Dockerfile", f"FROM {base}:1\nCOPY --from={base}:2 /srv/app/data /two\n")
    other.write("changed/Dockerfile", f"FROM {base}:1\nCOPY --from={base}:2 /srv/app/data /three\n")
    third = another(app, "third")
    done = third.run("prove", "again", "changed")
    assert done.returncode == 1 and "/three" in done.stdout, done.stderr
    assert done.stderr.count(f"pulled {base}:1 in") == 1


def test_pull_asks_for_newer_ones(app: Shell, registry: Registry) -> None:
    base = f"{registry.host}/from/moving:1"
    app.ok("push", "-q", "app", base)
    other = another(app)
    other.write("b/Dockerfile", f"FROM {base}\nCOPY Dockerfile /made\n")
    first = other.ok("build", "b")
    assert other.ok("build", "--pull", "b") == first
    assert [one.method for one in registry.asked("from/moving")[-1:]] == ["HEAD"]
    app.write("src/data", b"new")
    app.ok("build", "-q", "-t", "app", "src")
    app.ok("push", "-q", "app", base)
    assert other.ok("build", "b") == first
    second = other.ok("build", "--pull", "b")
    assert second != first
    assert other.ok("build", "b") == second
    digest = other.json("inspect", base)[0]["RepoDigests"][0]
    other.write("b/Dockerfile", f"FROM {digest}\n")
    before = asked(registry, "from/moving")
    other.ok("build", "b")
    assert asked(registry, "from/moving") == before
    other.verify()


def test_platforms_of_bases(app: Shell, registry: Registry) -> None:
    app.write("many/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n")
    name = f"{registry.host}/from/many:1"
    app.ok("build", "-q", "--platform", "linux/amd64,linux/arm64", "-t", name, "many")
    app.ok("push", "--all-platforms", name)
    other = another(app)
    other.write("b/Dockerfile", f"FROM {name}\nCOPY Dockerfile /\n")
    for platform in ("linux/arm64", "linux/amd64"):
        other.ok("build", "-q", "--platform", platform, "-t", "made", "b")
        assert other.json("inspect", "made")[0]["Architecture"] == platform.partition("/")[2]
    done = other.run("build", "--platform", "linux/s390x", "b")
    assert done.returncode == 2
    assert f"Dockerfile:1: the image '{name}' is not in the local store for linux/s390x" in done.stderr
    assert "it is there for linux/a" in done.stderr
    done = another(app, "third").run("build", "--platform", "linux/s390x", "b")
    assert done.returncode == 2
    assert f"Dockerfile:1: the base image '{name}' cannot be fetched" in done.stderr
    assert "linux/amd64, linux/arm64, not for linux/s390x" in done.stderr
    other.verify()


def test_bases_that_cannot_be_had(app: Shell, registry: Registry, basic_registry: Registry, tmp_path: Path) -> None:
    log_in(tmp_path / "docker", basic_registry.host, USER, "wrong")
    cases = (
        (f"FROM {registry.host}/from/nothing:1\n", 2, "neither in the local store nor in its registry"),
        (f"FROM scratch\nCOPY --from={registry.host}/from/nothing:1 / /\n", 2, "neither in the local store"),
        (f"FROM {basic_registry.host}/from/secret:1\n", 3, "lamella login"),
        ("FROM 127.0.0.1:1/nobody:1\n", 3, "cannot be reached"),
    )
    for text, code, says in cases:
        app.write("b/Dockerfile", text)
        done = app.run("build", "b")
        line = len(text.splitlines())
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert f"Dockerfile:{line}: " in done.stderr and says in done.stderr, done.stderr
        assert "wrong" not in done.stderr and "Traceback" not in done.stderr
    shutil.rmtree(app.folder / "b")
    app.verify()


def test_ctrl_c_ends_the_pulls_of_a_build(app: Shell, faults: Faults) -> None:
    """Of stages side by side, which have threads of their own."""
    name = f"{faults.host}/from/slow:1"
    app.ok("push", "-q", "app", name)
    faults.clear()
    faults.add("GET", "/blobs/", drips(0.05, 100))
    other = another(app)
    other.write("b/Dockerfile", f"FROM {name} AS one\nFROM scratch\nCOPY --from=one /srv /srv\nCOPY Dockerfile /\n")
    building = subprocess.Popen(
        [sys.executable, "-m", "lamella", "build", "b"], cwd=other.folder, env=other.env, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not any("/blobs/" in one.path for one in faults.asked) and time.monotonic() < deadline:
        time.sleep(0.02)
    began = time.monotonic()
    building.send_signal(signal.SIGINT)
    assert b"interrupted" in building.communicate(timeout=60)[1]
    assert building.returncode == 130
    assert time.monotonic() - began < 20, "it waits for no blob, each of which would take a minute"
    other.verify()

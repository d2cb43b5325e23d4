"""``image ls``, ``history``, ``inspect``: Docker's columns and Docker's JSON."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.cli.text.docker import docker_age, docker_table
from lamella.oci.config import RunConfig
from lamella.store.store import Store

Lamella = Callable[..., Any]
PutImage = Callable[..., None]
SECOND = 1_000_000_000


@pytest.fixture
def app(put_image: PutImage) -> None:
    history = ["FROM-LIKE " + "x" * 60, "-CMD [sh]", "COPY . /app # buildkit"]
    run = RunConfig(cmd=("sh",), env=("A=1",), labels=(("k", "v"),), exposed_ports=("80/tcp",))
    put_image("localhost:5000/app:1", [{"a": b"x" * 1234}, {"b": b"y" * 12_800_000}], history, run)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (119, "About a minute"),
        (120, "2 minutes"), (3599, "59 minutes"), (3600, "About an hour"), (5399, "About an hour"), (5400, "2 hours"),
        (47 * 3600, "47 hours"), (48 * 3600, "2 days"), (13 * 86400, "13 days"), (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"), (60 * 86400, "2 months"), (729 * 86400, "24 months"), (730 * 86400, "2 years"),
        (4000 * 86400, "10 years"),
    ],
)  # fmt: skip
def test_age(seconds: int, text: str) -> None:
    now = time.time_ns()
    assert docker_age(now - seconds * SECOND - SECOND // 2, now) == f"{text} ago"
    assert docker_age(0, now) == "N/A"


def test_table_pads_as_docker_does() -> None:
    assert docker_table([("A", "REPOSITORY", "X"), ("a", "long-enough", "")]) == [
        "A         REPOSITORY    X",
        "a         long-enough   ",
    ]


@pytest.mark.usefixtures("app")
def test_columns(lamella: Lamella) -> None:
    heading, line = lamella("images").out.splitlines()
    assert heading == "REPOSITORY           TAG       IMAGE ID       CREATED   SIZE"
    assert re.fullmatch(r"localhost:5000/app   1         [0-9a-f]{12}   N/A       12\.8MB", line)
    assert lamella("image", "ls").out.splitlines()[0] == heading


def test_empty_store_has_its_heading(lamella: Lamella) -> None:
    assert lamella("images").out == "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n"
    assert lamella("images", "--format", "json").json == {"schema": 1, "images": []}


@pytest.mark.usefixtures("app")
def test_filters_and_flags(lamella: Lamella, put_image: PutImage) -> None:
    put_image("other:2", [{"a": b"1"}])
    put_image("other:2", [{"a": b"2"}])
    out = lamella("images").out
    assert out.count("\n") == 4
    assert "<none>    <none>" in re.sub(" +", lambda gap: gap[0] if len(gap[0]) < 4 else "    ", out)
    assert [row["tag"] for row in lamella("images", "--format", "json", "oth*").json["images"]] == ["2"]
    assert [row["tag"] for row in lamella("images", "--format", "json", "localhost:5000/app:1").json["images"]] == ["1"]
    assert lamella("images", "nothing", "-q").out == ""
    ids = lamella("images", "-q", "--no-trunc").out.split()
    assert len(ids) == 3
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in ids)
    assert lamella("images", "-aq").out.split() == [each[7:19] for each in ids]


@pytest.mark.usefixtures("app")
def test_json(lamella: Lamella) -> None:
    (row,) = lamella("images", "--format", "json").json["images"]
    assert row | {"id": "", "digest": ""} == {
        "repository": "localhost:5000/app",
        "tag": "1",
        "id": "",
        "digest": "",
        "created": None,
        "size": 12_801_234,
        "layers": 2,
        "platform": "linux/amd64",
    }


@pytest.mark.usefixtures("app")
def test_broken_image_is_a_warning(lamella: Lamella, store_root: Path, put_image: PutImage) -> None:
    put_image("fine", [{"a": b"1"}])
    with Store.open(str(store_root)) as store:
        Path(store.blobs.path_of(store.images.resolve("localhost:5000/app:1").image_id)).unlink()
        store.database.reset()
    done = lamella("images")
    assert done.code == 0
    assert "fine" in done.out
    assert "localhost" not in done.out
    assert "warning: localhost:5000/app:1 cannot be read" in done.err


@pytest.mark.usefixtures("app")
def test_history(lamella: Lamella) -> None:
    lines = lamella("history", "localhost:5000/app:1").out.splitlines()
    assert re.split(r" {3,}", lines[0]) == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    rows = [re.split(r" {2,}", line.rstrip()) for line in lines[1:]]
    assert [row[2:4] for row in rows] == [
        ["COPY . /app # buildkit", "12.8MB"],
        ["CMD [sh]", "0B"],
        ["FROM-LIKE " + "x" * 34 + "…", "1.23kB"],
    ]
    assert re.fullmatch("[0-9a-f]{12}", rows[0][0])
    assert [row[0] for row in rows[1:]] == ["<missing>"] * 2
    assert "x" * 60 in lamella("history", "--no-trunc", "localhost:5000/app:1").out
    assert lamella("history", "-q", "localhost:5000/app:1").out.strip() == rows[0][0]
    found = lamella("history", "--format", "json", "localhost:5000/app:1").json
    assert [(row["size"], row["layer"], row["empty_layer"]) for row in found["history"]] == [
        (12_800_000, 1, False),
        (0, None, True),
        (1234, 0, False),
    ]


def test_history_that_lies(lamella: Lamella, put_image: PutImage) -> None:
    """Fewer entries than layers, and more."""
    put_image("fewer", [{"a": b"1"}, {"b": b"22"}], ["RUN one"])
    put_image("more", [{"a": b"1"}], ["RUN one", "RUN two"])
    put_image("none", [{"a": b"1"}])
    for name, rows in (("fewer", [(2, 1), (1, 0)]), ("more", [(0, None), (1, 0)]), ("none", [(1, 0)])):
        found = lamella("history", "--format", "json", name).json["history"]
        assert [(row["size"], row["layer"]) for row in found] == rows


@pytest.mark.usefixtures("app")
def test_history_of_a_hostile_text(lamella: Lamella, put_image: PutImage) -> None:
    put_image("evil", [{"a": b"1"}], ["\x1b]0;title\x07\nRUN\tx"])
    out = lamella("history", "evil").out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


@pytest.mark.usefixtures("app")
def test_inspect(lamella: Lamella, tmp_path: Path) -> None:
    (found,) = json.loads(lamella("inspect", "localhost:5000/app:1").out)
    assert found["RepoTags"] == ["localhost:5000/app:1"]
    assert found["RepoDigests"] == [f"localhost:5000/app@{found['Descriptor']['digest']}"]
    assert (found["Architecture"], found["Os"], found["Size"]) == ("amd64", "linux", 12_801_234)
    assert found["Config"] == {"Cmd": ["sh"], "Env": ["A=1"], "Labels": {"k": "v"}, "ExposedPorts": {"80/tcp": {}}}
    assert len(found["RootFS"]["Layers"]) == 2
    lamella("save", "-o", str(tmp_path / "a.tar"), "localhost:5000/app:1")
    lamella("rmi", "localhost:5000/app:1")
    both = json.loads(lamella("inspect", str(tmp_path / "a.tar"), f"oci-archive:{tmp_path}/a.tar").out)
    assert both == [found, found]
    done = lamella("inspect", "absent")
    assert (done.code, done.out) == (2, "")


@pytest.mark.containers
@pytest.mark.peer
@pytest.mark.xdist_group("dockerd")
def test_the_same_table_as_docker_prints(
    lamella: Lamella, tmp_path: Path, dockerd: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "rootfs"
    root.mkdir()
    (root / "file").write_bytes(bytes(12_800_000))
    subprocess.run(["tar", "-C", root, "-cf", tmp_path / "rootfs.tar", "file"], check=True)
    for name, days in (("table-test:1", 3), ("localhost:5000/table-test:longer", 1000)):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(time.time()) - days * 86400))
        lamella("import", "-m", f"{days} days", str(tmp_path / "rootfs.tar"), name)
    lamella("save", "-o", str(tmp_path / "a.tar"), "table-test:1", "localhost:5000/table-test:longer")
    dockerd("load", "-i", str(tmp_path / "a.tar"))
    for words in (("images", "*table-test"), ("history", "table-test:1")):
        docker_words = ("images", "--filter", "reference=*table-test", "--filter", "reference=*/*table-test")
        theirs = dockerd(*(docker_words if words[0] == "images" else words)).splitlines()
        ours = lamella(*words).out.splitlines()
        assert len(ours) > 1
        assert [line.rstrip() for line in ours] == [line.rstrip() for line in theirs]


def test_names_as_docker_splits_them(lamella: Lamella, put_image: PutImage) -> None:
    for name in ("docker.io/library/alpine:3.20", "ghcr.io/a/b", "a"):
        put_image(name, [{"a": name.encode()}])
    rows = {(row["repository"], row["tag"]) for row in lamella("images", "--format", "json").json["images"]}
    assert rows == {("alpine", "3.20"), ("ghcr.io/a/b", "latest"), ("a", "latest")}


def test_starts_quickly(store_root: Path, put_image: PutImage) -> None:
    """What ``image ls`` imports is small: no dataclasses, tarfile, subprocess, difflib, inspect."""
    put_image("app", [{"a": b"1"}])
    script = (
        "import sys; from lamella.cli.main import main; main(['--root', sys.argv[1], 'images']);"
        "print(*sys.modules, file=sys.stderr)"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", script, store_root], capture_output=True, text=True, check=True)
    heavy = {
        "dataclasses",
        "tarfile",
        "subprocess",
        "difflib",
        "inspect",
        "tempfile",
        "rich",
        "tree_sitter",
        "zstandard",
    }
    assert heavy & set(done.stderr.split()) == set()

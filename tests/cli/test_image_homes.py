"""Every command that takes an IMAGE takes every form of one; ``save`` writes every form."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakedaemon import FakeDaemon

from lamella.store.save import chosen, save_docker_archive
from lamella.store.store import Store

Lamella = Callable[..., Any]
PutImage = Callable[..., None]
FORMS = ("name", "id", "oci", "oci-archive", "docker-archive", "bare", "old", "gzip", "docker-daemon")
#: what a command is called with, {} being the image, and what its output has to hold
COMMANDS: dict[str, tuple[list[str], str]] = {
    "explain": (["explain", "--format", "json", "{}"], '"total": 2'),
    "prove": (["prove", "{}", "app:1"], "same"),
    "prove, the other way round": (["prove", "app:1", "{}"], "same"),
    "prove --noise": (["prove", "app:1", "app:1", "--noise", "{}"], "same"),
    "diff": (["diff", "{}", "app:1"], ""),
    "history": (["history", "{}"], "RUN two"),
    "inspect": (["inspect", "{}"], '"Os": "linux"'),
    "tag": (["tag", "{}", "new:1"], ""),
    "save": (["save", "-o", "out.tar", "{}"], ""),
    "save to a layout": (["save", "-o", "oci:out:1.2", "{}"], ""),
    "squash": (["image", "squash", "{}", "--from", "0", "-t", "new:1"], "sha256:"),
    "rebase": (["image", "rebase", "{}", "--base", "base:1", "--onto", "base:2", "-t", "new:1"], "sha256:"),
    "rebase --base": (["image", "rebase", "app:1", "--base", "base:1", "--onto", "{}", "-t", "new:1"], "sha256:"),
}


@pytest.fixture
def forms(
    lamella: Lamella, put_image: PutImage, tmp_path: Path, fake_daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Form → the image ``app:1`` in that form; the current folder is an empty one."""
    put_image("base:1", [{"a": b"1"}], history=["RUN one"])
    put_image("base:2", [{"a": b"2"}], history=["RUN other"])
    put_image("app:1", [{"a": b"1"}, {"b": b"22"}], history=["RUN one", "RUN two"])
    with Store.open(os.environ["LAMELLA_ROOT"]) as store:
        sink = io.BytesIO()
        save_docker_archive(store, chosen(store, ["app:1"]), sink)
        fake_daemon.images["app:1"] = sink.getvalue()
        image_id = store.images.resolve("app:1").image_id.encoded[:12]
    (tmp_path / "bare.tar").write_bytes(sink.getvalue())
    (tmp_path / "old.tar").write_bytes(_old(sink.getvalue()))
    (tmp_path / "gzip.tar.gz").write_bytes(gzip.compress(sink.getvalue(), 1))
    for home in ("oci:{}/layout", "oci-archive:{}/oci.tar"):
        assert lamella("save", "-o", home.format(tmp_path), "app:1").code == 0
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return {
        "name": "app:1",
        "id": image_id,
        "oci": f"oci:{tmp_path}/layout:app:1",
        "oci-archive": f"oci-archive:{tmp_path}/oci.tar",
        "docker-archive": f"docker-archive:{tmp_path}/bare.tar:app:1",
        "bare": f"{tmp_path}/bare.tar",
        "old": f"docker-archive:{tmp_path}/old.tar",
        "gzip": f"{tmp_path}/gzip.tar.gz",
        "docker-daemon": "docker-daemon:app:1",
    }


def _old(archive: bytes) -> bytes:
    """The archive as Docker wrote it before it was an OCI layout too."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=sink, mode="w") as new:
        for info in old:
            if info.name not in ("index.json", "oci-layout"):
                new.addfile(info, old.extractfile(info))
    return sink.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_every_form(command: str, forms: dict[str, str], lamella: Lamella) -> None:
    words, says = COMMANDS[command]
    results = {}
    for form in FORMS:
        before = set(lamella("images", "--format", "json").out.split())
        done = lamella(*(word.format(forms[form]) for word in words))
        assert done.code == 0, (form, done.err)
        assert says in done.out, (form, done.out)
        results[form] = done.out
        if "new:1" in words:
            found = lamella("inspect", "new:1").json[0]
            results[form] = [found["RootFS"]["Layers"], found["Config"]]
            assert lamella("rmi", "new:1").code == 0
        # Nothing else is left in the store.
        assert set(lamella("images", "--format", "json").out.split()) == before
        assert os.listdir(os.path.join(os.environ["LAMELLA_ROOT"], "lamella", "tmp")) == []
    assert lamella("image", "verify").code == 0
    if command not in ("explain", "inspect", "diff", "prove", "prove, the other way round"):
        assert len({json.dumps(each) for each in results.values()}) == 1


@pytest.mark.peer
def test_every_command_takes_a_registry(forms: dict[str, str], lamella: Lamella, registry: Any) -> None:
    image = f"docker://{registry.host}/homes/app:1"
    assert lamella("push", "app:1", image).code == 0
    for command, (words, says) in COMMANDS.items():
        done = lamella(*(word.format(image) for word in words))
        assert done.code == 0, (command, done.err)
        assert says in done.out, (command, done.out)
        if "new:1" in words:
            assert lamella("rmi", "new:1").code == 0
        for path in ("out.tar", "out"):
            shutil.rmtree(path) if os.path.isdir(path) else Path(path).unlink(missing_ok=True)
    assert lamella("image", "verify").code == 0


HOMES = {
    "out.tar": "docker-archive:out.tar",
    "docker-archive:out.tar": "docker-archive:out.tar",
    "docker-archive:out.tar:new/name:3": "docker-archive:out.tar:new/name:3",
    "oci-archive:out.tar": "oci-archive:out.tar",
    "oci-archive:out.tar:3.0": "oci-archive:out.tar:3.0",
    "oci:out": "oci:out",
    "oci:out:V3": "oci:out:V3",
    "oci:out:reg.example/x:3": "oci:out:reg.example/x:3",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("home", HOMES)
def test_save_writes_every_form(home: str, form: str, forms: dict[str, str], lamella: Lamella) -> None:
    for _ in range(2):  # what is there already is replaced, and a layout has the image once
        done = lamella("save", "-o", home, forms[form])
        assert (done.code, done.out, done.err) == (0, "", "")
    found = lamella("inspect", HOMES[home]).json[0]
    assert found["Id"] == lamella("inspect", "app:1").json[0]["Id"]
    if home.count(":") > 1:
        assert len(found["RepoTags"]) == 1
    elif form == "id":
        assert found["RepoTags"] == []
    else:
        assert found["RepoTags"] == ["app:1"]


@pytest.mark.parametrize("form", FORMS)
def test_save_gives_it_to_a_daemon(
    form: str, forms: dict[str, str], lamella: Lamella, fake_daemon: FakeDaemon, tmp_path: Path
) -> None:
    assert lamella("save", "-o", "docker-daemon:new:7", forms[form]).code == 0
    assert lamella("save", "-o", "docker-daemon:", forms[form], "base:1").code == 0
    named, several = fake_daemon.loaded
    (tmp_path / "named.tar").write_bytes(named)
    (tmp_path / "several.tar").write_bytes(several)
    assert _tags(lamella, f"{tmp_path}/named.tar") == ["new:7"]
    assert _tags(lamella, f"docker-archive:{tmp_path}/several.tar:base:1") == ["base:1"]
    image_id = forms["id"]
    assert _tags(lamella, f"docker-archive:{tmp_path}/several.tar:{image_id}") == ([] if form == "id" else ["app:1"])


def _tags(lamella: Lamella, image: str) -> list[str]:
    tags: list[str] = lamella("inspect", image).json[0]["RepoTags"]
    return tags


def test_several_to_standard_output(forms: dict[str, str], lamella: Lamella, tmp_path: Path) -> None:
    for home in ("docker-archive:-", "oci-archive:-", "-"):
        words = [sys.executable, "-m", "lamella", "save", "-o", home, "base:2", forms["old"]]
        done = subprocess.run(words, capture_output=True, check=True)
        (tmp_path / "piped.tar").write_bytes(done.stdout)
        assert lamella("inspect", f"docker-archive:{tmp_path}/piped.tar:app:1").code == 0
        assert lamella("inspect", f"docker-archive:{tmp_path}/piped.tar:base:2").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "docker-archive:out.tar:x:1", "app:1", "base:1"], "2 images cannot all be called x:1"),
        (["-o", "docker-daemon:x:1", "app:1", "base:1"], "2 images cannot all be called x:1"),
        (["-o", "docker-archive:out.tar:UPPER", "app:1"], "lower case"),
        (["-o", "oci:out:a b", "app:1"], "tag"),
        (["-o", "oci:", "app:1"], "names no folder"),
        (["-o", "docker-archive:", "app:1"], "names no file"),
        (["-o", "oci:out", "--format", "oci", "app:1"], "not of the format"),
        (["-o", "oci-archive:absent/out.tar", "app:1"], "absent/out.tar"),
        (["-o", "oci-archive:out.tar", "nothing"], "no image"),
    ],
)
def test_what_cannot_be_written(words: list[str], says: str, forms: dict[str, str], lamella: Lamella) -> None:
    done = lamella("save", *words)
    assert done.code in (2, 3)
    assert says in done.err
    assert os.listdir() == []

"""``lamella build --output``: the words, what is printed, and the files beside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.cli.annotations import parse_annotations
from lamella.cli.outputs import parse_outputs
from lamella.errors import LamellaError, NotSupported, UsageError

Call = Callable[..., Any]


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY a /a\n")
    (folder / "a").write_text("a")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("out", "local", "out"),
        ("out.tar", "local", "out.tar"),
        ("a=b", "local", "a=b"),
        ("type=local,dest=out", "local", "out"),
        ('type=local,"dest=a,b"', "local", "a,b"),
        ("type=tar,dest=x.tar", "tar", "x.tar"),
        ("dest=x.tar,type=oci", "oci", "x.tar"),
        ("type=docker,dest=x.tar", "docker", "x.tar"),
        ("type=oci,tar=false,dest=x", "oci", "x"),
        ("type=docker", "image", ""),
        ("type=image,name=a:1", "image", ""),
        ("type=cacheonly", "cacheonly", ""),
    ],
)
def test_words(text: str, kind: str, path: str, context: Path) -> None:
    (one,) = parse_outputs([text]).outputs
    assert (one.kind, one.path) == (kind, str(context / path) if path else "")
    assert one.stream is None


def test_names_compression_and_annotations() -> None:
    parsed = parse_outputs(['type=image,"name=a,b",compression=zstd,annotation.x=y,annotation-index.z=w'])
    assert parsed.outputs[0].names == ("a", "b")
    assert parsed.compression == "zstd"
    assert parsed.annotations == ("manifest:x=y", "index:z=w")


@pytest.mark.parametrize(
    ("texts", "kind", "says"),
    [
        (["type=foo"], UsageError, "no type 'foo'"),
        (["type="], UsageError, "names no type"),
        (["type=local"], UsageError, "a folder is needed"),
        (["type=local,dest=-"], UsageError, "a folder is needed"),
        (["type=tar,dest=."], UsageError, "is a folder"),
        (["type=oci,dest=no/such/x.tar"], UsageError, "no folder"),
        (["type=local,dest=a"], UsageError, "not a folder"),
        (["type=tar,destination=x"], NotSupported, "destination"),
        (["type=oci,dest=x,tar=maybe"], UsageError, "neither true nor false"),
        (["type=image,push=true"], NotSupported, "pushed"),
        (["type=registry"], NotSupported, "pushed"),
        (["type=image,dest=x"], UsageError, "no dest"),
        (["type=image,compression=lzw"], UsageError, "lzw"),
        (["type=tar,tar"], UsageError, "KEY=VALUE"),
        (["-", "type=oci"], UsageError, "standard output"),
        (["type=image,compression=zstd", "type=oci,dest=x,compression=gzip"], UsageError, "different compressions"),
    ],
)
def test_wrong_words(texts: list[str], kind: type[LamellaError], says: str, context: Path) -> None:
    with pytest.raises(kind) as caught:
        parse_outputs(texts)
    assert says in caught.value.message


def test_annotations() -> None:
    assert parse_annotations(["a=b", "manifest:c=d=e", "manifest[linux/amd64]:f=", "org.x:y=1", "a=2"]) == (
        ("a", "2"),
        ("c", "d=e"),
        ("f", ""),
        ("org.x:y", "1"),
    )
    for text, says in (("a", "NAME=VALUE"), ("index:a=b", "only manifests"), ("layer:a=b", "no place")):
        with pytest.raises(LamellaError) as caught:
            parse_annotations([text])
        assert says in caught.value.message


def test_a_folder_and_no_image(context: Path, lamella: Call) -> None:
    result = lamella("build", "-o", "out", "--metadata-file", "m.json", ".")
    assert (result.code, result.out) == (0, "")
    assert Path("out/a").read_text() == "a"
    assert lamella("images", "-q").out == ""
    assert json.loads(Path("m.json").read_text()) == {}
    assert sorted(os.listdir(".")) == ["Dockerfile", "a", "m.json", "out"]
    result = lamella("build", "-o", "out", "--iidfile", "id", ".")
    assert result.code == 2
    assert "--iidfile: no image" in result.err


def test_the_files_beside_an_image(context: Path, lamella: Call) -> None:
    image_id = lamella("build", "-q", "-t", "x", "--metadata-file", "m.json", "--iidfile", "id", ".").out.strip()
    data = json.loads(Path("m.json").read_text())
    assert Path("id").read_text() == data["containerimage.config.digest"] == image_id
    assert data["containerimage.descriptor"]["digest"] == data["containerimage.digest"]
    assert data["image.name"] == "docker.io/library/x:latest"
    assert sorted(os.listdir(".")) == ["Dockerfile", "a", "id", "m.json"]


@pytest.mark.parametrize("flag", ["--iidfile", "--metadata-file"])
@pytest.mark.parametrize(("path", "said"), [("nowhere/id", "there is no folder nowhere"), (".", "this is a folder")])
def test_a_file_that_cannot_be_is_told_before_the_build(
    flag: str, path: str, said: str, context: Path, lamella: Call
) -> None:
    result = lamella("build", flag, path, ".")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"error: {path}: {flag}: cannot write the file: {said}")
    assert lamella("images", "-q").out == ""


def test_a_folder_that_reads_as_an_address_is_a_folder(context: Path, lamella: Call) -> None:
    os.mkdir("me@host:here")
    (context / "me@host:here" / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    assert lamella("build", "-q", "me@host:here").code == 0


def test_several_outputs_and_the_store(context: Path, lamella: Call) -> None:
    result = lamella(
        "build", "-q", "-o", "type=oci,dest=o.tar", "-o", "type=docker", "-t", "x:1", "--metadata-file", "m", "."
    )
    assert result.out.startswith("sha256:")
    assert lamella("image", "inspect", "oci-archive:o.tar").json[0]["Id"] == result.out.strip()
    assert lamella("image", "inspect", "x:1").json[0]["Id"] == result.out.strip()
    assert json.loads(Path("m").read_text())["image.name"] == "docker.io/library/x:1"


def test_a_tar_on_standard_output_is_all_that_stands_there(context: Path, store_root: Path) -> None:
    words = [sys.executable, "-m", "lamella", "build", "-o", "-", "."]
    done = subprocess.run([*words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    Path("got.tar").write_bytes(done.stdout)
    with tarfile.open("got.tar") as tar:
        assert tar.getnames() == ["a"]


def test_a_second_build_is_not_answered_from_a_note(context: Path, store_root: Path) -> None:
    words = [sys.executable, "-m", "lamella", "build", "-q", "-oout", "."]
    for _ in range(2):
        subprocess.run(words, check=True)
        Path("out/a").unlink()
    subprocess.run(words, check=True)
    assert Path("out/a").exists()


def test_files_of_the_build_are_written_whole_or_not_at_all(context: Path, lamella: Call) -> None:
    result = lamella("build", "--metadata-file", "no/such/m.json", ".")
    assert result.code == 3
    assert "no/such/m.json" in result.err
    assert sorted(os.listdir(".")) == ["Dockerfile", "a"]


def test_stages_that_run_again(context: Path, lamella: Call) -> None:
    Path("Dockerfile").write_text(
        "FROM scratch AS one\nCOPY a /1\nFROM scratch AS two\nCOPY a /2\nCOPY --from=one /1 /3\n"
    )
    assert lamella("build", ".").code == 0
    err = lamella("build", "--no-cache-filter", "ONE", ".").err
    assert err.count("CACHED") == 2, err


def test_platforms(context: Path, lamella: Call) -> None:
    words = ("--platform", "linux/arm64/v8,local", "--platform", "arm64", "-t", "m", "--metadata-file", "m.json")
    result = lamella("build", *words, ".")
    assert result.code == 0, result.err
    assert result.err.count("building for") == (0 if os.uname().machine == "aarch64" else 2)
    data = json.loads(Path("m.json").read_text())
    assert data["containerimage.digest"] == result.out.strip()
    assert "containerimage.config.digest" not in data
    for platform, code, says in (
        ("windows/amd64", 2, "Linux only"),
        ("foo", 2, "no architecture"),
        ("linux/arm64,", 2, "not a platform"),
    ):
        result = lamella("build", "--platform", platform, ".")
        assert (result.code, says in result.err) == (code, True), result.err


@pytest.mark.parametrize("output", ["-", "type=oci", "type=docker,dest=-"])
def test_a_reader_that_has_enough_and_an_interrupt_end_it_quietly(context: Path, store_root: Path, output: str) -> None:
    Path("Dockerfile").write_text("FROM scratch\nCOPY big /\nCOPY a /\n")
    Path("big").write_bytes(os.urandom(8 << 20))
    words = [sys.executable, "-m", "lamella", "build", "-q", "-o", output, "."]
    for stop in ("close", "interrupt"):
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            if stop == "close":
                process.stdout.close()
            else:
                process.send_signal(signal.SIGINT)
            said = process.stderr.read().decode()
            code = process.wait(timeout=30)
        assert (code, said) == ((141, "") if stop == "close" else (130, "error: interrupted\n"))
    assert list((store_root / "lamella" / "tmp").iterdir()) == []

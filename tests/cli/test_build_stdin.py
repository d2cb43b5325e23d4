"""``lamella build -``: a Dockerfile or an archive of the context on standard input."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

Call = Callable[..., Any]
LAMELLA = [sys.executable, "-m", "lamella", "build"]
DOCKERFILE = b"FROM scratch\nCOPY . /all/\nCOPY --chown=3:4 s /s\nADD in.tar /\n"


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


INNER = archive(member("unpacked", b"u", uid=5))
CONTEXT = archive(
    member("./", type=tarfile.DIRTYPE, mode=0o755),
    member("./Dockerfile", DOCKERFILE),
    member("./.dockerignore", b"a\n"),
    member("./a", b"a"),
    member("./s", b"s", mode=0o4755, uid=9, gid=10),
    member("./hard", type=tarfile.LNKTYPE, linkname="./s"),
    member("./null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o644),
    member("./link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    member("./in.tar", INNER),
)


@pytest.fixture
def build(store_root: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(data: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([*LAMELLA, *words], input=data, capture_output=True, check=False, cwd=tmp_path)
        assert b"internal error" not in done.stderr
        assert list((store_root / "lamella" / "tmp").glob("*")) == []
        return done

    return run


def contents(done: subprocess.CompletedProcess[bytes]) -> dict[str, tarfile.TarInfo]:
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        return {info.name: info for info in tar}


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress],
    ids=["plain", "gzip", "bzip2", "xz", "zstd"],
)
def test_an_archive_is_the_context_as_docker_takes_it(build: Any, compress: Callable[[bytes], bytes]) -> None:
    """What Docker 26 with BuildKit makes of the same archive: owners and modes stay, no ignore file is applied."""
    found = contents(build(compress(CONTEXT), "-o", "-", "-"))
    assert sorted(name for name in found if name.startswith("all/")) == [
        "all/.dockerignore", "all/Dockerfile", "all/a", "all/hard", "all/in.tar", "all/link", "all/null", "all/s",
    ]  # fmt: skip
    hard = found["all/hard"]
    assert (hard.uid, hard.gid, hard.mode) == (9, 10, 0o4755)
    assert (found["all/s"].type, found["all/s"].linkname) == (tarfile.LNKTYPE, "all/hard")
    assert (found["s"].uid, found["s"].gid, found["s"].mode) == (3, 4, 0o4755)
    assert found["all/null"].ischr()
    assert found["all/link"].linkname == "/etc/passwd"
    assert found["unpacked"].uid == 5


def test_a_changed_archive_is_a_changed_context(build: Any) -> None:
    def built(**fields: Any) -> str:
        data = archive(member("Dockerfile", b"FROM scratch\nCOPY s /\n"), member("s", b"s", **fields))
        return str(build(data, "-").stderr)

    assert "CACHED" not in built()
    assert "CACHED" in built()
    assert "CACHED" in built(mtime=77)
    assert "CACHED" not in built(uid=8)


def test_the_dockerfile_by_its_path_in_the_archive(build: Any) -> None:
    other = b"FROM scratch\nCOPY deep/other /\n"
    data = archive(
        member("deep/other", other),
        member("deep/there", type=tarfile.SYMTYPE, linkname="../deep/other"),
        member("out", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("back", type=tarfile.SYMTYPE, linkname="../../../../../../etc/passwd"),
    )
    for name in ("deep/other", "deep/there", "./deep/../deep/other"):
        assert set(contents(build(data, "-o", "-", "-f", name, "-"))) == {"other"}
    for name in ("out", "back", "missing", "deep", "../deep/nothing"):
        done = build(data, "-f", name, "-")
        assert done.returncode == 2
        assert f"the archive holds no {name}" in done.stderr.decode()


@pytest.mark.parametrize(
    "hostile",
    [
        [member("../out", b"x")],
        [member("x", type=tarfile.SYMTYPE, linkname="/tmp"), member("x/../../out", b"x")],
        [member("h", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
        [member("h", type=tarfile.LNKTYPE, linkname="../../index.json")],
        [member(".wh.Dockerfile", b"")],
        [member("dev", type=tarfile.CHRTYPE)],
    ],
    ids=["dots", "link then dots", "hard link", "hard link out", "whiteout", "device 0:0"],
)
def test_hostile_archives(build: Any, hostile: Any, store_root: Path) -> None:
    done = build(archive(member("Dockerfile", DOCKERFILE), *hostile), "-")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: standard input")
    assert b"hint:" in done.stderr


@pytest.mark.containers
def test_links_in_an_archive_never_lead_out(build: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    data = archive(
        member("Dockerfile", b"FROM scratch\nCOPY . /\n"),
        member("x", type=tarfile.SYMTYPE, linkname=str(outside)),
        member("x/written", b"x"),
    )
    build(data, "-")
    assert list(outside.iterdir()) == []


def test_broken_archives(build: Any) -> None:
    for data in (CONTEXT[:1300], gzip.compress(CONTEXT)[:100], lzma.compress(CONTEXT)[:-9]):
        done = build(data, "-")
        assert done.returncode == 2
        assert done.stderr.startswith(b"error: standard input")


def test_a_dockerfile_alone_has_an_empty_context(build: Any) -> None:
    assert set(contents(build(b"FROM scratch\nCOPY . /x/\n", "-o", "-", "-"))) == {"x"}
    done = build(b"FROM scratch\nCOPY q /x/\n", "-")
    assert done.returncode == 2
    assert b"-:2: 'q' does not exist in the build context" in done.stderr
    assert b"the Dockerfile came alone" in done.stderr


@pytest.mark.parametrize(
    ("data", "words", "says"),
    [
        (b"", ["-"], "nothing came on standard input"),
        (b"FROM scratch", ["-f", "-", "-"], "cannot be both"),
        (b"FROM scratch", ["-f", "x", "-"], "are Dockerfiles"),
        (b"\0" * 1024, ["-"], "NUL byte"),
        (b"no", ["-"], "-:1"),
    ],
)
def test_refused(build: Any, data: bytes, words: list[str], says: str) -> None:
    done = build(data, *words)
    assert done.returncode == 2
    assert says in done.stderr.decode()


def test_a_context_that_is_no_folder(lamella: Call, tmp_path: Path) -> None:
    file = tmp_path / "ctx.tar"
    file.write_bytes(CONTEXT)
    result = lamella("build", str(file))
    assert result.code == 2
    assert f"lamella build - < {file}" in result.err
    result = lamella("build", str(tmp_path / "no"))
    assert result.code == 2
    assert "there is no such folder" in result.err


def test_a_killed_build_leaves_its_context_to_the_next(store_root: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen([*LAMELLA, "-"], stdin=reader, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as pipe, process:
        pipe.write(archive(member("Dockerfile", DOCKERFILE), member("big", bytes(4 << 20)))[:-20_000])
        temporary = store_root / "lamella" / "tmp"
        while not list(temporary.glob("*/big")):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    subprocess.run([*LAMELLA, "-q", "-"], input=b"FROM scratch\nCOPY . /\n", check=True, capture_output=True)
    assert list(temporary.glob("*")) == []


@pytest.mark.containers
def test_run_sees_an_archives_files_as_they_were_in_it(
    put_image: Any, lamella: Any, tmp_path: Path, bases: Path
) -> None:
    assert lamella("import", str(bases / "busybox-musl-amd64.tar.gz"), "busybox").code == 0
    dockerfile = b"""FROM busybox
RUN --mount=target=/in,rw ls -ln /in/d/f | cut -c1-10 > /seen && stat -c %u:%g /in/d/f >> /seen && echo more > /in/d/f
RUN --mount=target=/in --mount=type=bind,source=d/f,target=/one cat /in/d/f /one >> /seen
"""
    data = archive(
        member("Dockerfile", dockerfile), member("d", type=tarfile.DIRTYPE, mode=0o755),
        member("d/f", b"text\n", mode=0o640, uid=5, gid=6),
    )  # fmt: skip
    words = [*LAMELLA, "-q", "-o", str(tmp_path / "out"), "-"]
    done = subprocess.run(words, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "out" / "seen").read_text() == "-rw-r-----\n5:6\ntext\ntext\n"

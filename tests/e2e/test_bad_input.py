"""Bad input of twenty-odd kinds: one clear message with its place, a hint, the documented exit code, a whole store."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Shell = Any


class Case(NamedTuple):
    """``where`` and ``says`` must stand in the message; ``hint`` in the hint line."""

    name: str
    dockerfile: str | bytes
    exit_code: int
    where: str
    says: str
    hint: str = ""
    words: tuple[str, ...] = ()


ALPINE = "FROM alpine:3.20\n"
CASES = [
    Case("unknown instruction", "FROM scratch\nCOPPY a b\n", 2, "Dockerfile:2", "COPPY", "COPY"),
    Case("missing base", "FROM nothing:like-this\nRUN true\n", 3, "Dockerfile:1", "nothing:like-this", "blocked"),
    Case("cycle", "FROM scratch AS a\nCOPY --from=b / /\nFROM a AS b\nCOPY --from=a / /\n", 2, "Dockerfile:", ""),
    Case("copy from itself", "FROM scratch AS a\nCOPY --from=a /x /\n", 2, "Dockerfile:2", "a"),
    Case("outside the context", "FROM scratch\nCOPY ../secret /\n", 2, "Dockerfile:2", "outside", "context"),
    Case("missing file", "FROM scratch\nCOPY absent.txt /\n", 2, "Dockerfile:2", "absent.txt", ""),
    Case("pattern in no folder", "FROM scratch\nCOPY no/*.x /\n", 2, "Dockerfile:2", "'no' does not exist", ""),
    Case("unterminated heredoc", "FROM scratch\nRUN <<EOF\necho\n", 2, "Dockerfile:2", "EOF", "EOF"),
    Case("failing RUN", ALPINE + "RUN echo oops >&2; exit 42\n", 1, "Dockerfile:2", "42", ""),
    Case("program not found", ALPINE + 'RUN ["/no/such"]\n', 1, "Dockerfile:2", "127", "not found"),
    Case("unknown flag", "FROM scratch\nCOPY --chwon=1 a /\n", 2, "Dockerfile:2", "chwon", "chown"),
    Case("no FROM", "RUN true\n", 2, "Dockerfile:1", "FROM", ""),
    Case("empty file", "", 2, "Dockerfile:", "", ""),
    Case("comments alone", "# nothing\n\n", 2, "Dockerfile:", "", ""),
    Case("binary file", b"\x7fELF\x02\x01\x01\x00\x00\x00", 2, "Dockerfile:1", "", ""),
    Case("not UTF-8", b"FROM scratch\nLABEL a=\xff\xfe\n", 2, "Dockerfile:2", "UTF-8", ""),
    Case("bad reference", "FROM Alpine:Latest:x\n", 2, "Dockerfile:1", "", ""),
    Case("unknown user", ALPINE + "USER ghost\nRUN true\n", 2, "Dockerfile:", "ghost", ""),
    Case("unknown stage", "FROM scratch\n", 2, "", "nope", "", ("--target", "nope")),
    Case("file as folder", "FROM scratch\nCOPY a /x\nCOPY a /x/y\n", 2, "Dockerfile:3", "/x", ""),
    Case("healthcheck without a command", "FROM scratch\nHEALTHCHECK\n", 2, "Dockerfile:2", "HEALTHCHECK", ""),
    Case("SHELL that is no list", "FROM scratch\nSHELL bash\n", 2, "Dockerfile:2", "SHELL", ""),
    Case("bad variable", "FROM scratch\nENV A=${B\n", 2, "Dockerfile:2", "", ""),
    Case("required variable", "FROM scratch\nWORKDIR /${X:?is not set}\n", 2, "Dockerfile:2", "is not set", ""),
    Case("bad tag", "FROM scratch\n", 2, "", "UPPER", "lower case", ("-t", "UPPER")),
    Case("not yet supported", "FROM scratch\nRUN --device=x true\n", 2, "Dockerfile:2", "not supported yet", ""),
    Case("link leads out", "FROM scratch\nCOPY out /\n", 2, "Dockerfile:2", "out", ""),
]


@pytest.mark.containers
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_one_clear_message(alpine: Shell, case: Case) -> None:
    (alpine.folder.parent / "secret").write_text("secret")
    alpine.write("a", "a")
    alpine.write("b", "b")
    (alpine.folder / "out").symlink_to("../secret")
    alpine.write("Dockerfile", case.dockerfile)
    done = alpine.run("build", "-q", *case.words, ".")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == case.exit_code, done.stderr
    assert len(errors) == 1, done.stderr
    assert case.where in errors[0]
    assert case.says in errors[0]
    hints = [line for line in done.stderr.splitlines() if line.startswith("  hint: ")]
    assert len(hints) == 1, done.stderr
    assert case.hint in hints[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    alpine.verify()
    assert alpine.mounts() == []


@pytest.mark.containers
def test_no_runtime(alpine: Shell) -> None:
    alpine.write("Dockerfile", ALPINE + "LABEL a=b\nRUN true\n")
    done = alpine.run("build", ".", env=alpine.env | {"LAMELLA_RUNTIME": "/no/such/runc"})
    assert done.returncode == 3
    assert "Dockerfile:3" in done.stderr
    assert "apt install runc" in done.stderr
    alpine.verify()


@pytest.mark.containers
def test_not_root(shell: Shell, unprivileged: Callable[[], None]) -> None:
    """COPY needs nothing; RUN a user namespace, and where there is none the error says so."""
    with tempfile.TemporaryDirectory() as place:
        folder, store = Path(place) / "project", Path(place) / "store"
        for path, mode in ((Path(place), 0o755), (folder, 0o755), (store, 0o777)):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        options: Any = {
            "env": shell.env | {"LAMELLA_ROOT": str(store), "HOME": "/nonexistent"},
            "preexec_fn": unprivileged,
            "cwd": folder,
        }
        (folder / "a").write_text("a")
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY a /a\n")
        if shell.run("--version", **options).returncode != 0:
            pytest.skip("another user cannot read this checkout")
        done = shell.run("build", "-t", "base", ".", **options)
        assert done.returncode == 0, done.stderr
        (folder / "Dockerfile").write_text('FROM base\nRUN ["/a"]\n')
        done = shell.run("build", ".", **options)
        mode = shell.run("system", "info", **options).stdout
        ran = "user namespace" in mode or "one id" in mode
        assert (done.returncode, "permission denied" if ran else "root") in ((1, "permission denied"), (3, "root"))
        assert ("cannot be executed" if ran else "root") in done.stderr
        assert "Dockerfile:2" in done.stderr
        assert "Traceback" not in done.stderr
        assert shell.run("image", "verify", **options).returncode == 0


@pytest.mark.containers
@pytest.mark.parametrize("step", ["COPY big /big", "RUN cat /dev/zero > /big"])
def test_full_disk(alpine: Shell, step: str, tmp_path: Path, bases: Path) -> None:
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        env = alpine.env | {"LAMELLA_ROOT": str(place / "store")}
        alpine.ok("import", str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"), "alpine:3.20", env=env)
        alpine.write("big", os.urandom(60 << 20))
        alpine.write("Dockerfile", f"{ALPINE}{step}\n")
        done = alpine.run("build", ".", env=env)
        assert done.returncode in (1, 3), done.stderr
        assert "space" in done.stderr.lower()
        assert "Dockerfile:2" in done.stderr
        assert "Traceback" not in done.stderr
        assert alpine.run("image", "verify", env=env).returncode == 0
        alpine.write("Dockerfile", f"{ALPINE}RUN echo small > /small\n")
        assert alpine.run("build", ".", env=env).returncode == 0
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("build", "/no/such/folder"), "/no/such/folder"),
        (("build", "-f", "absent", "."), "absent"),
        (("build", "--nonsense", "."), "nonsense"),
        (("build", "--build-arg", "=x", "."), "NAME=VALUE"),
        (("biuld", "."), "biuld"),
        (("image", "inspect", "unknown"), "unknown"),
        (("load", "-i", "Dockerfile"), "Dockerfile"),
    ],
)
def test_bad_usage_is_exit_2(shell: Shell, words: tuple[str, ...], says: str) -> None:
    shell.write("Dockerfile", "FROM scratch\n")
    done = shell.run(*words)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr


def test_a_damaged_blob_is_found_and_named(shell: Shell) -> None:
    shell.write("a", "content of a file")
    shell.write("Dockerfile", "FROM scratch\nCOPY a /a\n")
    shell.ok("build", "-t", "x", ".")
    layer = shell.json("image", "inspect", "x")
    blobs = sorted((shell.store / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    assert layer
    victim = next(path for path in blobs if path.read_bytes()[:2] == b"\x1f\x8b")
    data = bytearray(victim.read_bytes())
    data[-5] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(bytes(data))
    done = shell.run("image", "verify")
    assert done.returncode in {1, 3}
    assert victim.name[:12] in done.stdout + done.stderr

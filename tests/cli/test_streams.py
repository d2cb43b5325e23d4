"""Shells that leave something out: closed streams, a locale without UTF-8, a current folder that is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def call(root: Path, command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    own = {"PATH": os.environ["PATH"], "LAMELLA_ROOT": str(root / "store"), "LAMELLA": f"{sys.executable} -m lamella"}
    return subprocess.run(["sh", "-c", command], cwd=root, env=own | environment, capture_output=True, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    for words in ("build -t app .", "build -t app .", "image ls", "image verify"):
        done = call(tmp_path, f"$LAMELLA {words} {closed}")
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), (words, done.stderr)
    assert call(tmp_path, f"$LAMELLA image inspect nothing {closed}").returncode == 2


def test_file_names_are_utf8_in_every_locale(tmp_path: Path) -> None:
    (tmp_path / "한글.txt").write_text("1")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY 한글.txt /한/\n", encoding="utf-8")
    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ids = {call(tmp_path, "$LAMELLA build -q .", SOURCE_DATE_EPOCH="0", **more).stdout for more in ({}, odd)}
    assert len(ids) == 1
    assert ids.pop().startswith(b"sha256:")
    shown = call(tmp_path, "$LAMELLA context", **odd)
    assert (shown.returncode, "한글.txt" in shown.stdout.decode()) == (0, True)


def test_a_stream_that_cannot_print_a_character_gets_it_escaped(tmp_path: Path) -> None:
    (tmp_path / "é").touch()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    shown = call(tmp_path, "$LAMELLA context", PYTHONIOENCODING="ascii")
    assert (shown.returncode, b"\\xe9" in shown.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("build .", b"there is no such Dockerfile"),
        ("--root store image ls", b"the current folder is not there any more"),
    ],
)
def test_a_current_folder_that_is_gone(tmp_path: Path, words: str, says: bytes) -> None:
    done = call(tmp_path, f"mkdir gone && cd gone && rmdir ../gone && $LAMELLA {words}")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: ")
    assert says in done.stderr

"""``lamella check``: exit codes, what goes to stdout and what to stderr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = "FROM a\nRUN b\n"
BAD = "FROM a\nRUN b\nRUN c\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def test_this_folder(folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "Dockerfile", BAD)
    result = lamella("check")
    assert result.code == 1
    assert result.out.startswith("Dockerfile:2: warning: the 2 RUNs on lines 2 and 3 can be one")
    assert result.err == ""
    assert (folder / "Dockerfile").read_text() == BAD


def test_nothing_found(folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "Dockerfile", GOOD)
    result = lamella("check", "Dockerfile")
    assert (result.code, result.out, result.err) == (0, "no findings\n", "")


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1), ("info", 1)])
def test_fail_on(level: str, code: int, folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "x/Containerfile", BAD)
    assert lamella("check", "x", "--fail-on", level).code == code


def test_several_files_as_json(folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "one/Dockerfile", GOOD)
    write(folder / "two.Dockerfile", BAD)
    result = lamella("check", "one", "two.Dockerfile", "--format", "json")
    assert result.code == 1
    assert result.json["schema"] == 1
    files = {each["file"]: [found["rule"] for found in each["findings"]] for each in result.json["files"]}
    assert files == {"one/Dockerfile": [], "two.Dockerfile": ["consecutive-runs"]}


def test_only_skip_and_target(folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "Dockerfile", "FROM a AS x\nRUN b\nRUN c\nFROM d\n")
    assert lamella("check").code == 0
    assert lamella("check", "--target", "x").code == 1
    assert lamella("check", "--target", "x", "--skip", "consecutive-runs").code == 0
    assert lamella("check", "--target", "x", "--only", "consecutive-runs").code == 1
    assert lamella("check", "--target", "nothing").code == 2
    wrong = lamella("check", "--only", "nonsense")
    assert wrong.code == 2
    assert "no rule 'nonsense'" in wrong.err


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("FROM a\nRUM b\n", "Dockerfile:2: "),
        ("RUN b\n", "Dockerfile:1: "),
        ("", "Dockerfile:1: "),
        ("FROM a\nRUN <<E\n", "Dockerfile:2: "),
        (b"FROM a\nRUN \xff\n", "Dockerfile:2: "),
        (b"FROM a\nRUN \0\n", "Dockerfile:2: "),
        ("ARG X\n", "Dockerfile:1: "),
    ],
)
def test_bad_input(text: str | bytes, where: str, folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "Dockerfile", text)
    result = lamella("check")
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith(f"error: {where}")
    assert result.err.count("error:") == 1


def test_no_such_file(folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "empty/file", "")
    for path in ("nowhere", "empty"):
        result = lamella("check", path)
        assert result.code == 2
        assert "no such Dockerfile" in result.err


def test_a_bad_file_among_good_ones(folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "bad", "FROM a\nRUM b\n")
    write(folder / "Dockerfile", BAD)
    result = lamella("check", "bad", ".")
    assert result.code == 2
    assert "Dockerfile:2: warning" in result.out
    assert result.err.startswith("error: bad:2: ")
    as_json = lamella("check", "bad", ".", "--format", "json")
    assert as_json.code == 2
    assert [("error" in each, len(each["findings"])) for each in as_json.json["files"]] == [(True, 0), (False, 1)]


@pytest.mark.parametrize("text", [BAD.replace("\n", "\r\n"), "\ufeff" + BAD, BAD.removesuffix("\n")])
def test_odd_encodings(text: str, folder: Path, lamella: Callable[..., Any]) -> None:
    write(folder / "Dockerfile", text)
    assert lamella("check").code == 1

"""``lamella context``: what is sent, what is left out by which line, which instruction uses what."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.oci.config import RunConfig

Call = Callable[..., Any]

DOCKERFILE = """\
FROM base:1 AS build
COPY package*.json ./
RUN --mount=target=/m,source=docs make
FROM scratch
COPY --from=build /x /x
COPY --exclude=**/*.h src/ /app/
COPY package.json /y/
"""
IGNORE = """\
# junk
node_modules
*.md
!README.md
**/*.o
"""
FILES = {
    ".dockerignore": IGNORE,
    "Dockerfile": DOCKERFILE,
    "README.md": "r",
    "TODO.md": "todo",
    "docs/x.html": "doc",
    "junk.bin": "0" * 1000,
    "node_modules/a/big.js": "0" * 5000,
    "node_modules/b.js": "0" * 50,
    "package.json": "{}",
    "src/lib/x.h": "h",
    "src/lib/x.o": "oo",
    "src/main.c": "main",
}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    os.symlink("main.c", folder / "src" / "link")
    return folder


def test_text(context: Path, lamella: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(context)
    result = lamella("context")
    assert result.code == 0
    assert result.out.splitlines() == [
        "bytes  file           why",
        f"{len(IGNORE):>4}B  .dockerignore  the ignore file",
        f"{len(DOCKERFILE):>4}B  Dockerfile     the Dockerfile",
        "   1B  README.md      unused (.dockerignore:4 !README.md)",
        "   3B  docs/x.html    3 RUN --mount=target=/m,source=docs make",
        "  1kB  junk.bin       unused",
        "   2B  package.json   2 COPY package*.json ./, 7 COPY package.json /y/",
        "   1B  src/lib/x.h    unused",
        "   0B  src/link       6 COPY --exclude=**/*.h src/ /app/",
        "   4B  src/main.c     6 COPY --exclude=**/*.h src/ /app/",
        "",
        " bytes  files  left out by .dockerignore  line",
        "    4B      1  TODO.md                    3 *.md",
        "5.05kB      2  node_modules/              2 node_modules",
        "    2B      1  src/lib/x.o                5 **/*.o",
        "",
        "in the context: 9 files, 1.23kB; used by no instruction: 3 files, 1kB",
        "left out by .dockerignore: 4 files, 5.06kB",
    ]
    assert result.err == ""


def test_parents_use_what_they_keep(context: Path, lamella: Call) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY --parents src/./**/*.c docs/ /x/\n")
    used = lamella("context", "--unused", str(context)).out
    assert "src/lib/x.h" in used
    assert "src/main.c" not in used
    assert "docs/x.html" not in used


def test_unused(context: Path, lamella: Call) -> None:
    result = lamella("context", "--unused", str(context))
    rows = [line.split() for line in result.out.splitlines()]
    assert [row[1] for row in rows[1:4]] == ["README.md", "junk.bin", "src/lib/x.h"]
    assert "left out by .dockerignore  line" not in result.out


def test_json(context: Path, lamella: Call) -> None:
    data = lamella("context", "--format", "json", str(context)).json
    assert data["schema"] == 1
    assert data["ignore_file"] == ".dockerignore"
    files = {file["path"]: file for file in data["files"]}
    assert files["package.json"]["used_by"] == [
        {"line": 2, "stage": "build", "text": "COPY package*.json ./"},
        {"line": 7, "stage": "1", "text": "COPY package.json /y/"},
    ]
    assert (files["README.md"]["line"], files["README.md"]["pattern"]) == (4, "!README.md")
    assert files["Dockerfile"]["role"] == "Dockerfile"
    assert data["left_out"][1] == {
        "path": "node_modules/",
        "files": 2,
        "size": 5050,
        "line": 2,
        "pattern": "node_modules",
    }
    size = sum(file["size"] for file in data["files"])
    assert data["totals"] == {
        "sent": {"files": 9, "size": size},
        "unused": {"files": 3, "size": 1002},
        "left_out": {"files": 4, "size": 5056},
    }


def test_only_the_stages_of_the_target_count(context: Path, lamella: Call) -> None:
    data = lamella("context", "--format", "json", "--target", "build", "--unused", str(context)).json
    assert [file["path"] for file in data["files"]] == [
        "README.md",
        "junk.bin",
        "src/lib/x.h",
        "src/link",
        "src/main.c",
    ]
    assert data["left_out"] == []
    assert data["totals"]["left_out"]["files"] == 4


def test_a_dockerfile_with_an_ignore_file_of_its_own(context: Path, lamella: Call) -> None:
    (context / "docker").mkdir()
    (context / "docker" / "app").write_text("FROM scratch\nCOPY . /\n")
    (context / "docker" / "app.dockerignore").write_text("*\n!src\n")
    result = lamella("context", "--format", "json", "-f", str(context / "docker" / "app"), str(context))
    assert result.json["ignore_file"] == "docker/app.dockerignore"
    assert [file["path"] for file in result.json["files"]] == [
        "src/lib/x.h",
        "src/lib/x.o",
        "src/link",
        "src/main.c",
    ]


def test_what_is_asked_for_in_vain_is_warned_of(context: Path, lamella: Call) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY missing TODO.md src/main.c /\n")
    result = lamella("context", "--format", "json", str(context))
    assert result.code == 0
    assert ":2: 'missing' does not exist" in result.err
    assert ".dockerignore:3 (*.md) leaves 'TODO.md' out" in result.err
    used = [file["path"] for file in result.json["files"] if file["used_by"]]
    assert used == ["src/main.c"]


def test_variables_of_a_base_in_the_store(context: Path, lamella: Call, put_image: Callable[..., None]) -> None:
    put_image("base:1", [{"a": b"a"}], config=RunConfig(env=("WHAT=junk",)))
    (context / "Dockerfile").write_text("FROM base:1\nCOPY $WHAT.bin /\n")
    data = lamella("context", "--format", "json", str(context)).json
    assert [file["path"] for file in data["files"] if file["used_by"]] == ["junk.bin"]


def test_no_ignore_file(context: Path, lamella: Call) -> None:
    (context / ".dockerignore").unlink()
    result = lamella("context", str(context))
    assert "there is no ignore file" in result.out
    assert "node_modules/a/big.js" in result.out


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        (".dockerignore", "ok\n[", ".dockerignore:2"),
        ("Dockerfile", "FROM scratch\nNONSENSE\n", "Dockerfile:2"),
        ("Dockerfile", "FROM scratch\nCOPY --from=4 a b\n", "Dockerfile:2"),
    ],
)
def test_bad_input(context: Path, lamella: Call, name: str, text: str, where: str) -> None:
    (context / name).write_text(text)
    result = lamella("context", str(context))
    assert result.code == 2
    assert where in result.err
    assert result.out == ""


def test_no_folder_and_no_dockerfile(tmp_path: Path, lamella: Call) -> None:
    assert lamella("context", str(tmp_path / "none")).code == 2
    assert lamella("context", str(tmp_path)).code == 2


def test_the_store_is_not_made(context: Path, lamella: Call, store_root: Path) -> None:
    assert lamella("context", str(context)).code == 0
    assert not store_root.exists()

"""Puts the tables of the matchers before the real Docker 26: ``python tests/conformance/record_tables.py``.

tests/data/shell/words.jsonl: each word is said by a USER of one Dockerfile; the history has what Docker made of it.
tests/data/plan/ignore.jsonl: each ignore file is that of a named context with the paths of its lines; all are copied in
a few builds, and what arrived is looked at.

A line that Docker agrees with gets its version as the judge. One that it does not agree with is printed and keeps its
old judge: that of a newer matcher, or of the written rules. Read the diff afterwards.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docker26 import REPOSITORY, Docker26

WORDS = REPOSITORY / "tests" / "data" / "shell" / "words.jsonl"
IGNORE = REPOSITORY / "tests" / "data" / "plan" / "ignore.jsonl"
#: words and contexts in one build
WORDS_AT_ONCE, CONTEXTS_AT_ONCE = 16, 40
Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


class Judge:
    """The daemon, started again when it has died: some words are its end."""

    def __init__(self) -> None:
        self._docker = Docker26().__enter__()
        self.version = self._docker.version()

    @property
    def docker(self) -> Docker26:
        if self._docker.run("version").returncode:
            self.close()
            self._docker = Docker26().__enter__()
        return self._docker

    def close(self) -> None:
        self._docker.__exit__(None, None, None)

    def says(self, row: Row, said: Any, expected: Any) -> None:
        """Docker said this of a line that expects that."""
        if said == expected:
            row["judge"] = f"bash, {self.version}" if row.get("judge", "").startswith("bash") else self.version
            return
        print(f"{row.get('text', row.get('ignore'))!r} {row.get('path', '')}: Docker says {said!r}, not {expected!r}")


def build(docker: Docker26, folder: str, dockerfile: str, *options: str) -> str | None:
    """The image's ID, None where the build fails."""
    words = ["buildx", "build", "--iidfile", f"{folder}/iid", *options, "-f", "-", folder]
    done = docker.run(*words, input=dockerfile.encode())
    return None if done.returncode else Path(folder, "iid").read_text()


def users(docker: Docker26, variables: dict[str, str], texts: list[str], escape: str) -> list[str] | None:
    """What Docker makes of the words; None where it refuses one of them."""
    lines = [
        f"# escape={escape}",
        "FROM scratch",
        *(f"ARG {name}" for name in variables),
        *(f"USER {t}" for t in texts),
    ]
    options = [f"--build-arg={name}={value}" for name, value in variables.items()]
    with tempfile.TemporaryDirectory() as folder:
        image = build(docker, folder, "\n".join(lines) + "\n", *options)
    if image is None:
        return None
    (config,) = Path(docker.folder).glob(f"data/image/*/imagedb/content/sha256/{image.removeprefix('sha256:')}")
    history = json.loads(config.read_bytes())["history"]
    return [entry["created_by"].removeprefix("USER ") for entry in history if entry["created_by"].startswith("USER ")]


def record_words(judge: Judge) -> None:
    rows = read(WORDS)
    variables = rows[0]["variables"]
    for escape in ("\\", "`"):
        some = [
            row for row in rows[1:] if row.get("escape", "\\") == escape and "\n" not in row["text"] and row["text"]
        ]
        refused = [row for row in some if "error" in row]
        for batch in batched([row for row in some if "error" not in row], WORDS_AT_ONCE):
            found = users(judge.docker, variables, [row["text"] for row in batch], escape)
            if found is None:  # Docker names no line: one by one
                each = [users(judge.docker, variables, [row["text"]], escape) for row in batch]
                found = ["an error" if one is None else one[0] for one in each]
            for row, said in zip(batch, found, strict=True):
                judge.says(row, said, row["result"])
        for row in refused:
            judge.says(row, users(judge.docker, variables, [row["text"]], escape) is None, True)
    write(WORDS, rows)


def contexts(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Ignore files and lines whose paths can lie in one folder together."""
    for text, group in itertools.groupby(sorted(rows, key=lambda row: row["ignore"]), key=lambda row: row["ignore"]):
        left = list(group)
        while left:
            chosen: list[Row] = []
            for row in left:
                if not any(_clash(row["path"], other["path"]) for other in chosen):
                    chosen.append(row)
            left = [row for row in left if row not in chosen]
            yield text, chosen


def _clash(one: str, other: str) -> bool:
    """Whether one is a file where the other needs a folder."""
    return one.startswith(other + "/") or other.startswith(one + "/")


def record_ignore(judge: Judge) -> None:
    rows = read(IGNORE)
    for batch in batched(contexts([row for row in rows if "path" in row]), CONTEXTS_AT_ONCE):
        with tempfile.TemporaryDirectory() as folder:
            options = []
            for number, (text, lines) in enumerate(batch):
                context = Path(folder, f"c{number}")
                for row in lines:
                    path = context / row["path"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
                (context / ".dockerignore").write_text(text, "utf-8")
                options += ["--build-context", f"c{number}={context}"]
            copies = "".join(f"COPY --from=c{number} . /c{number}/\n" for number in range(len(batch)))
            arrived = Path(folder, "arrived")
            words = ["buildx", "build", *options, "-o", str(arrived), "-f", "-", folder]
            judge.docker(*words, input=f"FROM scratch\n{copies}".encode())
            for number, (_, lines) in enumerate(batch):
                for row in lines:
                    judge.says(row, not (arrived / f"c{number}" / row["path"]).exists(), row["ignored"])
    for row in rows:
        if "error" in row:
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, ".dockerignore").write_text(row["ignore"], "utf-8")
                Path(folder, "a").touch()
                judge.says(row, build(judge.docker, folder, "FROM scratch\nCOPY . /x/\n") is None, True)
    write(IGNORE, rows)


def batched(values: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    iterator = iter(values)
    while part := tuple(itertools.islice(iterator, size)):
        yield part


def main() -> int:
    judge = Judge()
    try:
        record_words(judge)
        record_ignore(judge)
    finally:
        judge.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A case: one text file that holds a Dockerfile, its context and what is said of them.

    covers: COPY | --chown             row and option of the language table; the line may stand several times
    options: --build-arg A=1           words for `build`, run in the context; $SERVER is the loopback web server
    context: .                         the build's last word ("none": there is none); stdin: a member that is its input
    output: ../out                     compared in place of the image: a folder or a tar archive
    judge: specification "..."         where the recorded Docker is too old: the text that says what to expect
    fails: 2 Dockerfile:3              the build must fail in Docker too; exit code and place that Lamella names
    differs: tree: why                 what Lamella does otherwise (tree, config, history, layers, fails), and why
    -- Dockerfile --
    FROM scratch
    COPY --chown=1:2 a /
    -- a --
    its content

A member begins with ``-- NAME --`` and is a file of the context; ``../NAME`` lies beside the context (secrets,
outputs), ``../www/NAME`` is what the web server serves. ``$SERVER`` in a Dockerfile is its address. Between NAME and
``--`` may stand:

    0755            the mode; the default is 0644, for a folder (``NAME/``) 0755
    -> TARGET       a symbolic link
    = OTHER         a hard link to a member above
    tar | tar.gz | tar.bz2 | tar.xz | tar.zst      an archive; its body lists entries as `parse_entry` reads them
    git             a bare repository; its body is a shell script run in the work tree that is cloned from
    image           not a file: a Dockerfile that is built under this name before

``-- expected --`` is what a case by specification expects: entries of the whole tree, and JSON objects whose keys
(``config``, ``history``, ``layers``) are compared as far as they are given. ``-- ours --`` is the same of what differs.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

CASES = Path(__file__).resolve().parent / "cases"
#: the bases that the cases were recorded on: a root file system and its sha256
BASES = {
    "busybox": ("busybox-musl-amd64.tar.gz", "5c3b447848a98e48dce106cb3e6acbd4fb6f9b26ee778798137349ce01f4d3c1"),
    "alpine": (
        "alpine-minirootfs-3.20.3-x86_64.tar.gz",
        "d4e6fd67dcf75e40c451560ac7265166c2b72a0f38ddc9aae756a7de3d1efa0c",
    ),
}
KEYS = ("covers", "options", "context", "stdin", "output", "judge", "fails", "differs")
_MEMBER = r"(.+?)(?: ([0-7]{4}|tar(?:\.\w+)?|git|image|-> .+|= .+))?"
_COMPRESS = {
    "tar": bytes,
    "tar.gz": lambda data: gzip.compress(data, mtime=0),
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar.zst": zstandard.compress,
}
_KINDS = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE}
_KINDS |= {"p": tarfile.FIFOTYPE, "c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE}


class Member(NamedTuple):
    name: str
    words: tuple[str, ...]
    body: str


class Case(NamedTuple):
    """``name`` is ``topic/name``; ``covers`` are (row, option); ``fails`` is (exit code, place)."""

    name: str
    covers: tuple[tuple[str, str], ...]
    options: str
    context: str | None
    stdin: str | None
    output: str | None
    judge: str
    fails: tuple[int, str] | None
    differs: tuple[tuple[str, str], ...]
    members: tuple[Member, ...]

    @property
    def by_specification(self) -> bool:
        return self.judge.startswith("specification")

    @property
    def needs_server(self) -> bool:
        return "$SERVER" in repr(self)

    def words(self, server: str) -> list[str]:
        return shlex.split(self.options.replace("$SERVER", server))

    def told(self, member: str) -> dict[str, Any]:
        """What the member ``expected`` or ``ours`` says, in the shape of a recorded line."""
        found: dict[str, Any] = {}
        for line in next(one.body for one in self.members if one.name == member).splitlines():
            if line.startswith("{"):
                found |= json.loads(line)
            elif line:
                found.setdefault("tree", []).append(_with_digest(line))
        return found


def parse_case(text: str, name: str) -> Case:
    head, *rest = re.split(r"^-- (.+) --\n", text, flags=re.MULTILINE)
    said: dict[str, list[str]] = {}
    for line in head.splitlines():
        key, colon, value = line.partition(": ")
        if not colon or key not in KEYS:
            raise ValueError(f"{name}: what is {line!r}?")
        said.setdefault(key, []).append(value)
    members = []
    for words, body in zip(rest[::2], rest[1::2], strict=True):
        found = re.fullmatch(_MEMBER, words)
        assert found is not None
        members.append(Member(found[1], tuple((found[2] or "").split()), body))
    exit_code, _, place = said.get("fails", [""])[0].partition(" ")
    return Case(
        name,
        tuple((row.strip(), option.strip()) for row, _, option in (line.partition("|") for line in said["covers"])),
        " ".join(said.get("options", [])),
        {"none": None}.get(context := said.get("context", ["."])[0], context),
        said.get("stdin", [None])[0],
        said.get("output", [None])[0],
        said.get("judge", ["docker"])[0],
        (int(exit_code), place) if exit_code else None,
        tuple((what, why) for what, _, why in (line.partition(": ") for line in said.get("differs", []))),
        tuple(members),
    )


def all_cases() -> Iterator[Case]:
    for path in sorted(CASES.glob("*/*.case")):
        yield parse_case(path.read_text("utf-8"), f"{path.parent.name}/{path.stem}")


def recorded() -> dict[str, dict[str, Any]]:
    """By case, what was recorded."""
    lines = (line for path in CASES.glob("*/expected.jsonl") for line in path.read_text("utf-8").splitlines())
    return {record["case"]: record for record in map(json.loads, lines)}


def write_recorded(records: dict[str, dict[str, Any]]) -> None:
    """All of them again, one file a topic, one line a case."""
    topics: dict[str, list[str]] = {}
    for name in sorted(records):
        topics.setdefault(name.partition("/")[0], []).append(json.dumps(records[name], ensure_ascii=False) + "\n")
    for topic, lines in topics.items():
        (CASES / topic / "expected.jsonl").write_text("".join(lines), "utf-8")


def lay(case: Case, folder: Path, server: str) -> Path:
    """Writes the members into ``folder`` and returns the context."""
    context = folder / "context"
    context.mkdir()
    for member in case.members:
        if member.name not in ("expected", "ours") and "image" not in member.words:
            _lay_member(member, context, server)
    return context


def _lay_member(member: Member, context: Path, server: str) -> None:
    path = context / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    match member.words:
        case ("->", target):
            path.symlink_to(target)
        case ("=", other):
            path.hardlink_to(context / other)
        case ("git",):
            _lay_repository(path, member.body)
        case (form,) if form in _COMPRESS:
            path.write_bytes(_COMPRESS[form](_archive(member.body)))
        case mode if member.name.endswith("/"):
            path.mkdir(exist_ok=True)
            path.chmod(int(mode[0], 8) if mode else 0o755)
        case mode:
            path.write_bytes(member.body.replace("$SERVER", server).encode("utf-8", "surrogateescape"))
            path.chmod(int(mode[0], 8) if mode else 0o644)


class Listed(NamedTuple):
    """``KIND`` is a letter of lamella's entries; ``rest`` what depends on it."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    rest: str


def parse_entry(line: str) -> Listed:
    """``PATH KIND MODE UID:GID REST``; REST is a JSON string (a file's content), ``-> TARGET``, ``MAJOR,MINOR``."""
    path, kind, mode, owner, *rest = line.split(" ", 4)
    uid, _, gid = owner.partition(":")
    return Listed(path, kind, int(mode, 8), int(uid), int(gid), rest[0] if rest else "")


def _with_digest(line: str) -> str:
    """The line as a tree has it: size and digest in place of the content."""
    path, quote, content = line.partition(' "')
    if not quote:
        return line
    data = json.loads('"' + content).encode()
    return f"{path} {len(data)} {hashlib.sha256(data).hexdigest()}"


def _archive(body: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in map(parse_entry, body.splitlines()):
            member = tarfile.TarInfo(entry.path)
            member.type, member.mode, member.uid, member.gid = _KINDS[entry.kind], entry.mode, entry.uid, entry.gid
            data = json.loads(entry.rest).encode() if entry.kind == "f" else b""
            member.size = len(data)
            if entry.kind in "lh":
                member.linkname = entry.rest.removeprefix("-> ")
            if entry.kind in "cb":
                member.devmajor, member.devminor = map(int, entry.rest.split(","))
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def _lay_repository(path: Path, script: str) -> None:
    """A bare repository whose commits have the same names everywhere."""
    work = path.with_name(path.name + ".work")
    who = {"NAME": "judge", "EMAIL": "judge@example.org", "DATE": "2026-01-02T03:04:05Z"}
    environment = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in who.items()}
    environment |= {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    script = f"set -e; git init -q -b main {shlex.quote(str(work))}; cd {shlex.quote(str(work))}\n{script}"
    script += f"git clone -q --bare . {shlex.quote(str(path))}; git -C {shlex.quote(str(path))} update-server-info\n"
    subprocess.run(["sh", "-c", script], env=environment, check=True, capture_output=True)

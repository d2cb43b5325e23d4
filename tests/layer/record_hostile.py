"""Records what umoci and a real Docker make of the corpus of hostile layers, in tests/data/hostile/judges.md.

    export DOCKER_HOST=unix:///path/to/docker.sock PYTHONPATH=tests/support
    .venv/bin/python tests/layer/record_hostile.py [case …]

Needs root, umoci, and a Docker daemon with overlay2 whose files can be read here. Read the diff afterwards: a line that
cannot be explained is a bug, here or there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from hostile import Case, Tree, cases, lower_layer
from images import docker_archive, oci_layout
from roads import indexed, merged, mounted, seen
from treeview import difference

from lamella.errors import LamellaError

TABLE = Path(__file__).resolve().parent.parent / "data" / "hostile" / "judges.md"
HEAD = """# The corpus of hostile layers, and what others make of it

Written by `tests/layer/record_hostile.py`. Each layer lies on a harmless one. *Same* means: refused as well, or the
very same tree. `@` is a folder outside. umoci {umoci}, Docker {docker} (overlay2); skopeo copies layers without looking
into them. What Docker refuses it refuses when it loads; a message is cut to what it says of the layer. Both ran under a
limit of 64 MiB a file: a tar may say that it holds a terabyte of holes, and they write it.

| layer | Lamella | umoci | Docker |
|---|---|---|---|
"""
_LARGEST = 64 << 20
Unpack = Callable[[list[bytes], Path], dict]  # type: ignore[type-arg]


class Refused(Exception):
    """The judge does not take it, and why."""


def umoci(layers: list[bytes], folder: Path) -> dict:  # type: ignore[type-arg]
    oci_layout(layers, folder / "layout")
    done = _run("umoci", "unpack", "--image", f"{folder}/layout:hostile", str(folder / "bundle"))
    if done.returncode:
        raise Refused(done.stderr)
    return seen(folder / "bundle" / "rootfs")


def docker(layers: list[bytes], folder: Path) -> dict:  # type: ignore[type-arg]
    (folder / "image.tar").write_bytes(docker_archive(layers))
    done = _run("docker", "load", "-q", "-i", str(folder / "image.tar"))
    if done.returncode:
        raise Refused(done.stderr)
    try:
        data = json.loads(_run("docker", "image", "inspect", "hostile:1").stdout)[0]["GraphDriver"]["Data"]
        parts = [Path(data["UpperDir"]), *map(Path, data.get("LowerDir", "").split(":"))]
        (folder / "empty").mkdir()
        (folder / "mount").mkdir()
        with mounted([*parts, folder / "empty"], folder / "mount"):
            return seen(folder / "mount")
    finally:
        _run("docker", "rmi", "-f", "hostile:1")


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    # Some judges believe a tar that says it holds a terabyte of holes: none of these writes a large file.
    limited = ("prlimit", f"--fsize={_LARGEST}", *words)
    environment = {**os.environ, "PATH": f"/usr/bin:{os.environ['PATH']}"}
    return subprocess.run(
        limited, capture_output=True, text=True, errors="backslashreplace", check=False, timeout=60, env=environment
    )


def verdict(judge: Unpack, layers: list[bytes], lower: dict, case: Case, place: Path) -> str:  # type: ignore[type-arg]
    folder = Path(tempfile.mkdtemp(dir=place))
    canary = place / "canary"
    before = _stats(canary)
    try:
        tree = difference(lower, judge(layers, folder), str(canary))
    except Refused as error:
        why = _short(str(error), place)
        return "same" if case.refused else f"refused: {why}"
    except KeyError:
        return "unpacks it to other contents"
    except LamellaError:
        return "unpacks it to what cannot be read"
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
        if _stats(canary) != before:
            raise SystemExit("the canary has changed")
    if case.tree is None:
        return f"unpacks it: {written(tree)}"
    return "same" if tree == case.tree else f"other: {written(_apart(case.tree, tree))}"


def _apart(ours: Tree, theirs: Tree) -> Tree:
    """What they have and we have not, or otherwise; what only we have is gone."""
    found = {path: what for path, what in theirs.items() if path not in ours or ours[path] != what}
    missing = {path: None for path, what in ours.items() if path not in theirs and what is not None}
    return {**found, **missing, **{path: "still there" for path in ours if path not in theirs and path not in missing}}


def _stats(folder: Path) -> list[object]:
    paths = (folder, *sorted(folder.rglob("*")))
    return [(path, path.lstat().st_mode, path.lstat().st_nlink, path.lstat().st_mtime_ns) for path in paths]


def written(tree: Tree) -> str:
    shown = [
        f"{_name(path)} = {what}" if what is not None else f"no {_name(path)}" for path, what in sorted(tree.items())
    ]
    text = ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")
    return _cell(text) or "nothing"


def _name(path: str) -> str:
    return path or "/"


def _cell(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    text = "".join(letter if letter.isprintable() and letter not in "|`" else ascii(letter)[1:-1] for letter in text)
    return text if len(text) <= 200 else text[:197] + "…"


def _short(message: str, place: Path) -> str:
    line = [line for line in message.splitlines() if line.strip()][-1].strip()
    line = re.sub(r"^.*?(error|Error)[^:]*: ", "", line.replace(str(place), ""))
    line = re.sub(r"/tmp\S*|/var/\S*|/data/overlay2/\S*|sha256:[0-9a-f]{12,}", "…", line)
    return _cell(re.sub(r"time=\S+ ", "", line))[-120:]


def ours(case: Case) -> str:
    return f"refused: {case.says or case.path}" if case.tree is None else written(case.tree)


def main(names: list[str]) -> None:
    place = Path(tempfile.mkdtemp(prefix="lamella-judges-"))
    (place / "canary" / "sub").mkdir(parents=True)
    (place / "canary" / "file").write_bytes(b"as it was")
    versions = {
        "umoci": _run("umoci", "--version").stdout.split()[2],
        "docker": _run("docker", "version", "-f", "{{.Server.Version}}").stdout.strip(),
    }
    lower = merged([indexed(lower_layer())])
    known = recorded(TABLE.read_text() if TABLE.exists() else "")
    try:
        for name, case in cases().items():
            if names and name not in names:
                continue
            layers = [lower_layer(), case.layer(str(place / "canary"))]
            known[_cell(name)] = [verdict(judge, layers, lower, case, place) for judge in (umoci, docker)]
            print(name, *known[_cell(name)], sep=" | ", file=sys.stderr, flush=True)
            write(known, versions)
    finally:
        shutil.rmtree(place)
    write(known, versions)


def recorded(table: str) -> dict[str, list[str]]:
    """Case → what the judges said."""
    rows = [line[2:-2].split(" | ") for line in table.splitlines() if line.startswith("| ") and line.endswith(" |")]
    return {row[0]: row[2:] for row in rows[1:]}


def write(known: dict[str, list[str]], versions: dict[str, str]) -> None:
    rows = [
        f"| {_cell(name)} | {_cell(ours(case))} | {' | '.join(known.get(_cell(name), ['not asked', 'not asked']))} |\n"
        for name, case in cases().items()
    ]
    TABLE.write_text(HEAD.format(**versions) + "".join(rows))


if __name__ == "__main__":
    main(sys.argv[1:])

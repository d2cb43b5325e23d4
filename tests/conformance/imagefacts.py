"""What an image holds, read from its layers by the standard library alone, so that nothing of Lamella judges Lamella.

A tree is a list of lines, ``PATH KIND MODE UID:GID REST``, sorted by path. KIND is one letter (f d l c b p), REST a
file's size and sha256, ``-> TARGET`` of a symbolic link, ``MAJOR,MINOR`` of a device. A file with several names has
`` = FIRST`` behind all but the first of them, one with extended attributes `` NAME=HEX`` at the end. No times.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

CONFIG_KEYS = (
    "Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels", "StopSignal", "Healthcheck",
    "Shell", "OnBuild",
)  # fmt: skip
_LETTER = {
    tarfile.DIRTYPE: "d",
    tarfile.SYMTYPE: "l",
    tarfile.CHRTYPE: "c",
    tarfile.BLKTYPE: "b",
    tarfile.FIFOTYPE: "p",
}


def facts(
    config: dict[str, Any], open_layer: Callable[[int], IO[bytes]], base: tuple[str, ...], base_tree: dict[str, str]
) -> dict[str, Any]:
    """Of an image, what a case compares. ``base`` are the diff IDs of the image that it may stand on, ``base_tree``
    that one's tree, from which only differences are listed."""
    diff_ids = tuple(config["rootfs"].get("diff_ids") or ())
    on_base = len(base) if base and diff_ids[: len(base)] == base else 0
    tree = dict(base_tree) if on_base else {}
    for number in range(on_base, len(diff_ids)):
        with open_layer(number) as layer:
            apply_layer(tree, layer)
    history, run = config.get("history") or [], config.get("config") or {}
    steps = [[one.get("created_by", ""), one.get("empty_layer", False)] for one in history]
    return {
        "tree": listing(tree, base_tree if on_base else {}),
        "config": {key: run[key] for key in CONFIG_KEYS if run.get(key)},
        "history": steps[1:] if on_base else steps,
        "layers": len(diff_ids) - on_base,
    }


def apply_layer(tree: dict[str, str], layer: IO[bytes]) -> None:
    """Puts a layer (an uncompressed tar) over a tree: path to the rest of its line."""
    added: dict[str, str] = {}
    with tarfile.open(fileobj=layer, mode="r|*") as archive:
        for member in archive:
            path = posixpath.normpath("/" + member.name)
            folder, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                _remove(tree, folder, itself=False)
            elif name.startswith(".wh."):
                _remove(tree, posixpath.join(folder, name.removeprefix(".wh.")), itself=True)
            elif member.islnk():
                first = posixpath.normpath("/" + member.linkname)
                added[path] = added[first].partition(" = ")[0] + f" = {first}"
            else:
                added[path] = _line(member, archive)
    for path, line in added.items():
        if not line.startswith("d ") or not tree.get(path, "d ").startswith("d "):
            _remove(tree, path, itself=True)
        tree[path] = line


def _remove(tree: dict[str, str], path: str, *, itself: bool) -> None:
    below = path.rstrip("/") + "/"
    for other in [other for other in tree if other.startswith(below) or (itself and other == path)]:
        del tree[other]


def _line(member: tarfile.TarInfo, archive: tarfile.TarFile) -> str:
    rest = ""
    if member.isfile():
        content = archive.extractfile(member)
        assert content is not None
        rest = f" {member.size} {hashlib.sha256(content.read()).hexdigest()}"
    elif member.issym():
        rest = f" -> {member.linkname}"
    elif member.ischr() or member.isblk():
        rest = f" {member.devmajor},{member.devminor}"
    for name, value in sorted(member.pax_headers.items()):
        if name.startswith("SCHILY.xattr."):
            rest += f" {name.removeprefix('SCHILY.xattr.')}={value.encode('utf-8', 'surrogateescape').hex()}"
    return f"{_LETTER.get(member.type, 'f')} {member.mode & 0o7777:04o} {member.uid}:{member.gid}{rest}"


def listing(tree: dict[str, str], base: dict[str, str]) -> list[str]:
    """What ``tree`` has beyond ``base``, and with ``-`` in front what it has not any more. The root is left out."""
    lines = [f"{path} {line}" for path, line in tree.items() if base.get(path) != line and path != "/"]
    lines += [f"- {path}" for path in base if path not in tree]
    return sorted(line.encode("utf-8", "backslashreplace").decode() for line in lines)


def folder_listing(root: str) -> list[str]:
    """The same of a folder on disk."""
    tree: dict[str, str] = {}
    names: dict[tuple[int, int], str] = {}
    for folder, folders, files in sorted(os.walk(root)):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            shown = path.removeprefix(root)
            info = os.lstat(path)
            kind = {stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFREG: "f"}.get(stat.S_IFMT(info.st_mode), "?")
            line = f"{kind} {stat.S_IMODE(info.st_mode):04o} {info.st_uid}:{info.st_gid}"
            if kind == "l":
                line += f" -> {os.readlink(path)}"
            if kind == "f":
                with open(path, "rb") as file:
                    line += f" {info.st_size} {hashlib.sha256(file.read()).hexdigest()}"
                first = names.setdefault((info.st_dev, info.st_ino), shown)
                line += f" = {first}" if first != shown else ""
            tree[shown] = line
    return listing(tree, {})


def output_listing(path: Path) -> list[str]:
    """The same of what a build wrote: a folder, or a tar archive of the tree."""
    if path.is_dir():
        return folder_listing(str(path))
    tree: dict[str, str] = {}
    with open(path, "rb") as file:
        apply_layer(tree, file)
    return listing(tree, {})

"""Layers cut and damaged at random: nothing outside the target changes. The corpus is in test_hostile_corpus.py."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lyingtar import link, member

from lamella.errors import ImageInvalid, LamellaError
from lamella.layer.unpack import unpack_layer
from lamella.userns import current

pytestmark = pytest.mark.containers


@pytest.fixture
def arena(place: Path) -> tuple[Path, Path, Path]:
    """(everything, target, canary): the canary lies beside the target and must not change."""
    target, canary = place / "target", place / "canary"
    target.mkdir()
    canary.mkdir()
    (canary / "file").write_bytes(b"as it was")
    (canary / "sub").mkdir()
    (canary / "sub" / "other").write_bytes(b"other")
    return place, target, canary


def outside(arena: tuple[Path, Path, Path]) -> dict[str, tuple[Any, ...]]:
    """All that can be told of what lies beside the target, times and link counts included."""
    everything, target, _ = arena
    found = {}
    for base, folders, files in os.walk(everything):
        for name in [".", *folders, *files]:
            path = Path(base, name)
            about = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
            found[str(path)] = (about.st_mode, about.st_nlink, about.st_uid, about.st_mtime_ns, content)
        folders[:] = [name for name in folders if base != str(everything) or name != target.name]
    del found[str(target)]
    return found


def test_a_path_through_a_link_lands_inside(arena: tuple[Path, Path, Path]) -> None:
    _, target, _ = arena
    parts = (link("bin", "usr/bin"), member("bin/tool", b"#!"), link("e", "/etc"), member("e/x"))
    tar = io.BytesIO(b"".join(parts))
    unpack_layer(tar, str(target), "x", whiteouts="apply", lower=None, privileged=True)
    assert (target / "usr/bin/tool").read_bytes() == b"#!"
    assert (target / "etc/x").is_file()
    assert not os.path.lexists("/etc/x")


def test_every_cut_of_a_layer_is_refused_or_whole(packed: Callable[..., io.BytesIO], fresh: Any) -> None:
    """Cut anywhere, a tar is never read as something else; only at a member's border it looks complete."""
    from lamella.filetree.entry import FILE, Entry

    whole = packed((Entry("a" * 120, FILE), b"x" * 700), (Entry("b", FILE), b"")).read()
    assert len(whole) == 4096  # extended header, header, 1024 of content; another header; the end
    for size in range(64, 3072, 64):
        if size == 2560:
            continue
        tar = io.BytesIO(whole[:size])
        with pytest.raises(ImageInvalid):
            unpack_layer(tar, str(fresh()), "x", whiteouts="apply", lower=None, privileged=True)


def test_random_damage_never_gets_out_as_another_error(
    packed: Callable[..., io.BytesIO], arena: tuple[Path, Path, Path]
) -> None:
    """Bytes flipped anywhere in a tar: an error of this project, or a layer; never a traceback, never a stray file."""
    import random

    from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry

    whole = packed(
        Entry("d", DIRECTORY, 0o755),
        (Entry("d/" + "n" * 200, FILE, uid=2**22, xattrs=(("user.a", b"1"),)), b"x" * 600),
        Entry("d/l", SYMLINK, link="../" + "t" * 120),
        (Entry("f", FILE, mtime=-(10**9)), b"y"),
        Entry("h", HARDLINK, link="f"),
    ).read()
    before = outside(arena)
    dice = random.Random(7)
    errors = 0
    for turn in range(400):
        damaged = bytearray(whole)
        for _ in range(dice.choice([1, 1, 2, 5])):
            damaged[dice.randrange(len(damaged))] = dice.choice([0, 0x20, 0x2F, 0x2E, 0x31, 0x80, 0xFF])
        for start in range(0, len(damaged) - 511, 512):
            # Half of them get their checksums made right, to get past that check.
            if turn % 2 and damaged[start + 257 : start + 262] == b"ustar":
                total = sum(damaged[start : start + 148]) + 256 + sum(damaged[start + 156 : start + 512])
                damaged[start + 148 : start + 156] = b"%06o\0 " % total
        target = arena[1] / str(turn)
        target.mkdir()
        try:
            unpack_layer(io.BytesIO(damaged), str(target), "x", whiteouts="apply", lower=None, privileged=True)
        except LamellaError:
            errors += 1
    assert 100 < errors < 400 or current().in_namespace  # where most of the owners that come up are not there
    assert outside(arena) == before

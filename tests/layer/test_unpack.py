"""Unpacking: attributes, marks for overlayfs, times that stay, disks that fill, users without privileges."""

from __future__ import annotations

import ctypes
import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pytest

from lamella.errors import ImageInvalid, NoSpace, NotSupported
from lamella.filetree.entry import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    OPAQUE,
    SYMLINK,
    WHITEOUT,
    Entry,
)  # fmt: skip
from lamella.layer.unpack import unpack_layer
from lamella.snapshot.marks import marks_for
from lamella.userns import current
from lamella.userns.standing import ROOT

pytestmark = pytest.mark.containers
SECOND = 10**9
OPAQUE_MARK = marks_for(current()).opaque
Pack = Callable[..., BinaryIO]


def apply(tar: BinaryIO, target: Path) -> list[Entry]:
    return unpack_layer(tar, str(target), "layer-7", whiteouts="apply", lower=None, privileged=True)


def overlay(tar: BinaryIO, target: Path, below: dict[str, Entry] | None, **options: Any) -> list[Entry]:
    options = {"privileged": True, **options}
    lower = None if below is None else below.get
    return unpack_layer(tar, str(target), "layer-7", whiteouts="overlay", lower=lower, **options)


def attributes(path: Path) -> tuple[int, int, int, int]:
    about = path.lstat()
    return stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid, about.st_mtime_ns


def is_whiteout(path: Path) -> bool:
    about = path.lstat()
    return stat.S_ISCHR(about.st_mode) and about.st_rdev == 0


def is_opaque(path: Path, name: str = OPAQUE_MARK) -> bool:
    try:
        return os.getxattr(path, name) == b"y"
    except OSError:
        return False


def test_all_attributes_are_set_whatever_the_umask(packed: Pack, place: Path) -> None:
    entries = [
        Entry("", DIRECTORY, 0o711, 1, 2, 0, 3 * SECOND),
        Entry("d", DIRECTORY, 0o3777, 4, 5, 0, 6 * SECOND),
        Entry("d/f", FILE, 0o6755, 7, 8, 0, 9 * SECOND, xattrs=(("user.a", b"1"),)),
        Entry("d/l", SYMLINK, 0o777, 10, 11, 0, 12 * SECOND, link="f"),
        Entry("d/p", FIFO, 0o1622, 13, 14, 0, 15 * SECOND),
        Entry("d/c", CHARACTER_DEVICE, 0o666, 16, 17, 0, 18 * SECOND, major=1, minor=3),
        Entry("d/b", BLOCK_DEVICE, 0o660, 19, 20, 0, 21 * SECOND, major=7, minor=9),
    ]
    before = os.umask(0o077)
    try:
        apply(packed(*entries), place)
    finally:
        os.umask(before)
    for entry in entries:
        assert attributes(place / entry.path) == (entry.mode, entry.uid, entry.gid, entry.mtime), entry.path
    assert os.getxattr(place / "d/f", "user.a") == b"1"
    assert os.readlink(place / "d/l") == "f"
    if current().kind == ROOT:
        assert (place / "d/c").lstat().st_rdev == os.makedev(1, 3)
        assert (place / "d/b").lstat().st_rdev == os.makedev(7, 9)
    else:
        assert os.getxattr(place / "d/c", "user.lamella.stat") == b"c 16 17 1 3"
        assert os.getxattr(place / "d/b", "user.lamella.stat") == b"b 19 20 7 9"


def test_a_setgid_folder_gives_its_group_to_nobody(packed: Pack, place: Path) -> None:
    os.chown(place, 0, 99)
    os.chmod(place, 0o2755)
    apply(packed(Entry("f", FILE), Entry("d", DIRECTORY, 0o755), Entry("l", SYMLINK, link="f")), place)
    assert [(place / name).lstat().st_gid for name in "fdl"] == [0, 0, 0]
    assert stat.S_IMODE((place / "d").stat().st_mode) == 0o755


def test_attributes_that_layers_do_not_carry_are_left_out(packed: Pack, place: Path) -> None:
    apply(
        packed(Entry("f", FILE, xattrs=(("security.selinux", b"x"), ("trusted.other", b"y"), ("user.z", b"z")))), place
    )
    assert os.listxattr(place / "f") == ["user.z"]


def test_a_folder_over_a_folder_replaces_its_attributes(packed: Pack, place: Path) -> None:
    apply(packed(Entry("d", DIRECTORY, 0o700, 5, xattrs=(("user.old", b"1"),)), Entry("d/f", FILE)), place)
    apply(packed(Entry("d", DIRECTORY, 0o755, 0, mtime=7 * SECOND, xattrs=(("user.new", b"1"),))), place)
    assert attributes(place / "d") == (0o755, 0, 0, 7 * SECOND)
    assert os.listxattr(place / "d") == ["user.new"]
    assert (place / "d/f").exists()


def test_folders_that_only_get_new_content_keep_their_times(packed: Pack, place: Path) -> None:
    apply(packed(Entry("d", DIRECTORY, 0o750, mtime=5 * SECOND), Entry("d/e", DIRECTORY, mtime=6 * SECOND)), place)
    os.utime(place, ns=(1, 4 * SECOND))
    apply(packed(Entry("d/new", FILE), Entry("d/e", WHITEOUT), Entry("top", FILE)), place)
    assert attributes(place / "d") == (0o750, 0, 0, 5 * SECOND)
    assert place.stat().st_mtime_ns == 4 * SECOND
    assert not (place / "d/e").exists()


def test_folders_nobody_brought_have_fixed_attributes(packed: Pack, place: Path) -> None:
    apply(packed(Entry("a/b/c", FILE)), place)
    assert attributes(place / "a") == attributes(place / "a/b") == (0o755, 0, 0, 0)


def test_overlay_takes_attributes_from_below(packed: Pack, place: Path) -> None:
    below = {
        "": Entry("", DIRECTORY, 0o711, 3, 4, 0, 5 * SECOND),
        "a": Entry("a", DIRECTORY, 0o1777, 1, 2, 0, 9 * SECOND, xattrs=(("user.a", b"1"),)),
        "a/f": Entry("a/f", FILE),
    }
    overlay(packed(Entry("a/f", WHITEOUT), Entry("a/g", FILE), Entry("x/y", FILE)), place, below)
    assert attributes(place) == (0o711, 3, 4, 5 * SECOND)
    assert attributes(place / "a") == (0o1777, 1, 2, 9 * SECOND)
    assert os.getxattr(place / "a", "user.a") == b"1"
    assert attributes(place / "x") == (0o755, 0, 0, 0)
    assert is_whiteout(place / "a/f")


def test_the_lowest_layer_has_a_fixed_root(packed: Pack, place: Path) -> None:
    os.chmod(place, 0o700)
    overlay(packed(Entry("f", FILE)), place, None)
    assert attributes(place) == (0o755, 0, 0, 0)


def test_overlay_marks(packed: Pack, place: Path) -> None:
    below = {path: Entry(path, DIRECTORY) for path in ["", "a", "b", "c", "d", "d/e"]} | {"f": Entry("f", FILE)}
    overlay(
        packed(
            Entry("a", WHITEOUT), Entry("a", DIRECTORY, 0o755),
            Entry("b", DIRECTORY, 0o755), Entry("b", OPAQUE),
            Entry("c", OPAQUE),
            Entry("d/e", WHITEOUT),
            Entry("f", WHITEOUT), Entry("f", FILE),
            Entry("nothing", WHITEOUT), Entry("no/where", WHITEOUT), Entry("no", OPAQUE), Entry("f", OPAQUE),
        ),
        place,
        below,
    )  # fmt: skip
    assert [name for name in "abcd" if is_opaque(place / name)] == ["a", "b", "c"]
    assert is_whiteout(place / "d/e")
    assert (place / "f").is_file()
    assert sorted(os.listdir(place)) == ["a", "b", "c", "d", "f"]


def test_the_lowest_layer_gets_no_marks(packed: Pack, place: Path) -> None:
    overlay(
        packed(Entry("d", DIRECTORY), Entry("d/x", WHITEOUT), Entry("d", OPAQUE), Entry("y", WHITEOUT)), place, None
    )
    assert [path.name for path in place.rglob("*")] == ["d"]
    assert not is_opaque(place / "d")


def test_an_opaque_root_for_overlay(packed: Pack, place: Path) -> None:
    below = {
        "": Entry("", DIRECTORY, 0o755),
        "a": Entry("a", DIRECTORY),
        "a/b": Entry("a/b", FILE),
        "f": Entry("f", FILE),
    }
    with pytest.raises(NotSupported, match="layer-7"):
        overlay(packed(Entry("", OPAQUE)), place, below)
    overlay(packed(Entry("a", DIRECTORY, 0o755), Entry("", OPAQUE)), place, below, lower_names=lambda _: ["a", "f"])
    assert is_opaque(place / "a")
    assert is_whiteout(place / "f")


def test_overlay_goes_through_links_of_lower_layers(packed: Pack, place: Path) -> None:
    below = {
        "": Entry("", DIRECTORY, 0o755),
        "bin": Entry("bin", SYMLINK, link="usr/bin"),
        "usr": Entry("usr", DIRECTORY, 0o755, mtime=SECOND),
        "usr/bin": Entry("usr/bin", DIRECTORY, 0o755, mtime=2 * SECOND),
        "usr/bin/old": Entry("usr/bin/old", FILE),
    }
    overlay(packed(Entry("bin/old", WHITEOUT), Entry("bin/new", FILE)), place, below)
    assert not os.path.lexists(place / "bin")
    assert is_whiteout(place / "usr/bin/old")
    assert (place / "usr/bin/new").is_file()
    assert attributes(place / "usr/bin") == (0o755, 0, 0, 2 * SECOND)


def test_overlay_cannot_link_to_a_lower_file(packed: Pack, place: Path) -> None:
    with pytest.raises(ImageInvalid, match="layer-7: h: is a hard link to 'f'"):
        overlay(packed(Entry("h", HARDLINK, link="f")), place, {"f": Entry("f", FILE)})


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(place), b"tmpfs", 0, b"size=1m,nr_inodes=50") != 0:
        pytest.skip(f"tmpfs cannot be mounted: {os.strerror(ctypes.get_errno())}")
    yield place
    libc.umount2(bytes(place), 2)


def test_a_full_disk_is_said(packed: Pack, small_disk: Path) -> None:
    with pytest.raises(NoSpace, match="layer-7: big"):
        apply(packed((Entry("big", FILE), bytes(3 << 20))), small_disk)
    for file in small_disk.iterdir():
        file.unlink()
    with pytest.raises(NoSpace, match="layer-7: f"):
        apply(packed(*(Entry(f"f{number}", FILE) for number in range(99))), small_disk)


def test_a_target_that_is_missing_is_said(packed: Pack, place: Path) -> None:
    from lamella.errors import MachineError

    with pytest.raises(MachineError, match="layer-7"):
        apply(packed(Entry("f", FILE)), place / "missing")


_AS_NOBODY = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from lamella.layer.unpack import unpack_layer
from lamella.snapshot.marks import marks_for
from lamella.userns import current
from lamella.userns.standing import ROOT
for number, tar in enumerate(sys.argv[3:]):
    with open(tar, "rb") as stream:
        unpack_layer(stream, sys.argv[1], "layer-7", whiteouts=sys.argv[2], lower=None, privileged=False)
"""


@pytest.mark.parametrize("whiteouts", ["apply", "overlay"])
def test_an_ordinary_user_unpacks_what_he_can(
    whiteouts: Literal["apply", "overlay"], packed: Pack, fresh: Callable[[], Path]
) -> None:
    first = packed(
        Entry("d", DIRECTORY, 0o555, mtime=5 * SECOND),
        (Entry("d/f", FILE, 0o4755, uid=7), b"text"),
        Entry("locked", DIRECTORY, 0o000),
        Entry("locked/x", FILE, 0o000),
        Entry("locked/y", DIRECTORY, 0o000),
        Entry("locked/y/z", FILE),
        Entry("null", CHARACTER_DEVICE, major=1, minor=3),
        Entry("pipe", FIFO),
        (
            Entry(
                "cap", FILE, xattrs=(("security.capability", bytes.fromhex("01000002" + "00" * 16)), ("user.a", b"1"))
            ),
            b"1",
        ),
    )
    second = packed(Entry("locked", WHITEOUT), Entry("d/g", FILE), Entry("d/f", WHITEOUT))
    base = fresh()
    base.chmod(0o777)
    base.parent.chmod(0o711)
    target = base / "target"
    target.mkdir()
    os.chown(target, 65534, 65534)
    tars = []
    for number, tar in enumerate([first, second] if whiteouts == "apply" else [first]):
        (base / str(number)).write_bytes(tar.read())
        tars.append(str(base / str(number)))
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, target, whiteouts, *tars],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert not os.path.lexists(target / "null")
    assert (target / "pipe").is_fifo()
    assert os.listxattr(target / "cap") == ["user.a"]
    assert attributes(target / "d") == (0o555, 65534, 65534, 5 * SECOND)
    if whiteouts == "apply":
        assert sorted(os.listdir(target)) == ["cap", "d", "pipe"]
        assert os.listdir(target / "d") == ["g"]
    else:
        assert stat.S_IMODE((target / "locked").stat().st_mode) == 0


def test_marks_without_privileges(packed: Pack, place: Path) -> None:
    below = {path: Entry(path, DIRECTORY, 0o755) for path in ["", "a", "b"]}
    overlay(packed(Entry("a", OPAQUE), Entry("b", WHITEOUT)), place, below, privileged=False)
    assert is_opaque(place / "a", "user.overlay.opaque")
    assert not is_opaque(place / "a", "trusted.overlay.opaque")
    assert is_whiteout(place / "b")


def test_digests_are_made_on_the_way(packed: Pack, place: Path) -> None:
    import hashlib

    tar = packed((Entry("f", FILE), b"x" * 3_000_000), Entry("e", FILE), Entry("d", DIRECTORY))
    found = unpack_layer(
        tar, str(place), "layer-7", whiteouts="apply", lower=None, privileged=True, digests=True
    )  # fmt: skip
    assert [entry.digest for entry in found] == [
        hashlib.sha256(b"x" * 3_000_000).hexdigest(), hashlib.sha256(b"").hexdigest(), "",
    ]  # fmt: skip


def test_many_folders_need_few_descriptors(packed: Pack, place: Path) -> None:
    """Hundreds of directories at once, and one two thousand deep, with 220 descriptors more than are open."""
    import resource

    count = 450
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 220, limits[1]))
    try:
        apply(
            packed(
                *((Entry(f"d{number}/f", FILE), b"%d" % number) for number in range(count)),
                *(Entry(f"d{number}/h", HARDLINK, link=f"d{number * 7 % count}/f") for number in range(count)),
                Entry("e/" * 2000 + "f", FILE),
                Entry("e", FILE),
            ),
            place,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [(place / f"d{number}/h").read_bytes() for number in range(count)] == [
        b"%d" % (number * 7 % count) for number in range(count)
    ]
    assert (place / "e").is_file()


def test_many_whiteouts_and_folders_are_linear(packed: Pack, fresh: Callable[[], Path]) -> None:
    """Ten thousand of each: nothing looks at all the others for each one."""
    import time

    count = 10_000
    folders = [Entry(f"d{number}", DIRECTORY) for number in range(count)]
    below = {"": Entry("", DIRECTORY)} | {f"w{number}": Entry(f"w{number}", FILE) for number in range(count)}
    tar = packed(*(Entry(f"w{number}", WHITEOUT) for number in range(count)), *folders, *(
        Entry(f"d{number}", FILE) for number in range(count)
    ))  # fmt: skip
    start = time.process_time()
    overlay(tar, fresh(), below)
    apply(io.BytesIO(tar.getvalue()), fresh())  # type: ignore[attr-defined]
    assert time.process_time() - start < 8

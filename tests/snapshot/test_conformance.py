"""The laws that every snapshot backend keeps. Each case runs on all of them."""

from __future__ import annotations

import io
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lamella.errors import ImageInvalid, LamellaError
from lamella.snapshot.protocol import Snapshot
from lamella.snapshot.select import SUFFIXES
from lamella.userns import current

pytestmark = pytest.mark.containers

BASE = """
mkdir -p etc usr/bin usr/lib/deep/er var/log
echo root:x:0:0 > etc/passwd; echo one > etc/one; echo two > etc/two
echo bin > usr/bin/tool; chmod 755 usr/bin/tool
ln -s tool usr/bin/link; ln -s usr/lib lib
echo a > usr/lib/a; ln usr/lib/a usr/lib/b
echo deep > usr/lib/deep/er/file; chown 7:8 usr/lib/deep
mkfifo var/fifo; DEVICE var/null c 1 3
touch -d 2001-02-03 etc/one usr/lib/deep/er/file; touch -d 2001-02-03 usr/lib/deep/er
"""

Obey = Callable[[Snapshot | None, str], dict[str, str]]
Start = Callable[[str], Snapshot]

#: script → what the layer holds: path → kind (parents of what changed come with it)
CASES = {
    "nothing": ("true", {}),
    "add a file": ("echo new > etc/new", {"etc": "d", "etc/new": "f"}),
    "add a tree": ("mkdir -p opt/x; echo 1 > opt/x/y", {"opt": "d", "opt/x": "d", "opt/x/y": "f"}),
    "change a file": ("echo more >> etc/one", {"etc": "d", "etc/one": "f"}),
    "same size, same time": (
        "echo eno > etc/one; touch -d 2001-02-03 etc/one",
        {"etc": "d", "etc/one": "f"},
    ),
    "delete a file": ("rm etc/one", {"etc": "d", "etc/one": "w"}),
    "delete a directory": ("rm -r usr/lib", {"usr": "d", "usr/lib": "w"}),
    "delete what the step made": ("touch etc/x; rm etc/x; touch -r usr etc", None),
    "delete a link": ("rm lib", {"lib": "w"}),
    "directory emptied and made anew": (
        "t=$(stat -c %Y usr/lib); rm -rf usr/lib; mkdir usr/lib; echo n > usr/lib/n",
        {
            "usr": "d",
            "usr/lib": "d",
            "usr/lib/a": "w",
            "usr/lib/b": "w",
            "usr/lib/deep": "w",
            "usr/lib/n": "f",
        },
    ),
    "directory made anew, and inside it again": (
        "rm -rf usr/lib; mkdir -p usr/lib/deep/er; echo other > usr/lib/deep/er/file",
        None,
    ),
    "directory becomes a file": ("rm -r etc; echo file > etc", {"etc": "f"}),
    "file becomes a directory": (
        "rm etc/one; mkdir etc/one; echo x > etc/one/x",
        {"etc": "d", "etc/one": "d", "etc/one/x": "f"},
    ),
    "directory becomes a link": ("rm -r etc; ln -s usr etc", {"etc": "l"}),
    "link becomes a directory": ("rm lib; mkdir lib; echo x > lib/x", {"lib": "d", "lib/x": "f"}),
    "link swapped": ("ln -sfn other usr/bin/link", {"usr": "d", "usr/bin": "d", "usr/bin/link": "l"}),
    "link to nowhere": ("ln -s /no/such/place etc/dangling", {"etc": "d", "etc/dangling": "l"}),
    "chmod of a file": ("chmod 600 etc/one", {"etc": "d", "etc/one": "f"}),
    "chmod with setuid": ("chmod 4755 usr/bin/tool", {"usr": "d", "usr/bin": "d", "usr/bin/tool": "f"}),
    "chmod of a directory": ("chmod 700 etc", {"etc": "d"}),
    "chown of a file": ("chown 1000:1000 etc/one", {"etc": "d", "etc/one": "f"}),
    "chown of a link": ("chown -h 5:6 usr/bin/link", {"usr": "d", "usr/bin": "d", "usr/bin/link": "l"}),
    "chown that changes nothing": ("chown -R 0:0 etc usr/bin", {}),
    "chmod that changes nothing": ("chmod 644 etc/one etc/two", {}),
    "touch of a file": ("touch -d 2020-01-01 etc/one", {"etc": "d", "etc/one": "f"}),
    "touch of a directory": ("touch -d 2020-01-01 etc", {"etc": "d"}),
    "touch of the root": ("touch -d 2020-01-01 .", {}),
    "chmod of the root": ("chmod 711 .", {"": "d"}),
    "xattr of a file": ("setfattr -n user.note -v hi etc/one", {"etc": "d", "etc/one": "f"}),
    "capability of a file": (
        "setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 usr/bin/tool",
        {"usr": "d", "usr/bin": "d", "usr/bin/tool": "f"},
    ),
    "hard link made": (
        "echo h > etc/h; ln etc/h etc/i; ln etc/h usr/j",
        {"etc": "d", "etc/h": "f", "etc/i": "h", "usr": "d", "usr/j": "h"},
    ),
    "hard link to an old file": ("ln etc/one usr/uno", {"etc": "d", "etc/one": "f", "usr": "d", "usr/uno": "h"}),
    "hard link broken": (
        "cp -p usr/lib/a usr/lib/t; mv usr/lib/t usr/lib/a; echo x >> usr/lib/a",
        {"usr": "d", "usr/lib": "d", "usr/lib/a": "f"},
    ),
    "one name of a hard link deleted": ("rm usr/lib/a", {"usr": "d", "usr/lib": "d", "usr/lib/a": "w"}),
    "both names deleted": (
        "rm usr/lib/a usr/lib/b",
        {"usr": "d", "usr/lib": "d", "usr/lib/a": "w", "usr/lib/b": "w"},
    ),
    "rename a file": ("mv etc/one etc/eins", {"etc": "d", "etc/one": "w", "etc/eins": "f"}),
    "rename over a file": ("mv etc/one etc/two", {"etc": "d", "etc/one": "w", "etc/two": "f"}),
    "rename a directory": (
        "mv usr/lib/deep usr/moved",
        {
            "usr": "d",
            "usr/lib": "d",
            "usr/lib/deep": "w",
            "usr/moved": "d",
            "usr/moved/er": "d",
            "usr/moved/er/file": "f",
        },
    ),
    "rename a new directory over a deleted one": (
        "mkdir -p n/er; echo 2 > n/er/file2; rm -r usr/lib/deep; mv n usr/lib/deep",
        None,
    ),
    "devices and pipes": ("DEVICE etc/zero c 1 5; mkfifo etc/p; DEVICE etc/b b 7 0; rm var/fifo", None),
    "a socket": (
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('etc/s')\"; touch -d 2001-01-01 etc",
        {"etc": "d"},
    ),
    "names that are no UTF-8": (
        "echo 1 > $'etc/\\xff\\xfe'; mkdir $'etc/d\\xe9'; rm etc/one",
        {"etc": "d", "etc/one": "w", "etc/\udcff\udcfe": "f", "etc/d\udce9": "d"},
    ),
    "names in Korean, with spaces and newlines": (
        "echo 1 > 'etc/한국어 파일'; echo 2 > $'etc/new\\nline'; mkdir 'etc/ '",
        {"etc": "d", "etc/한국어 파일": "f", "etc/new\nline": "f", "etc/ ": "d"},
    ),
    "long names": ("touch etc/$(printf 'n%.0s' {1..255})", {"etc": "d", "etc/" + "n" * 255: "f"}),
    "a deep tree": ("p=opt; for i in {1..150}; do p=$p/d$i; done; mkdir -p $p; echo x > $p/file", None),
    "a sparse file": ("truncate -s 3M etc/sparse; echo end >> etc/sparse", {"etc": "d", "etc/sparse": "f"}),
    "all gone": ("rm -rf -- *", {"etc": "w", "lib": "w", "usr": "w", "var": "w"}),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_of_a_step(case: str, start: Start, obey: Obey, snapshotter: Any) -> None:
    if current().in_namespace and snapshotter.name == "overlay" and case == "hard link to an old file":
        pytest.skip("a user's overlay shows two inodes until it is mounted again")
    script, expected = CASES[case]
    told = obey(start(BASE), script)
    if expected is not None:
        assert told == expected


@pytest.mark.parametrize("case", ["add a tree", "delete a directory", "directory made anew, and inside it again"])
def test_layer_on_several_layers(case: str, start: Start, obey: Obey, snapshotter: Any, shell: Any) -> None:
    """The same on a parent whose files come from three layers that hide parts of each other."""
    workspace = snapshotter.prepare(start(BASE))
    shell("rm -r usr/lib/deep; mkdir -p usr/lib/deep/er; echo 2 > usr/lib/deep/er/second; rm etc/one", workspace.root)
    workspace = snapshotter.prepare(workspace.commit())
    shell("echo back > etc/one; echo third > usr/lib/third", workspace.root)
    parent = workspace.commit()
    assert parent.depth == 3
    told = obey(parent, CASES[case][0])
    assert told


def test_hidden_file_needs_no_whiteout(start: Start, obey: Obey, snapshotter: Any, shell: Any) -> None:
    workspace = snapshotter.prepare(start(BASE))
    shell("rm etc/one", workspace.root)
    told = obey(workspace.commit(), "echo 1 > etc/one; rm etc/one; touch -d 2022-02-02 etc")
    assert told == {"etc": "d"}


@pytest.mark.parametrize(
    "case",
    [
        ("rm etc/one; touch -d 2001-02-03 etc", "echo one > etc/one", "etc/one"),
        ("rm -r usr/lib/deep; mkdir -p usr/lib/deep/er", "echo deep > usr/lib/deep/er/file", "usr/lib/deep/er/file"),
        ("rm -r usr/lib; mkdir -p usr/lib/deep/er", "echo deep > usr/lib/deep/er/file", "usr/lib/deep/er/file"),
        ("rm -r etc; echo > etc; rm etc; mkdir etc", "echo one > etc/one", "etc/one"),
    ],
)
def test_what_was_hidden_comes_back_as_it_was(
    case: tuple[str, str, str], start: Start, obey: Obey, snapshotter: Any, shell: Any
) -> None:
    """A file equal to one that a layer between has hidden is news all the same."""
    hide, show, path = case
    workspace = snapshotter.prepare(start(BASE))
    shell(hide, workspace.root)
    told = obey(workspace.commit(), f"{show}; touch -d 2001-02-03 {path}")
    assert told[path] == "f"


def test_replaced_directory_over_a_replaced_directory(start: Start, obey: Obey, snapshotter: Any, shell: Any) -> None:
    """No whiteouts for what the first replacement has hidden already."""
    workspace = snapshotter.prepare(start(BASE))
    shell("rm -r usr/lib; mkdir usr/lib; echo 2 > usr/lib/second; rm var/null", workspace.root)
    told = obey(workspace.commit(), "rm -r usr/lib var; mkdir usr/lib var; echo 3 > usr/lib/third")
    assert told == {
        "usr": "d",
        "usr/lib": "d",
        "usr/lib/second": "w",
        "usr/lib/third": "f",
        "var": "d",
        "var/fifo": "w",
        "var/log": "w",
    }


def test_first_layer_holds_everything(obey: Obey) -> None:
    told = obey(None, BASE)
    assert told["usr/lib/b"] == "h"
    assert told["etc/passwd"] == "f"
    assert "w" not in told.values()


def test_130_layers(snapshotter: Any, state_of: Any) -> None:
    snapshot = None
    for number in range(130):
        workspace = snapshotter.prepare(snapshot)
        with open(f"{workspace.root}/{number}", "w") as file:
            file.write(str(number))
        if number > 10:
            os.unlink(f"{workspace.root}/{number - 10}")
        if number % 40 == 0:
            assert [item.entry.path for item in workspace.changes()]
        snapshot = workspace.commit()
    assert snapshot is not None
    assert snapshot.depth == 130
    with snapshotter.view(snapshot) as root:
        assert sorted(os.listdir(root)) == sorted(["0", *(str(number) for number in range(120, 130))])


def test_parent_is_not_written(start: Start, snapshotter: Any, shell: Any, state_of: Any) -> None:
    parent = start(BASE)
    with snapshotter.view(parent) as root:
        before = state_of(root)
    workspace = snapshotter.prepare(parent)
    shell("rm -rf usr; echo x >> etc/one; chmod 700 etc; touch new", workspace.root)
    sibling = snapshotter.prepare(parent)
    assert state_of(sibling.root) == before
    workspace.commit()
    sibling.discard()
    with snapshotter.view(parent) as root:
        assert state_of(root) == before


def test_empty_view_and_workspace(snapshotter: Any) -> None:
    with snapshotter.view(None) as root:
        assert os.listdir(root) == []
    workspace = snapshotter.prepare(None)
    about = os.stat(workspace.root)
    assert (about.st_mode & 0o7777, about.st_uid, about.st_gid) == (0o755, 0, 0)
    assert list(workspace.changes()) == []
    assert workspace.commit().depth == 1


def test_discard(snapshotter: Any, store: str) -> None:
    workspace = snapshotter.prepare(None)
    with open(workspace.root + "/x", "w"):
        pass
    workspace.discard()
    workspace.discard()
    assert not os.path.exists(workspace.root)
    with pytest.raises(LamellaError):
        workspace.commit()
    kept = snapshotter.prepare(None)
    snapshot = kept.commit()
    kept.discard()
    with snapshotter.view(snapshot) as root:
        assert os.listdir(root) == []


def test_find_bind_and_remove(snapshotter: Any, start: Start) -> None:
    chain, other = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    assert snapshotter.find(chain) is None
    first, second = start("echo 1 > f"), start("echo 2 > f")
    snapshotter.bind(first, chain)
    snapshotter.bind(second, chain)
    assert snapshotter.find(chain) == first, "the one that was bound stays"
    snapshotter.bind(first, other)
    snapshotter.remove(chain)
    snapshotter.remove(chain)
    assert snapshotter.find(chain) is None
    assert snapshotter.find(other) == first
    with snapshotter.view(first) as root:
        assert os.listdir(root) == ["f"]


def test_bad_layer_leaves_nothing(snapshotter: Any, store: str) -> None:
    with pytest.raises(ImageInvalid) as caught:
        snapshotter.unpack(None, io.BytesIO(b"no tar" * 200), "sha256:" + "3" * 64, "the layer")
    assert "the layer" in str(caught.value)
    assert snapshotter.find("sha256:" + "3" * 64) is None
    assert os.listdir(f"{store}/{snapshotter.name}{SUFFIXES[current().kind]}/s") == []


def test_gone_parent_is_a_clear_error(snapshotter: Any) -> None:
    with pytest.raises(LamellaError) as caught:
        snapshotter.prepare(Snapshot("nobody.1", 1))
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_parallel_threads(snapshotter: Any, start: Start) -> None:
    parent = start(BASE)
    results: list[tuple[int, list[str], Snapshot]] = []

    def work(number: int) -> None:
        for turn in range(5):
            workspace = snapshotter.prepare(parent)
            with open(f"{workspace.root}/{number}-{turn}", "w") as file:
                file.write("x")
            told = [item.entry.path for item in workspace.changes()]
            results.append((number, told, workspace.commit()))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({snapshot.key for _, _, snapshot in results}) == 20
    assert all(len(told) == 1 and told[0].startswith(f"{number}-") for number, told, _ in results)


def test_base_root_file_system(snapshotter: Any, bases: Any, obey: Obey, state_of: Any, tmp_path: Any) -> None:
    """A real base, judged by GNU tar."""
    archive = bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"
    judge = tmp_path / "judge"
    judge.mkdir()
    subprocess.run(["tar", "xzpf", archive, "-C", judge, "--xattrs", "--numeric-owner"], check=True)
    plain = subprocess.run(["gzip", "-dc", archive], check=True, capture_output=True).stdout
    base = snapshotter.unpack(None, io.BytesIO(plain), "sha256:" + "4" * 64, "alpine")
    with snapshotter.view(base) as root:
        assert state_of(root) == state_of(str(judge))
    told = obey(base, "rm -rf var/cache lib/apk; chmod 4755 bin/busybox; echo 1 >> etc/passwd; mv etc/motd etc/motto")
    assert told["lib/apk"] == "w"
    assert told["bin/busybox"] == "f"
    assert "bin/ls" not in told

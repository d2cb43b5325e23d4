"""Random file operations on several layers, against a plain directory where the same operations were done."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from effort import usually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamella.layer.unpack import unpack_layer
from lamella.snapshot import open_snapshotter

pytestmark = pytest.mark.containers

NAMES = ["a", "b", "c", "d\udcff", "é"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
OPERATIONS = st.one_of(
    st.tuples(st.just("write"), PATHS, st.binary(max_size=3)),
    st.tuples(st.just("mkdir"), PATHS, st.none()),
    st.tuples(st.just("remove"), PATHS, st.none()),
    st.tuples(st.just("symlink"), PATHS, PATHS),
    st.tuples(st.just("link"), PATHS, PATHS),
    st.tuples(st.just("rename"), PATHS, PATHS),
    st.tuples(st.just("chmod"), PATHS, st.sampled_from([0o700, 0o4711, 0o1777])),
    st.tuples(st.just("chown"), PATHS, st.integers(1, 3)),
    st.tuples(st.just("fifo"), PATHS, st.none()),
    st.tuples(st.just("xattr"), PATHS, st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("opaque"), PATHS, st.none()),
)
LAYERS = st.lists(st.lists(OPERATIONS, max_size=8), min_size=1, max_size=4)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _plain_parent(root: str, path: str) -> bool:
    """Whether all parents are directories and no links: the operations stay where they are aimed at."""
    parent = os.path.dirname(path)
    while parent:
        if os.path.islink(f"{root}/{parent}") or not os.path.isdir(f"{root}/{parent}"):
            return False
        parent = os.path.dirname(parent)
    return True


def _linked_file(path: str) -> bool:
    about = os.lstat(path)
    return stat.S_ISREG(about.st_mode) and about.st_nlink > 1


def perform(root: str, plain: str, operation: tuple[str, str, Any]) -> None:
    """Does it in ``root``, if it makes sense in ``plain``: both hold the same. A file with several names is not
    written in place: overlayfs then changes one name and a plain directory all of them."""
    what, path, detail = operation
    target = f"{root}/{path}"
    if not _plain_parent(plain, path):
        return
    there = os.path.lexists(f"{plain}/{path}")
    directory = there and stat.S_ISDIR(os.lstat(f"{plain}/{path}").st_mode)
    regular = there and stat.S_ISREG(os.lstat(f"{plain}/{path}").st_mode)
    if what == "write" and (not there or (regular and not _linked_file(f"{plain}/{path}"))):
        with open(target, "ab") as file:
            file.write(detail)
    elif what == "mkdir" and not there:
        os.mkdir(target)
    elif what == "remove":
        _remove(target)
    elif what == "symlink" and not there:
        os.symlink(detail, target)
    elif what == "fifo" and not there:
        os.mkfifo(target)
    elif what == "opaque" and directory:
        shutil.rmtree(target)
        os.mkdir(target)
    elif what == "link" and regular and not os.path.lexists(f"{plain}/{detail}") and _plain_parent(plain, detail):
        os.link(target, f"{root}/{detail}")
    elif what == "rename" and there and _plain_parent(plain, detail) and not f"{detail}/".startswith(f"{path}/"):
        if path.startswith(f"{detail}/"):
            return
        _remove(f"{root}/{detail}")
        _rename(target, f"{root}/{detail}")
    elif (regular or directory) and not (regular and _linked_file(f"{plain}/{path}")):
        if what == "chmod":
            os.chmod(target, detail)
        elif what == "chown":
            os.chown(target, detail, detail)
        elif what == "xattr":
            os.setxattr(target, "user.x", detail)


def _rename(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except OSError as error:
        assert error.errno == errno.EXDEV
        shutil.copytree(source, target, symlinks=True, copy_function=_copy_any)
        shutil.rmtree(source)


def _copy_any(source: str, target: str, follow_symlinks: bool = True) -> None:
    about = os.lstat(source)
    if stat.S_ISFIFO(about.st_mode):
        os.mkfifo(target)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
    os.chown(target, about.st_uid, about.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(about.st_mode):
        os.chmod(target, stat.S_IMODE(about.st_mode))


@settings(
    max_examples=usually(30, 60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(layers=LAYERS)
def test_layers_are_what_was_done(
    backend: str, state_of: Callable[..., Any], tar_of: Callable[..., bytes], layers: list[list[tuple[str, str, Any]]]
) -> None:
    old = os.umask(0o022)
    folder = tempfile.mkdtemp()
    try:
        _check(folder, backend, state_of, tar_of, layers)
    finally:
        os.umask(old)
        shutil.rmtree(folder)


def _check(folder: str, backend: str, state_of: Any, tar_of: Any, layers: list[list[tuple[str, str, Any]]]) -> None:
    snapshotter = open_snapshotter(f"{folder}/store", backend)
    done, applied = f"{folder}/done", f"{folder}/applied"
    os.mkdir(done)
    os.mkdir(applied)
    built = pulled = None
    for number, operations in enumerate(layers):
        workspace = snapshotter.prepare(built)
        try:
            for operation in operations:
                perform(workspace.root, done, operation)
                perform(done, done, operation)
            final = state_of(workspace.root)
            assert state_of(workspace.root, times=False, links=False) == state_of(done, times=False, links=False)
            tar = tar_of(workspace)
            built = workspace.commit()
        finally:
            workspace.discard()
        unpack_layer(io.BytesIO(tar), applied, "applied", whiteouts="apply", lower=None, privileged=True)
        assert state_of(applied) == final
        pulled = snapshotter.unpack(pulled, io.BytesIO(tar), f"sha256:{number:064x}", "layer")
        with snapshotter.view(pulled) as root:
            assert state_of(root) == final
    snapshotter.close()  # type: ignore[attr-defined]

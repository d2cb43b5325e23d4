"""Laws: unpack(pack(tree)) == tree, and a stack of layers is the same by every road."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from effort import usually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamella.layer.changes import walk_tree
from lamella.layer.compression import open_decompressed
from lamella.layer.index import index_layer
from lamella.layer.pack import pack_layer
from lamella.layer.unpack import unpack_layer

pytestmark = pytest.mark.root

RELAXED = settings(
    deadline=None,
    max_examples=usually(30, 60),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@RELAXED
@given(data=st.data(), compression=st.sampled_from(["gzip", "zstd", "none"]))
def test_unpacking_what_was_packed_gives_the_tree_again(
    *, data: st.DataObject, compression: str, draw_tree: Any, grow: Any, fresh: Any, seen: Any
) -> None:
    source, target = fresh(), fresh()
    grow(source, draw_tree(data))
    sink = io.BytesIO()
    layer = pack_layer(walk_tree(str(source)), sink, compression=compression)
    sink.seek(0)
    entries = unpack_layer(
        open_decompressed(sink), str(target), "test", whiteouts="apply", lower=None, privileged=True, digests=True
    )
    assert entries == layer.entries
    assert seen(target, root=True) == seen(source, root=True)
    sink.seek(0)
    index = index_layer(sink, "test")
    assert (index.diff_id, index.uncompressed, index.entries) == (layer.diff_id, layer.uncompressed, layer.entries)
    assert (index.digest, index.size) == (layer.blob.digest, layer.blob.size)


@settings(RELAXED, max_examples=25)
@given(data=st.data())
def test_gnu_tar_unpacks_what_was_packed(
    data: st.DataObject, draw_tree: Any, grow: Any, fresh: Callable[[], Path], seen: Any
) -> None:
    source, target = fresh(), fresh()
    grow(source, draw_tree(data))
    sink = io.BytesIO()
    pack_layer(walk_tree(str(source)), sink)
    done = subprocess.run(
        [
            "tar",
            "xzpf",
            "-",
            "-C",
            target,
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
            "--warning=no-timestamp",
        ],
        input=sink.getvalue(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert seen(target, root=True) == seen(source, root=True)


@settings(RELAXED, max_examples=25)
@given(data=st.data(), form=st.sampled_from(["gnu", "posix"]))
def test_what_gnu_tar_packs_is_unpacked(
    *, data: st.DataObject, form: str, draw_tree: Any, grow: Any, fresh: Callable[[], Path], seen: Any
) -> None:
    source, target = fresh(), fresh()
    grow(source, draw_tree(data), linked="fl")  # GNU tar keeps no other links
    options = ["--xattrs", "--xattrs-include=*"] if form == "posix" else []
    done = subprocess.run(
        ["tar", "cf", "-", f"--format={form}", "--numeric-owner", *options, "-C", source, "."],
        capture_output=True,
        check=True,
    )
    unpack_layer(io.BytesIO(done.stdout), str(target), "test", whiteouts="apply", lower=None, privileged=True)
    expected = seen(source, root=True)
    if form == "gnu":
        expected = {path: entry._replace(xattrs=()) for path, entry in expected.items()}
    assert seen(target, root=True) == expected

"""Tables of contents: there and back, quick, small, and honest about damage."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import StoreDamaged
from lamella.filetree.entry import DIRECTORY, FILE, OPAQUE, WHITEOUT, Entry
from lamella.layer.toc import read_toc, write_toc

_TEXT = st.one_of(st.text(max_size=30), st.binary(max_size=10).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
_ENTRIES = st.builds(
    Entry,
    path=_TEXT,
    kind=st.sampled_from("fdlhcbpwo"),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32),
    gid=st.integers(0, 2**32),
    size=st.integers(0, 2**63),
    mtime=st.integers(-(2**70), 2**70),
    link=_TEXT,
    major=st.integers(0, 4095),
    minor=st.integers(0, 2**20),
    xattrs=st.lists(st.tuples(_TEXT, st.binary(max_size=20)), max_size=2).map(tuple),
    digest=st.one_of(st.just(""), st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")),
)


def table(entries: Iterator[Entry] | list[Entry]) -> io.BytesIO:
    sink = io.BytesIO()
    write_toc(entries, sink)
    sink.seek(0)
    return sink


@given(st.lists(_ENTRIES, max_size=30))
def test_what_is_written_is_read(entries: list[Entry]) -> None:
    assert list(read_toc(table(entries))) == entries


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 10_000])
def test_blocks_of_every_length(count: int) -> None:
    entries = [Entry(f"f{number}", FILE, size=number) for number in range(count)]
    assert list(read_toc(table(entries))) == entries


def many(count: int) -> Iterator[Entry]:
    for number in range(count):
        digest = f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}"
        yield Entry(f"usr/lib/d{number // 50}/file-{number}", FILE, size=number, mtime=number * 10**9, digest=digest)


def test_reading_is_quick() -> None:
    data = table(many(20_000))
    best = 9.0
    for _ in range(5):
        data.seek(0)
        start = time.process_time()
        assert sum(1 for _ in read_toc(data)) == 20_000
        best = min(best, time.process_time() - start)
    assert best < 0.2  # 0.03 s on a quiet machine


def test_memory_is_bounded() -> None:
    count = 40_000  # about 20 MB as entries
    data = table(many(count))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_toc(data)) == count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20


def test_the_same_entries_give_the_same_bytes() -> None:
    assert table(many(5000)).read() == table(many(5000)).read()


GOOD = table([Entry("a", FILE), Entry("b", DIRECTORY), Entry("c", WHITEOUT), Entry("", OPAQUE)]).read()


@pytest.mark.parametrize("cut", [0, 1, 5, len(GOOD) // 2, len(GOOD) - 1])
def test_a_cut_table_is_damage(cut: int) -> None:
    with pytest.raises(StoreDamaged, match="toc-7"):
        list(read_toc(io.BytesIO(GOOD[:cut]), "toc-7"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello\n",
        b'{"format":"lamella-toc","version":2}\n',
        b'{"format":"lamella-toc","version":1}\n{}\n',
        b'{"format":"lamella-toc","version":1}\n[[],[]]\n',
        b'{"format":"lamella-toc","version":1}\n[1,["a"],["f"],[1],[1],[1],[1],[1],[""],[0],[0],[[["a","zz"]]],[""]]\n',
        b'{"format":"lamella-toc","version":1}\n[1,["a"],["f","f"],[1],[1],[1],[1],[1],[""],[0],[0],[0],[""]]\n',
        b'{"format":"lamella-toc","version":1}\n[2,["a"],["f"],[1],[1],[1],[1],[1],[],[0],[0],[0],[""]]\n',
        b'{"format":"lamella-toc","version":1}\n["a',
    ],
)
def test_another_format_is_damage(text: bytes) -> None:
    with pytest.raises(StoreDamaged, match="toc-7"):
        list(read_toc(io.BytesIO(gzip.compress(text)), "toc-7"))

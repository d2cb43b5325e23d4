"""Tables of contents: a layer's entries, stored beside its blob, so that it need not be read again.

Format, version 1: one gzip stream of lines (zstd would be smaller, but its library takes 30 ms to load). The first is
a JSON object that names format and version. Each other line is a JSON array for up to 4096 entries: their number, then
one array a field of Entry, in its order; a field that is the same in all of them has an array of one. Extended
attributes are 0 or an array of [name, value as hex digits].
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, BinaryIO

from lamella.errors import ImageInvalid, StoreDamaged
from lamella.filetree.entry import Entry
from lamella.layer.compression import make_compressor, open_decompressed

_HEADER = b'{"format":"lamella-toc","version":1}\n'
_BLOCK = 4096
_FIELDS = len(Entry._fields)
_XATTRS = Entry._fields.index("xattrs")
_LONGEST_LINE = 256 << 20


def write_toc(entries: Iterable[Entry], sink: BinaryIO) -> None:
    """Writes ``entries``, in their order, to ``sink``; bounded in memory."""
    compressor = make_compressor("gzip")
    sink.write(compressor.compress(_HEADER))
    block: list[Entry] = []
    for entry in entries:
        block.append(entry)
        if len(block) == _BLOCK:
            sink.write(compressor.compress(_encode(block)))
            block = []
    if block:
        sink.write(compressor.compress(_encode(block)))
    sink.write(compressor.flush())


def read_toc(stream: BinaryIO, where: str = "table of contents") -> Iterator[Entry]:
    """The entries of a table of contents, in their order; bounded in memory. Raises StoreDamaged."""
    try:
        lines = open_decompressed(stream, where, ahead=False, swelling=None)
        if lines.readline(len(_HEADER)) != _HEADER:
            raise StoreDamaged("not a table of contents of this version", where=where)
        while line := lines.readline(_LONGEST_LINE):
            yield from _decode(line)
    except (ImageInvalid, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise StoreDamaged(f"the table of contents is broken ({error})", where=where) from None


def _encode(block: list[Entry]) -> bytes:
    columns: list[list[Any]] = [list(column) for column in zip(*block, strict=True)]
    xattrs = columns[_XATTRS]
    if any(xattrs):
        columns[_XATTRS] = [[[name, value.hex()] for name, value in pairs] or 0 for pairs in xattrs]
    else:
        columns[_XATTRS] = [0]
    for number, column in enumerate(columns):
        if column.count(column[0]) == len(column):
            columns[number] = column[:1]
    return json.dumps([len(block), *columns], separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> Iterator[Entry]:
    count, *columns = json.loads(line)
    if len(columns) != _FIELDS or any(len(column) not in (1, count) for column in columns):
        raise ValueError("a block is not as it should be")
    columns[_XATTRS] = [_decode_xattrs(pairs) if pairs else () for pairs in columns[_XATTRS]]
    filled = [repeat(column[0], count) if len(column) == 1 else column for column in columns]
    # What Entry._make does, without a Python call for each.
    return map(partial(tuple.__new__, Entry), zip(*filled, strict=True))


def _decode_xattrs(pairs: list[list[str]]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, bytes.fromhex(text)) for name, text in pairs)

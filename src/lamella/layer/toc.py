"""Tables of contents: a layer's entries, stored beside its blob, so that it need not be read again.

Format, version 1: one zstd stream of lines; the first names format and version, each other one is a JSON array of
twelve columns (the fields of Entry, in its order) for up to 4096 entries. Extended attributes are hex digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from lamella.errors import StoreDamaged
from lamella.filetree.entry import Entry
from lamella.layer.compression import open_decompressed

_HEADER = b'{"format":"lamella-toc","version":1}\n'
_BLOCK = 4096


def write_toc(entries: Iterable[Entry], sink: BinaryIO) -> None:
    """Writes ``entries``, in their order, to ``sink``; bounded in memory."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=3).compressobj()
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
        lines = open_decompressed(stream, where)
        if lines.readline() != _HEADER:
            raise StoreDamaged("not a table of contents of this version", where=where)
        for line in lines:
            columns = json.loads(line)
            columns[10] = [_decode_xattrs(value) if value else () for value in columns[10]]
            yield from map(Entry._make, zip(*columns, strict=True))
    except (ValueError, TypeError, IndexError) as error:
        raise StoreDamaged(f"the table of contents is broken ({error})", where=where) from None


def _encode(block: list[Entry]) -> bytes:
    columns: list[list[object]] = [list(column) for column in zip(*block, strict=True)]
    columns[10] = [[[name, value.hex()] for name, value in entry.xattrs] for entry in block]
    return json.dumps(columns, separators=(",", ":")).encode() + b"\n"


def _decode_xattrs(value: list[list[str]]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, bytes.fromhex(text)) for name, text in value)

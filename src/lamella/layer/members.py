"""A tar stream as members: headers with what their extended headers say. No knowledge of layers, all suspicion of tars.

Like GNU tar and Docker the end is the first block of zeros, or the end of the stream; what follows is read and ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from lamella.errors import ImageInvalid
from lamella.filetree.entry import Xattrs
from lamella.layer import tarformat as tar
from lamella.layer.attributes import check_attributes
from lamella.layer.limits import MAX_EXTENDED
from lamella.layer.names import at, shown
from lamella.layer.tarformat import BLOCK, Header, decode_header, padding, parse_pax

_SKIP = 1 << 18
_NANOSECONDS = 10**9
_EXTENDED = frozenset({tar.PAX_LOCAL, tar.PAX_GLOBAL, tar.GNU_LONG_NAME, tar.GNU_LONG_LINK})
#: types that have content; any other member has none, whatever its size says
WITH_CONTENT = frozenset({tar.REGULAR, tar.OLD_REGULAR, tar.CONTIGUOUS})
_GNU = b"="  # before the key of what was said by GNU's header; no PAX record has that in its key
_MAX_ID = 2**32 - 2  # the last one means "leave it as it is" to chown
_MAX_SIZE = 2**63 - 1
_MAX_SECONDS = 2**40
_MAX_MAJOR, _MAX_MINOR = 2**12 - 1, 2**20 - 1


class Member(NamedTuple):
    """``mtime`` is in nanoseconds; ``header`` holds what counts after extended headers, its own mtime apart."""

    header: Header
    mtime: int
    xattrs: Xattrs


def read_members(stream: BinaryIO, where: str) -> Iterator[Member]:
    """Each member; the taker reads or skips its content and padding before asking for the next. Raises ImageInvalid
    for damaged, cut or absurd headers and for sparse files."""
    common: dict[bytes, bytes] = {}
    records: dict[bytes, bytes] = {}
    extended = 0
    zeros = bytes(BLOCK)
    last = b""
    while True:
        block = stream.read(BLOCK)
        if not block or block == zeros:
            break
        try:
            if len(block) < BLOCK:
                block += read_exactly(stream, BLOCK - len(block), where)
            header = decode_header(block, where)
            if header.type in _EXTENDED:
                extended += header.size
                if not 0 <= header.size <= MAX_EXTENDED or extended > MAX_EXTENDED:
                    raise ImageInvalid("an extended tar header is too large", where=where)
                body = read_exactly(stream, header.size + padding(header.size), where)[: header.size]
                if header.type == tar.PAX_GLOBAL:
                    common |= _global(parse_pax(body, where), where)
                else:
                    records = _joined(records, _local(header.type, body, where), where)
                continue
        except ImageInvalid as error:
            if last and error.where == where:  # there is no path to name, but it can be found
                error.where = f"{where}: behind {shown(last)}"
            raise
        last = header.name
        yield _member(header, common | records if common else records, where)
        if extended:
            extended = sum(map(len, common.values()))
            records = {}
    if records:
        raise ImageInvalid("the layer ends after an extended tar header", where=where)
    while stream.read(_SKIP):
        pass


def read_exactly(stream: BinaryIO, size: int, where: str) -> bytes:
    """``size`` bytes; raises ImageInvalid where the stream ends before."""
    data = stream.read(size)
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise ImageInvalid("the layer ends in the middle of a tar header", where=where)
        data += more
    return data


def skip(stream: BinaryIO, size: int, where: str) -> None:
    """Reads over ``size`` bytes; raises ImageInvalid where the stream ends before."""
    while size > 0:
        data = stream.read(min(size, _SKIP))
        if not data:
            raise ImageInvalid("the layer ends in the middle of a file", where=where)
        size -= len(data)


def _local(kind: bytes, body: bytes, where: str) -> dict[bytes, bytes]:
    if kind == tar.PAX_LOCAL:
        return parse_pax(body, where)
    key = b"path" if kind == tar.GNU_LONG_NAME else b"linkpath"
    return {key: body.split(b"\0", 1)[0], _GNU + key: b""}


def _joined(records: dict[bytes, bytes], more: dict[bytes, bytes], where: str) -> dict[bytes, bytes]:
    """Of equal keys the later counts. Raises ImageInvalid where GNU's and PAX's headers both name the member: readers
    do not agree on which of them counts."""
    for key in (b"path", b"linkpath"):
        if key in records and key in more and (_GNU + key in records) != (_GNU + key in more):
            raise ImageInvalid(f"{shown(records[key])} is called {shown(more[key])}, too", where=where)
    return records | more


def _global(records: dict[bytes, bytes], where: str) -> dict[bytes, bytes]:
    for key in (b"path", b"linkpath", b"size"):
        if key in records:
            raise ImageInvalid(f"a global tar header sets the {key.decode()} of every member", where=where)
    return records


def _member(header: Header, records: dict[bytes, bytes], where: str) -> Member:
    xattrs: Xattrs = ()
    mtime = header.mtime * _NANOSECONDS
    if records:
        header = _override(header, records, where)
        xattrs = tuple(
            sorted(
                (tar.unquote_key(key[len(tar.XATTR) :]), value)
                for key, value in records.items()
                if key.startswith(tar.XATTR)
            )
        )
        if xattrs:
            check_attributes(xattrs, at(where, header.name))
        if b"mtime" in records:
            mtime = _nanoseconds(records[b"mtime"], header, where)
    name, _, uid, gid, size, _, kind, _, major, minor = header
    if kind == tar.GNU_SPARSE:
        raise _sparse(name, where)
    if not (0 <= uid <= _MAX_ID and 0 <= gid <= _MAX_ID and 0 <= size <= _MAX_SIZE):
        raise ImageInvalid(f"{shown(name)} has an impossible owner or size ({uid}:{gid}, {size} bytes)", where=where)
    if not -_MAX_SECONDS < mtime // _NANOSECONDS < _MAX_SECONDS:
        raise ImageInvalid(f"{shown(name)} has an impossible time", where=where)
    if not (0 <= major <= _MAX_MAJOR and 0 <= minor <= _MAX_MINOR):
        raise ImageInvalid(f"{shown(name)} has the impossible device number {major}:{minor}", where=where)
    return Member(header, mtime, xattrs)


def _override(header: Header, records: dict[bytes, bytes], where: str) -> Header:
    name, link = records.get(b"path", header.name), records.get(b"linkpath", header.link)
    if any(key.startswith(b"GNU.sparse.") for key in records):
        raise _sparse(name, where)
    return header._replace(
        name=name,
        link=link,
        uid=_decimal(records, b"uid", header.uid, where),
        gid=_decimal(records, b"gid", header.gid, where),
        size=_decimal(records, b"size", header.size, where),
    )


def _decimal(records: dict[bytes, bytes], key: bytes, default: int, where: str) -> int:
    text = records.get(key)
    if text is None:
        return default
    if not text.isdigit() or len(text) > 19:
        raise ImageInvalid(f"a PAX extended header gives the {key.decode()} {shown(text)}", where=where)
    return int(text)


def _nanoseconds(text: bytes, header: Header, where: str) -> int:
    whole, _, fraction = text.partition(b".")
    digits = (fraction + b"000000000")[:9]
    if not whole.removeprefix(b"-").isdigit() or len(whole) > 19 or not digits.isdigit():
        raise ImageInvalid(f"{shown(header.name)} has the time {shown(text)}", where=where)
    nanoseconds = int(whole) * _NANOSECONDS
    return nanoseconds - int(digits) if whole.startswith(b"-") else nanoseconds + int(digits)


def _sparse(name: bytes, where: str) -> ImageInvalid:
    return ImageInvalid(
        f"{shown(name)} is stored as a sparse file, which layers do not know",
        where=where,
        hint="write the tar without --sparse",
    )

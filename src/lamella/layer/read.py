"""Reading layers: a tar stream as entries, checked. What comes in is taken to be hostile.

Refused with ImageInvalid naming the layer and the path: names with ``..`` or NUL, names too long for Linux, sizes
that lie, damaged or cut headers, sparse files, character devices 0:0 (overlayfs's own whiteouts) and whiteouts of
nothing. Absolute names are made relative, as Docker does.

Source: OCI image-spec layer.md; POSIX.1-2017 pax.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from lamella.errors import ImageInvalid
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry, Xattrs
from lamella.layer import tarformat as tar
from lamella.layer.tarformat import BLOCK, Header, decode_header, padding, parse_pax
from lamella.layer.whiteout import decode_whiteout, is_reserved

MAX_PATH = 4095  # PATH_MAX less its NUL, in bytes
MAX_NAME = 255

_KINDS = {
    tar.REGULAR: kinds.FILE,
    tar.OLD_REGULAR: kinds.FILE,
    tar.CONTIGUOUS: kinds.FILE,
    tar.HARD_LINK: kinds.HARDLINK,
    tar.SYMBOLIC_LINK: kinds.SYMLINK,
    tar.CHARACTER: kinds.CHARACTER_DEVICE,
    tar.BLOCK_SPECIAL: kinds.BLOCK_DEVICE,
    tar.DIRECTORY_TYPE: kinds.DIRECTORY,
    tar.FIFO_TYPE: kinds.FIFO,
}
_NANOSECONDS = 10**9
_SKIP = 1 << 18


def read_entries(
    stream: BinaryIO, where: str, *, on_duplicate: Callable[[str], None] | None = None
) -> Iterator[tuple[Entry, BinaryIO | None]]:
    """The entries of an uncompressed layer in its order; a FILE with a reader of its content, valid until the next
    entry is asked for (what is left of it is skipped). Whiteouts come decoded. ``stream`` is read to its very end.

    A path may come twice: the later one counts. ``on_duplicate`` is told of each, and may raise. ``where`` names the
    layer in errors. Raises ImageInvalid."""
    seen: set[str] | None = set() if on_duplicate else None
    content: _Content | None = None
    for header, records in _members(stream, where):
        entry = _entry(header, records, where)
        if entry is None:
            _skip(stream, header.size + padding(header.size), where)
            continue
        if seen is not None and on_duplicate is not None and entry.kind not in (kinds.WHITEOUT, kinds.OPAQUE):
            if entry.path in seen:
                on_duplicate(entry.path)
            seen.add(entry.path)
        size = header.size if header.type in _WITH_CONTENT else 0
        content = _Content(stream, size, f"{where}: {entry.path}")
        yield entry, (cast(BinaryIO, content) if entry.kind == kinds.FILE else None)
        content.finish()


_WITH_CONTENT = frozenset({tar.REGULAR, tar.OLD_REGULAR, tar.CONTIGUOUS})


class _Content(io.RawIOBase):
    """The content of one member; short reads mean the end, and a cut stream raises."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream, self._size, self._left, self._where = stream, size, size, where

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size < 0 or size > self._left:
            size = self._left
        if not size:
            return b""
        data = self._stream.read(size)
        if not data:
            raise ImageInvalid("the layer ends in the middle of a file", where=self._where)
        self._left -= len(data)
        return data

    def finish(self) -> None:
        _skip(self._stream, self._left + padding(self._size), self._where)
        self._left = 0


def _skip(stream: BinaryIO, size: int, where: str) -> None:
    while size:
        data = stream.read(min(size, _SKIP))
        if not data:
            raise ImageInvalid("the layer ends in the middle of a file", where=where)
        size -= len(data)


def _read_exactly(stream: BinaryIO, size: int, where: str) -> bytes:
    data = stream.read(size)
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise ImageInvalid("the layer ends in the middle of a tar header", where=where)
        data += more
    return data


def _members(stream: BinaryIO, where: str) -> Iterator[tuple[Header, dict[bytes, bytes]]]:
    """Headers with the extended headers that belong to them; each taker reads or skips the content itself."""
    common: dict[bytes, bytes] = {}
    records: dict[bytes, bytes] = {}
    zeros = bytes(BLOCK)
    while True:
        block = stream.read(BLOCK)
        if not block or block == zeros:
            # One zero block or a plain end is the end too: some writers are sloppy. What follows it is only drained.
            while stream.read(_SKIP):
                pass
            return
        if len(block) < BLOCK:
            block += _read_exactly(stream, BLOCK - len(block), where)
        header = decode_header(block, where)
        if header.size < 0:
            raise ImageInvalid(f"{_shown(header.name)} has a negative size", where=where)
        if header.type in _EXTENDED:
            body = _extended(stream, header, where)
            if header.type == tar.PAX_LOCAL:
                records |= parse_pax(body, where)
            elif header.type == tar.PAX_GLOBAL:
                common |= parse_pax(body, where)
            else:
                key = b"path" if header.type == tar.GNU_LONG_NAME else b"linkpath"
                records[key] = body.split(b"\0", 1)[0]
            continue
        merged = common | records if common else records
        records = {}
        yield (_override(header, merged, where) if merged else header), merged


_EXTENDED = frozenset({tar.PAX_LOCAL, tar.PAX_GLOBAL, tar.GNU_LONG_NAME, tar.GNU_LONG_LINK})


def _extended(stream: BinaryIO, header: Header, where: str) -> bytes:
    if header.size > tar.MAX_EXTENDED:
        raise ImageInvalid(f"an extended header of {header.size} bytes is too large", where=where)
    return _read_exactly(stream, header.size + padding(header.size), where)[: header.size]


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
        raise ImageInvalid(f"a PAX extended header gives the {key.decode()} {_shown(text)}", where=where)
    return int(text)


def _sparse(name: bytes, where: str) -> ImageInvalid:
    return ImageInvalid(
        f"{_shown(name)} is stored as a sparse file, which layers do not know",
        where=where,
        hint="write the tar without --sparse",
    )


def _entry(header: Header, records: dict[bytes, bytes], where: str) -> Entry | None:
    """The entry of a member, None for one that is to be skipped (volume labels, AUFS's own files)."""
    if header.type == tar.GNU_VOLUME:
        return None
    if header.type == tar.GNU_SPARSE:
        raise _sparse(header.name, where)
    kind = _KINDS.get(header.type)
    if kind is None:
        raise ImageInvalid(f"{_shown(header.name)} is of type {header.type!r}, which layers do not know", where=where)
    path = clean_path(header.name, where)
    if is_reserved(path):
        decoded = decode_whiteout(path, where)
        if decoded is None:
            return None
        return Entry(decoded[0], kinds.OPAQUE if decoded[1] else kinds.WHITEOUT)
    link = ""
    if kind == kinds.FILE and header.name.endswith(b"/"):
        kind = kinds.DIRECTORY
    elif kind == kinds.HARDLINK:
        link = clean_path(header.link, where)
    elif kind == kinds.SYMLINK:
        link = _symlink(header, path, where)
    elif kind == kinds.CHARACTER_DEVICE and header.major == header.minor == 0:
        raise ImageInvalid(f"{path!r} is a character device 0:0, which overlayfs takes for a whiteout", where=where)
    if not path and kind != kinds.DIRECTORY:
        raise ImageInvalid("the root directory is given as something else", where=where)
    return Entry(
        path,
        kind,
        header.mode,
        header.uid,
        header.gid,
        header.size if kind == kinds.FILE else 0,
        _mtime(header, records, where),
        link,
        header.major,
        header.minor,
        _xattrs(records) if records else (),
    )


def clean_path(name: bytes, where: str) -> str:
    """``./a//b/`` as ``a/b``; the root is "". Raises ImageInvalid for ``..``, NUL and names too long for Linux."""
    path = name.decode("utf-8", "surrogateescape")
    if name.startswith(b"/") or b"//" in name or b"/." in name or name.startswith(b".") or name.endswith(b"/"):
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise ImageInvalid(f"{_shown(name)} leads out of the layer", where=where)
        path = "/".join(parts)
    elif not path:
        raise ImageInvalid("a member has no name", where=where)
    if "\0" in path:
        raise ImageInvalid(f"{_shown(name)} has a NUL in its name", where=where)
    if len(name) > MAX_NAME and (len(name) > MAX_PATH or any(len(part) > MAX_NAME for part in name.split(b"/"))):
        raise ImageInvalid(f"the name {_shown(name)} is too long for a file system", where=where)
    return path


def _symlink(header: Header, path: str, where: str) -> str:
    if not header.link or b"\0" in header.link or len(header.link) > MAX_PATH:
        raise ImageInvalid(f"{path!r} is a symbolic link to nothing that can be", where=where)
    return header.link.decode("utf-8", "surrogateescape")


def _mtime(header: Header, records: dict[bytes, bytes], where: str) -> int:
    text = records.get(b"mtime")
    if text is None:
        return header.mtime * _NANOSECONDS
    whole, _, fraction = text.partition(b".")
    digits = (fraction + b"000000000")[:9]
    if not whole.lstrip(b"-").isdigit() or len(whole) > 19 or not digits.isdigit():
        raise ImageInvalid(f"{_shown(header.name)} has the time {_shown(text)}", where=where)
    nanoseconds = int(whole) * _NANOSECONDS
    return nanoseconds - int(digits) if whole.startswith(b"-") else nanoseconds + int(digits)


def _xattrs(records: dict[bytes, bytes]) -> Xattrs:
    prefix = tar.XATTR
    return tuple(
        sorted((tar.unquote_key(key[len(prefix) :]), value) for key, value in records.items() if key.startswith(prefix))
    )


def _shown(name: bytes) -> str:
    text = repr(name.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 120 else text[:100] + "…'"

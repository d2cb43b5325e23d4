"""Tar headers: 512-byte blocks to fields and back. No stream here, and no knowledge of layers.

Written: ustar, with a PAX extended header before it only where a value does not fit (long names, large numbers, a time
before 1970, extended attributes as ``SCHILY.xattr.NAME``). The same fields always give the same bytes. Names are
written as the bytes they are, UTF-8 or not. Times are whole seconds, cut downwards, as Docker and BuildKit do:
nanoseconds differ between file systems and would make two packings of one tree differ.

Read: ustar, GNU (long names, base-256 numbers), PAX with global headers, old v7.

Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import adler32

from lamella.errors import ImageInvalid
from lamella.layer.names import at

BLOCK = 512
#: two blocks of zeros end an archive
END_OF_ARCHIVE = bytes(2 * BLOCK)

REGULAR, OLD_REGULAR, CONTIGUOUS = b"0", b"\0", b"7"
HARD_LINK, SYMBOLIC_LINK, CHARACTER, BLOCK_SPECIAL, DIRECTORY_TYPE, FIFO_TYPE = b"1", b"2", b"3", b"4", b"5", b"6"
PAX_LOCAL, PAX_GLOBAL = b"x", b"g"
GNU_LONG_NAME, GNU_LONG_LINK, GNU_SPARSE, GNU_VOLUME = b"L", b"K", b"S", b"V"

XATTR = b"SCHILY.xattr."

_NAME_FIELD, _PREFIX_FIELD = 100, 155
_MAX_7, _MAX_11 = 8**7 - 1, 8**11 - 1
_ADLER = 65521
_NUMERIC = b"01234567 \0"
_BLANKS = 8 * 0x20  # the checksum is taken with its own field blank


class Header(NamedTuple):
    """The fields of one header block. ``size`` is in bytes, ``mtime`` in whole seconds since the epoch.

    ``name`` and ``link`` are bytes up to the first NUL; ``name`` holds the ustar prefix already."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type: bytes
    link: bytes
    major: int
    minor: int


def encode_header(header: Header, xattrs: tuple[tuple[str, bytes], ...] = ()) -> bytes:
    """All the blocks that stand before a member's content: a PAX extended header where one is needed, then ustar."""
    name, mode, uid, gid, size, mtime, kind, link, major, minor = header
    records: list[bytes] = []
    prefix = b""
    if len(name) > _NAME_FIELD:
        split = _split_name(name)
        if split is None:
            records.append(_pax_record(b"path", name))
            name = name[:_NAME_FIELD]
        else:
            prefix, name = split
    if len(link) > _NAME_FIELD:
        records.append(_pax_record(b"linkpath", link))
        link = link[:_NAME_FIELD]
    if uid > _MAX_7:
        records.append(_pax_record(b"uid", b"%d" % uid))
        uid = 0
    if gid > _MAX_7:
        records.append(_pax_record(b"gid", b"%d" % gid))
        gid = 0
    if size > _MAX_11:
        records.append(_pax_record(b"size", b"%d" % size))
        size = 0
    if not 0 <= mtime <= _MAX_11:
        records.append(_pax_record(b"mtime", b"%d" % mtime))
        mtime = 0
    for key, value in xattrs:
        records.append(_pax_record(XATTR + _quote_key(key), value))
    fields = Header(name, mode, uid, gid, size, mtime, kind, link, major, minor)
    block = _encode_block(fields, prefix)
    return _extended_header(name, records) + block if records else block


def encode_file_header(  # noqa: PLR0917
    name: bytes, mode: int, uid: int, gid: int, size: int, mtime: int
) -> bytes:
    """What :func:`encode_header` gives for a regular file without extended attributes; most members are one."""
    if len(name) > _NAME_FIELD or not 0 <= mtime <= _MAX_11 or size > _MAX_11 or uid > _MAX_7 or gid > _MAX_7:
        return encode_header(Header(name, mode, uid, gid, size, mtime, REGULAR, b"", 0, 0))
    start = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(_NAME_FIELD, b"\0"), mode, uid, gid, size, mtime)
    return b"%b%06o\0 %b" % (start, (adler32(start) & 0xFFFF) + _FILE_SUM, _FILE_TAIL)


def padding(size: int) -> int:
    """Bytes of zeros after ``size`` bytes of content."""
    return -size % BLOCK


def _encode_block(header: Header, prefix: bytes) -> bytes:
    name, mode, uid, gid, size, mtime, kind, link, major, minor = header
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    start = name.ljust(_NAME_FIELD, b"\0") + numbers
    tail = _encode_tail(kind, link, major, minor, prefix)
    return b"%b%06o\0 %b" % (start, _sum(start) + _sum(tail) + _BLANKS, tail)


def _encode_tail(kind: bytes, link: bytes, major: int, minor: int, prefix: bytes) -> bytes:
    """All that follows the checksum field."""
    return b"%c%bustar\x0000%b%07o\0%07o\0%b%b" % (
        kind,
        link.ljust(_NAME_FIELD, b"\0"),
        bytes(64),  # names of user and group: layers carry numbers only
        major,
        minor,
        prefix.ljust(_PREFIX_FIELD, b"\0"),
        bytes(12),
    )


def _sum(data: bytes) -> int:
    # Adler-32's low half is 1 + the sum of the bytes modulo 65521: far quicker than sum(), exact below the modulus.
    if len(data) * 255 < _ADLER:
        return (adler32(data) & 0xFFFF) - 1
    half = len(data) // 2
    return _sum(data[:half]) + _sum(data[half:])


_FILE_TAIL = _encode_tail(REGULAR, b"", 0, 0, b"")
_FILE_SUM = _sum(_FILE_TAIL) + _BLANKS - 1


def _split_name(name: bytes) -> tuple[bytes, bytes] | None:
    """(prefix, name) at a slash, as ustar wants a name of up to 256 bytes; None where none fits."""
    cut = name.rfind(b"/", 0, _PREFIX_FIELD + 1)
    if cut <= 0 or not 0 < len(name) - cut - 1 <= _NAME_FIELD:
        return None
    return name[:cut], name[cut + 1 :]


def _pax_record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3  # a blank, "=" and a newline
    digits = len(str(length))
    total = length + digits
    if len(str(total)) > digits:
        total += 1
    return b"%d %b=%b\n" % (total, key, value)


def _extended_header(name: bytes, records: list[bytes]) -> bytes:
    body = b"".join(records)
    title = (b"PaxHeaders.0/" + name.rstrip(b"/").rpartition(b"/")[2])[:_NAME_FIELD]
    block = _encode_block(Header(title, 0o644, 0, 0, len(body), 0, PAX_LOCAL, b"", 0, 0), b"")
    return block + body + bytes(padding(len(body)))


def _quote_key(key: str) -> bytes:
    # A record ends its key at the first "=", so GNU tar writes %3D for it (and %25 for the sign itself).
    return key.replace("%", "%25").replace("=", "%3D").encode("utf-8", "surrogateescape")


def unquote_key(key: bytes) -> str:
    """An extended attribute's name out of its record's key."""
    return key.decode("utf-8", "surrogateescape").replace("%3D", "=").replace("%25", "%")


def decode_header(block: bytes, where: str) -> Header:
    """Raises ImageInvalid when the checksum or a number is wrong."""
    _check_sum(block, where)
    name = block[:_NAME_FIELD].split(b"\0", 1)[0]
    ustar = block[257:262] == b"ustar"
    if block[345] and ustar and block[257:265] != b"ustar  \0":  # GNU's own magic: the prefix field holds other things
        name = block[345:500].split(b"\0", 1)[0] + b"/" + name
    kind = block[156:157]
    device = ustar and kind in (CHARACTER, BLOCK_SPECIAL)
    where = at(where, name)
    mode, uid, gid, size, mtime = _numbers(block, where)
    return Header(
        name,
        mode & 0o7777,
        uid,
        gid,
        size,
        mtime,
        kind,
        block[157:257].split(b"\0", 1)[0] if block[157] else b"",
        _number(block[329:337], where) if device else 0,
        _number(block[337:345], where) if device else 0,
    )


def _check_sum(block: bytes, where: str) -> None:
    try:
        # The low half of Adler-32 is 1 + the sum of the bytes modulo 65521.
        total = (adler32(block) & 0xFFFF) - (adler32(block[148:156]) & 0xFFFF) + _BLANKS
        if (total - int(block[148:154], 8)) % _ADLER == 0 and block[154] & 0xDF == 0:
            return
    except ValueError:
        pass
    _check_sum_slowly(block, where)


def _check_sum_slowly(block: bytes, where: str) -> None:
    rest = block[:148] + b"        " + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in rest)  # some very old tars
    try:
        if _number(block[148:156], where) in (sum(rest), signed):
            return
    except ImageInvalid:
        pass
    raise ImageInvalid("a tar header's checksum does not match: damaged, or not a tar", where=where)


def _numbers(block: bytes, where: str) -> tuple[int, int, int, int, int]:
    """Mode, uid, gid, size and mtime. Most writers end each field by a NUL or a blank, which makes it quick."""
    ended = (block[107] | block[115] | block[123] | block[135] | block[147]) & 0xDF == 0
    if ended and not block[100:148].translate(None, _NUMERIC):  # int() takes signs and underscores too
        try:
            return (
                int(block[100:107], 8),
                int(block[108:115], 8),
                int(block[116:123], 8),
                int(block[124:135], 8),
                int(block[136:147], 8),
            )
        except ValueError:
            pass
    return (
        _number(block[100:108], where),
        _number(block[108:116], where),
        _number(block[116:124], where),
        _number(block[124:136], where),
        _number(block[136:148], where),
    )


def _number(field: bytes, where: str) -> int:
    """An octal field, or GNU's base-256 for large and negative numbers."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False)
        bits = 8 * len(field)
        if field[0] == 0xFF:
            return value - (1 << bits)
        return value & ~(0x80 << (bits - 8))
    digits = field.split(b"\0", 1)[0].strip(b" ")
    try:
        if digits.strip(b"01234567"):
            raise ValueError
        return int(digits, 8) if digits else 0
    except ValueError:
        raise ImageInvalid(f"a tar header holds {field!r} where a number should be", where=where) from None


def parse_pax(body: bytes, where: str) -> dict[bytes, bytes]:
    """The records of a PAX extended header. Raises ImageInvalid."""
    records: dict[bytes, bytes] = {}
    position, end = 0, len(body)
    while position < end:
        if body[position] == 0 and not body[position:].strip(b"\0"):
            break
        blank = body.find(b" ", position, position + 20)
        digits = body[position:blank] if blank > 0 else b""
        if not digits.isdigit():
            raise ImageInvalid("a PAX extended header has a record without its length", where=where)
        stop = position + int(digits)
        record = body[blank + 1 : stop]
        key, equals, value = record.partition(b"=")
        if stop > end or not equals or not key or not value.endswith(b"\n"):
            raise ImageInvalid("a PAX extended header has a record that is cut or too long", where=where)
        records[key] = value[:-1]
        position = stop
    return records

"""A tar writer that writes what it is told, true or not. Headers, extended headers, members, whole layers."""

from __future__ import annotations

BLOCK = 512
END = bytes(2 * BLOCK)
FILE, HARD, LINK, CHAR, BLOCKDEV, DIR, FIFO, SPARSE = b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"S"


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def number(value: int | bytes, width: int) -> bytes:
    """Octal with its NUL; bytes stand for themselves, cut or filled to the field."""
    raw = b"%0*o\0" % (width - 1, value) if isinstance(value, int) else value
    return raw[:width].ljust(width, b"\0")


def base256(value: int, width: int = 12) -> bytes:
    """GNU's form for large and negative numbers."""
    raw = value.to_bytes(width, "big", signed=True)
    return raw if value < 0 else bytes([raw[0] | 0x80]) + raw[1:]


def header(
    name: bytes,
    kind: bytes = FILE,
    *,
    size: int | bytes = 0,
    mode: int | bytes = 0o644,
    uid: int | bytes = 0,
    gid: int | bytes = 0,
    mtime: int | bytes = 0,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    checksum: bytes | None = None,
) -> bytes:
    """One block. ``name`` is cut to its field; its checksum is right unless ``checksum`` says otherwise."""
    start = name[:100].ljust(100, b"\0") + number(mode, 8) + number(uid, 8) + number(gid, 8)
    start += number(size, 12) + number(mtime, 12)
    rest = kind + link[:100].ljust(100, b"\0") + magic + bytes(64) + number(device[0], 8) + number(device[1], 8)
    rest = (rest + prefix[:155]).ljust(356, b"\0")
    total = sum(start) + sum(rest) + 8 * 32
    return start + (checksum or b"%06o\0 " % total) + rest


def member(name: str | bytes, data: bytes = b"", kind: bytes = FILE, **fields: object) -> bytes:
    """Header, content and padding. Long names and links get GNU's extended headers. ``size=`` may lie."""
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    link = fields.pop("link", b"")
    assert isinstance(link, bytes)
    before = b""
    if len(raw) > 100:
        before += gnu(b"L", raw)
    if len(link) > 100:
        before += gnu(b"K", link)
    fields.setdefault("size", len(data))
    return before + header(raw, kind, link=link, **fields) + padded(data)  # type: ignore[arg-type]


def folder(name: str | bytes, mode: int = 0o755, **fields: object) -> bytes:
    return member(name, kind=DIR, mode=mode, **fields)


def link(name: str | bytes, target: str | bytes) -> bytes:
    return member(name, kind=LINK, link=target.encode() if isinstance(target, str) else target, mode=0o777)


def hard(name: str | bytes, target: str | bytes) -> bytes:
    return member(name, kind=HARD, link=target.encode() if isinstance(target, str) else target)


def device(name: str, major: int, minor: int, kind: bytes = CHAR) -> bytes:
    return member(name, kind=kind, device=(major, minor))


def gnu(kind: bytes, value: bytes, size: int | bytes | None = None) -> bytes:
    """GNU's long name (L) or long link (K) for the next member."""
    data = value + b"\0"
    return header(b"././@LongLink", kind, size=len(data) if size is None else size) + padded(data)


def record(key: str, value: str | bytes) -> bytes:
    """A PAX record with its true length."""
    rest = b" %b=%b\n" % (key.encode(), value.encode() if isinstance(value, str) else value)
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d%b" % (length, rest)


def pax(*records: bytes, kind: bytes = b"x", size: int | bytes | None = None) -> bytes:
    """An extended header of records, for the next member (x) or all that follow (g)."""
    body = b"".join(records)
    return header(b"PaxHeaders.0/x", kind, size=len(body) if size is None else size) + padded(body)

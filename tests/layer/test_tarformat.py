"""Headers there and back, and Python's tarfile as judge."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ImageInvalid
from lamella.layer.members import read_members
from lamella.layer.tarformat import (
    BLOCK,
    Header,
    decode_header,
    encode_file_header,
    encode_header,
    parse_pax,
    unquote_key,
)

_RAW = st.binary(min_size=1, max_size=400).map(lambda raw: raw.replace(b"\0", b"n"))
_PATHS = st.one_of(
    _RAW,
    st.lists(st.integers(1, 120).map(lambda size: b"p" * size), min_size=1, max_size=6).map(b"/".join),
    st.integers(90, 270).map(lambda size: b"n" * size),
)
_NUMBERS = st.one_of(st.sampled_from([0, 8**7 - 1, 8**7, 2**32 - 2]), st.integers(0, 2**32 - 2))
_SIZES = st.sampled_from([0, 1, 8**11 - 1, 8**11, 2**40])
_TIMES = st.one_of(st.sampled_from([0, -1, 8**11 - 1, 8**11]), st.integers(-(2**35), 2**35))
_HEADERS = st.builds(
    Header,
    _PATHS,
    st.integers(0, 0o7777),
    _NUMBERS,
    _NUMBERS,
    _SIZES,
    _TIMES,
    st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6"]),
    st.one_of(st.just(b""), _PATHS),
    st.just(0),
    st.just(0),
)
_XATTRS = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60).map("user.".__add__),
    st.binary(max_size=600),
)


def _only(raw: bytes) -> tuple[Header, int, tuple[tuple[str, bytes], ...]]:
    (member,) = read_members(io.BytesIO(raw + bytes(1024)), "test")
    return member.header, member.mtime, member.xattrs


@given(_HEADERS, _XATTRS)
def test_what_is_encoded_is_decoded(header: Header, xattrs: dict[str, bytes]) -> None:
    pairs = tuple(sorted(xattrs.items()))
    raw = encode_header(header, pairs)
    assert len(raw) % BLOCK == 0
    found, mtime, found_xattrs = _only(raw)
    assert found._replace(mtime=header.mtime) == header
    assert mtime == header.mtime * 10**9
    assert found_xattrs == pairs


@given(_HEADERS)
def test_tarfile_reads_the_same(header: Header) -> None:
    raw = encode_header(header)
    with tarfile.open(fileobj=io.BytesIO(raw + bytes(1024)), errors="surrogateescape", encoding="utf-8") as archive:
        info = archive.next()
    assert info is not None
    name = header.name.rstrip(b"/") if header.type == b"5" else header.name
    assert info.name.rstrip("/") == name.rstrip(b"/").decode("utf-8", "surrogateescape")
    assert (info.mode, info.uid, info.gid, info.mtime) == (header.mode, header.uid, header.gid, header.mtime)
    assert info.linkname == header.link.decode("utf-8", "surrogateescape")
    if header.type == b"0" and not header.name.endswith(b"/"):
        assert info.size == header.size


@given(_HEADERS)
def test_the_short_way_for_files_gives_the_same_bytes(header: Header) -> None:
    header = header._replace(type=b"0", link=b"")
    assert encode_file_header(*header[:6]) == encode_header(header)


@pytest.mark.parametrize("size", [1, *range(72, 80), *range(970, 980), *range(9970, 9980)])
def test_a_record_counts_its_own_length(size: int) -> None:
    """At the borders the length has one digit more for itself."""
    value = b"v" * size
    found = _only(encode_header(Header(b"a", 0, 0, 0, 0, 0, b"0", b"", 0, 0), (("user.k", value),)))
    assert found[2] == (("user.k", value),)


def test_a_device_number_is_kept() -> None:
    header = Header(b"d", 0o600, 0, 0, 0, 0, b"3", b"", 4095, 1048575)
    assert _only(encode_header(header))[0] == header


def test_a_field_is_filled_to_its_end() -> None:
    """100 bytes of name and of link have no NUL behind them."""
    header = Header(b"n" * 100, 0o644, 0, 0, 0, 0, b"2", b"l" * 100, 0, 0)
    raw = encode_header(header)
    assert len(raw) == BLOCK
    assert decode_header(raw, "test") == header


def test_a_long_path_is_split_at_a_slash() -> None:
    header = Header(b"p" * 155 + b"/" + b"n" * 100, 0o644, 0, 0, 0, 0, b"0", b"", 0, 0)
    raw = encode_header(header)
    assert len(raw) == BLOCK
    assert decode_header(raw, "test") == header


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000644\0", 0o644),
        (b" 644 \0\0\0", 0o644),
        (b"644    \0", 0o644),
        (b"\0" * 8, 0),
        (b"00000644", 0o644),
        (b"\x80\0\0\0\0\0\x01\0", 256),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", -1),
    ],
)
def test_numbers_as_other_writers_have_them(field: bytes, value: int) -> None:
    raw = encode_header(Header(b"a", 0, 0, 0, 0, 0, b"0", b"", 0, 0))
    raw = raw[:108] + field + raw[116:]
    total = sum(raw[:148]) + 256 + sum(raw[156:])
    raw = raw[:148] + b"%06o\0 " % total + raw[156:]
    assert decode_header(raw, "test").uid == value


def test_signed_checksums_of_old_writers_are_accepted() -> None:
    raw = encode_header(Header("ü".encode(), 0, 0, 0, 0, 0, b"0", b"", 0, 0))
    signed = sum(byte - 256 if byte > 127 else byte for byte in raw[:148] + b" " * 8 + raw[156:])
    raw = raw[:148] + b"%06o\0 " % signed + raw[156:]
    assert decode_header(raw, "test").name == "ü".encode()


def test_a_changed_byte_fails_the_checksum() -> None:
    raw = bytearray(encode_header(Header(b"abc", 0o644, 1, 2, 3, 4, b"0", b"", 0, 0)))
    for position in range(0, 500):
        if 148 <= position < 156:
            continue
        raw[position] ^= 1
        with pytest.raises(ImageInvalid, match="checksum"):
            decode_header(bytes(raw), "test")
        raw[position] ^= 1


def test_pax_records() -> None:
    assert parse_pax(b"9 a=b=c\n\n" + b"6 b=\n\n", "test") == {b"a": b"b=c\n", b"b": b"\n"}
    assert parse_pax(b"8 ab=cd\n\0\0\0", "test") == {b"ab": b"cd"}
    assert unquote_key(b"user.a%3Db%25") == "user.a=b%"


@pytest.mark.parametrize(
    "body", [b"x", b" a=b\n", b"5 a=b\n", b"7 a=b\n", b"7 a=bc\t", b"6 =bc\n", b"4 a\n", b"999999999999 a=b\n"]
)
def test_broken_pax_records(body: bytes) -> None:
    with pytest.raises(ImageInvalid, match="PAX"):
        parse_pax(body, "test")

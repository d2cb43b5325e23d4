"""A tar archive as a table of members: nothing of it is ever unpacked to a path that it names.

Compressed archives, and those that come through a pipe, are first written to a temporary file without a name.
"""

from __future__ import annotations

import io
import os
import stat
from typing import BinaryIO, NamedTuple

from lamella.errors import ImageInvalid
from lamella.store.disk import disk_error

_MAX_MEMBERS = 200_000
_CHUNK = 1 << 20
_LINK_STEPS = 8


class Member(NamedTuple):
    """Where a regular file's content lies, in bytes."""

    offset: int
    size: int


class TarMembers:
    """The regular files of an archive, by name; links to them count as them. Close it after use."""

    def __init__(self, stream: BinaryIO, where: str, temporary: str) -> None:
        """``stream`` is read from where it stands. ``temporary`` is a path that may be used for a moment. Raises
        ImageInvalid for what is no tar archive, or has members whose names lead out of it."""
        self.where = where
        self._file = _seekable(stream, where, temporary)
        try:
            self._members, links = _scan(self._file, where)
            for name, target in links.items():
                self._link(name, target, links)
        except BaseException:
            self._file.close()
            raise

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def find(self, name: str) -> Member | None:
        """The member of this name; ``./`` before it does not matter."""
        return self._members.get(_clean(name))

    def names(self) -> list[str]:
        return list(self._members)

    def open(self, member: Member) -> io.RawIOBase:
        """Its content, to be read from the beginning; several may be open at once."""
        return _Range(self._file.fileno(), member, self.where)

    def read(self, name: str, limit: int) -> bytes:
        """The whole content. Raises ImageInvalid where it is missing or larger than ``limit`` bytes."""
        member = self.find(name)
        if member is None:
            raise ImageInvalid(f"the archive has no {name}", where=self.where)
        if member.size > limit:
            raise ImageInvalid(f"{name} is too large to be what its name says ({member.size} bytes)", where=self.where)
        return self.open(member).read() or b""

    def close(self) -> None:
        self._file.close()

    def _link(self, name: str, target: str, links: dict[str, str]) -> None:
        for _ in range(_LINK_STEPS):
            if target in self._members:
                self._members[name] = self._members[target]
                return
            if target not in links:
                return
            target = links[target]


class _Range(io.RawIOBase):
    """Part of a file, by positional reads: threads and other readers do not disturb it."""

    def __init__(self, descriptor: int, member: Member, where: str) -> None:
        self._descriptor, self._where = descriptor, where
        self._offset, self._left = member

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: self._left]
        if not view:
            return 0
        try:
            count = os.preadv(self._descriptor, [view], self._offset)
        except OSError as error:
            raise disk_error(error, self._where, "read the archive") from None
        if not count:
            raise ImageInvalid("the archive is cut off", where=self._where)
        self._offset += count
        self._left -= count
        return count


def _seekable(stream: BinaryIO, where: str, temporary: str) -> BinaryIO:
    """``stream`` itself if it is a plain file with an uncompressed archive, else a copy of its content."""
    from lamella.layer.compression import open_decompressed
    from lamella.layer.decoders import detect_compression

    if _is_file(stream):
        start = os.pread(stream.fileno(), 6, 0)
        if detect_compression(start) == "none":
            return stream
    try:
        copy = open(temporary, "x+b")  # noqa: SIM115
        os.unlink(temporary)
    except OSError as error:
        raise disk_error(error, temporary, "read the archive") from None
    try:
        with open_decompressed(stream, where) as content:
            while chunk := content.read(_CHUNK):
                copy.write(chunk)
        copy.flush()
        stream.close()
    except OSError as error:
        copy.close()
        raise disk_error(error, temporary, "read the archive") from None
    except BaseException:
        copy.close()
        raise
    return copy


def _is_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, AttributeError):
        return False


def _scan(file: BinaryIO, where: str) -> tuple[dict[str, Member], dict[str, str]]:
    import tarfile

    members: dict[str, Member] = {}
    links: dict[str, str] = {}
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:", errorlevel=2) as tar:
            for count, info in enumerate(tar):
                if count >= _MAX_MEMBERS:
                    raise ImageInvalid(f"the archive has more than {_MAX_MEMBERS} members", where=where)
                name = _safe(info.name, where)
                if info.isreg() and not info.issparse():
                    if info.offset_data + info.size > size:
                        raise ImageInvalid(f"the archive is cut off in {info.name}", where=where)
                    members[name] = Member(info.offset_data, info.size)
                elif info.issym():
                    links[name] = _safe(os.path.normpath(f"{os.path.dirname(name)}/{info.linkname}".lstrip("/")), where)
                elif info.islnk():
                    links[name] = _safe(info.linkname, where)
                elif not info.isdir():
                    raise ImageInvalid(f"a member is neither file nor folder nor link: {info.name!r}", where=where)
    except (tarfile.TarError, ValueError, OverflowError, UnicodeError, EOFError) as error:
        raise ImageInvalid(f"not a whole tar archive ({error})", where=where) from None
    return members, links


def _safe(name: str, where: str) -> str:
    """Raises ImageInvalid for names that lead out of the archive."""
    clean = _clean(name)
    if name.startswith("/") or ".." in clean.split("/") or "\0" in name:
        raise ImageInvalid(f"the archive has a member whose name leads out of it: {name!r}", where=where)
    return clean


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))

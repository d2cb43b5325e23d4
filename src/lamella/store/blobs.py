"""Blobs on disk: ``blobs/<algorithm>/<hex>``, as the OCI image layout has them.

A blob appears under its name by one rename of a finished file, so a process killed at any moment leaves no wrong
blob. Syncing to the disk waits until something is about to name the blobs (``sync``): after a power loss a blob that
nothing names may be short, which its size or the verified read tells; one that an image names is whole.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from lamella.errors import ImageInvalid, NotFound, StoreDamaged
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.store.disk import disk_error, disk_errors, remove_quietly, sync_path
from lamella.store.lease import Lease
from lamella.store.verified import verified

#: manifests, indexes and configs are read whole; anything larger is no such thing
SMALL = 4 << 20


class BlobStore:
    """Implements ``lamella.oci.image.BlobSource``. Safe to use from several threads and processes."""

    def __init__(self, root: str, lease: Lease) -> None:
        self._folder = f"{root}/blobs"
        self._lease = lease
        self._unsynced: set[str] = set()
        self._guard = threading.Lock()

    def path_of(self, digest: Digest) -> str:
        """Where the blob lies, or would."""
        return f"{self._folder}/{digest.algorithm}/{digest.encoded}"

    def has(self, digest: Digest) -> bool:
        return os.path.isfile(self.path_of(digest))

    def size(self, digest: Digest) -> int | None:
        """In bytes; None where there is no such blob."""
        try:
            return os.stat(self.path_of(digest)).st_size
        except OSError:
            return None

    def holds(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there with the size that the descriptor says. The content is not read."""
        return self.size(descriptor.digest) == descriptor.size

    def touch(self, descriptor: Descriptor) -> bool:
        """``holds``, and marks the blob as in use, so that garbage collection of another process leaves it."""
        self._lease.hold()
        try:
            os.utime(self.path_of(descriptor.digest))
        except FileNotFoundError:
            return False
        except OSError:
            pass  # a store that may only be read
        return self.holds(descriptor)

    def writer(self, *, hashing: bool = True) -> BlobWriter:
        """A file to write a blob into. Without ``hashing``, ``commit`` wants ``trusted``."""
        return BlobWriter(self, self._lease.temporary_path(".blob"), hashing)

    def writer_on(self, temporary: str) -> BlobWriter:
        """Goes on with a temporary file of this process; ``commit`` wants ``trusted``."""
        return BlobWriter(self, temporary, False, begun=True)

    def put(self, data: bytes) -> Digest:
        """Stores ``data`` unless it is there already."""
        digest = Digest.of(data)
        if self.touch(Descriptor("", digest, len(data))):
            return digest
        with self.writer(hashing=False) as writer:
            writer.write(data)
            return writer.commit(trusted=digest)

    def open_blob(self, descriptor: Descriptor) -> BinaryIO:
        """A verified stream: reading to the end raises StoreDamaged on a wrong digest or size. Raises NotFound."""
        path = self.path_of(descriptor.digest)
        try:
            file = open(path, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            raise _missing(descriptor) from None
        except OSError as error:
            raise disk_error(error, path, "read a blob") from None
        return verified(file, descriptor, StoreDamaged)

    def read_blob(self, descriptor: Descriptor) -> bytes:
        """The bytes of a small blob, verified. Raises NotFound, StoreDamaged, and ImageInvalid over 4 MiB."""
        if descriptor.size > SMALL:
            raise ImageInvalid(
                f"a {descriptor.media_type or 'JSON'} blob of {descriptor.size} bytes is too large to be one",
                where=str(descriptor.digest),
            )
        with self.open_blob(descriptor) as stream:
            return stream.read()

    def remove(self, digest: Digest) -> int:
        """Removes the blob; returns the bytes freed, 0 where there was none."""
        path = self.path_of(digest)
        size = self.size(digest)
        if size is None:
            return 0
        with disk_errors(path, "remove a blob"):
            os.unlink(path)
        return size

    def __iter__(self) -> Iterator[Digest]:
        """Every blob's digest, sorted; files that are named like no digest are passed over."""
        for algorithm in _listing(self._folder):
            for encoded in _listing(f"{self._folder}/{algorithm}"):
                try:
                    yield Digest.parse(f"{algorithm}:{encoded}")
                except ImageInvalid:
                    continue

    def sync(self) -> None:
        """Waits until every blob this process wrote is on the disk."""
        with self._guard:
            paths, self._unsynced = self._unsynced, set()
        for path in paths | {os.path.dirname(path) for path in paths}:
            with disk_errors(path, "write a blob"):
                sync_path(path)

    def place(self, temporary: str, digest: Digest) -> None:
        """Renames a finished file of the temporary folder to its blob. Raises OSError."""
        path = self.path_of(digest)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.rename(temporary, path)
        with self._guard:
            self._unsynced.add(path)


class BlobWriter:
    """A blob in the making. As a context manager it removes what was written unless ``commit`` was reached."""

    def __init__(self, store: BlobStore, temporary: str, hashing: bool, *, begun: bool = False) -> None:
        self._store = store
        self._path = temporary
        self._hash = hashlib.sha256() if hashing else None
        self.size = 0
        with disk_errors(temporary, "write a blob"):
            self._file: io.FileIO | None = io.FileIO(temporary, "ab" if begun else "xb")
            if begun:
                self.size = os.fstat(self._file.fileno()).st_size

    @property
    def path(self) -> str:
        """The temporary file that what was written is in at once, without a buffer."""
        return self._path

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Raises NoSpace when the disk is full."""
        assert self._file is not None, "written after commit"
        if self._hash is not None:
            self._hash.update(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise disk_error(error, self._path, "write a blob") from None
        self.size += len(data)
        return len(data)

    def commit(self, digest: Digest | None = None, size: int | None = None, *, trusted: Digest | None = None) -> Digest:
        """Gives the blob its name. ``digest`` and ``size`` are what it has to be (else ImageInvalid, and nothing is
        stored); ``trusted`` is a digest of these very bytes that the caller has computed, so none is made here."""
        assert self._file is not None, "committed twice"
        found = trusted or self._digest()
        if digest is not None and digest.algorithm != found.algorithm:
            found = self._read_digest(digest.algorithm)
        if size is not None and size != self.size:
            self.discard()
            raise ImageInvalid(f"a blob of {self.size} bytes came where {size} were announced", where=str(digest))
        if digest is not None and digest != found:
            self.discard()
            raise ImageInvalid(f"a blob came with another content (its digest is {found})", where=str(digest))
        try:
            self._file.close()
            os.chmod(self._path, 0o644)
            self._store.place(self._path, found)
        except OSError as error:
            self.discard()
            raise disk_error(error, self._store.path_of(found), "write a blob") from None
        self._file = None
        return found

    def hand_over(self) -> str:
        """Ends the writing; the file is the caller's."""
        assert self._file is not None, "handed over after commit"
        self._file.close()
        self._file = None
        return self._path

    def discard(self) -> None:
        """Removes what was written. Does nothing after ``commit``."""
        if self._file is not None:
            self._file.close()
            self._file = None
            remove_quietly(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _digest(self) -> Digest:
        return Digest("sha256:" + self._hash.hexdigest()) if self._hash is not None else self._read_digest("sha256")

    def _read_digest(self, algorithm: str) -> Digest:
        with open(self._path, "rb") as file:
            return Digest(f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}")


def _missing(descriptor: Descriptor) -> NotFound:
    return NotFound(
        "the store does not hold this blob",
        where=str(descriptor.digest),
        hint="`lamella image verify` lists the images that need it; pull, load or build them again",
    )


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []

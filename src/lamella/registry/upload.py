"""A blob on its way to a registry: POST, PATCH for each chunk, PUT with the digest.

After a cut or a refusal the registry is asked where the upload stands, and it goes on from there; where there is
nothing to go on with it begins anew. Small blobs are sent with the PUT.

Source: OCI distribution-spec, "Pushing blobs"; what the registries in use take: one whole PATCH all of them, chunks
not all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from lamella.errors import ImageInvalid, Interrupted, RegistryError
from lamella.oci.descriptor import Descriptor
from lamella.registry.answers import number_of
from lamella.registry.failure import Failed
from lamella.registry.retry import Backoff
from lamella.registry.server import Request, Server
from lamella.store.disk import disk_error

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

#: bytes; larger blobs are sent in chunks of this size
CHUNK = 64 << 20
_SMALLEST_CHUNK = 1 << 20
_SMALL = 1 << 20
_PIECE = 1 << 18
_RESTARTS = 2


class Upload:
    """One blob, ``repository`` being the path in the registry. ``progress`` is told how many bytes of it were sent,
    which may become fewer when it begins anew. ``location`` is that of an upload which the registry has begun
    already."""

    def __init__(
        self,
        server: Server,
        repository: str,
        scopes: tuple[str, ...],
        *,
        descriptor: Descriptor,
        open_stream: Callable[[], BinaryIO],
        progress: Callable[[int], None],
        location: str | None = None,
    ) -> None:
        self._server = server
        self._repository = repository
        self._scopes = scopes
        self._descriptor = descriptor
        self._open_stream = open_stream
        self._progress = progress
        self._location = location
        self._where = f"{server.address.domain}/{repository}@{descriptor.digest}"
        self._position = self._furthest = 0
        self._chunk = CHUNK
        self._restarts = 0
        self._committing = self._unsure = False
        self._said: int | None = None
        #: where the blob is read on for the next chunk; most blobs cannot be read from their middle
        self._kept: tuple[int, BinaryIO] | None = None

    def run(self) -> None:
        """Raises RegistryError and the like after the last try, and what ``open_stream`` raises."""
        try:
            self._run(self._server.backoff())
        finally:
            if self._kept is not None:
                self._kept[1].close()

    def _run(self, backoff: Backoff) -> None:
        while True:
            try:
                if self._committing and self._is_there():
                    return
                if self._location is None:
                    self._begin()
                elif self._unsure:
                    self._ask()
                    self._note_progress(backoff)
                while self._descriptor.size - self._position > _SMALL:
                    self._patch()
                    self._note_progress(backoff)
                self._commit()
                return
            except Failed as failed:
                self._unsure = True
                backoff.wait(self._judged(failed))

    def _note_progress(self, backoff: Backoff) -> None:
        """What the registry has for the first time; what is sent again after a fresh start is no progress."""
        if self._position > self._furthest:
            backoff.progressed(self._position - self._furthest)
            self._furthest = self._position

    def _judged(self, failed: Failed) -> Failed:
        """Some refusals are of the upload and not of the blob: it may begin anew, a few times."""
        if failed.again or self._location is None:
            return failed
        if failed.status == 416:
            if self._said is not None and self._said == self._position:
                self._forget()  # it was asked where it stands, and did not mean it
            failed.again = True
        elif failed.status == 413 and self._chunk > _SMALLEST_CHUNK:
            self._chunk = max(_SMALLEST_CHUNK, min(self._chunk, self._descriptor.size) // 4)
            self._forget()
            failed.again = True
        elif failed.status in (400, 404, 405, 501) and self._restarts < _RESTARTS:
            self._chunk = max(self._chunk, self._descriptor.size)  # this one may not know chunks
            self._restarts += 1
            self._forget()
            failed.again = True
        if failed.again:
            failed.wait = 0.0
        return failed

    def _forget(self) -> None:
        self._location = None
        self._position = 0
        self._said = None
        self._committing = False

    def _request(self, method: str, url: str, what: str, expected: tuple[int, ...]) -> Request:
        return Request(method, url, what, self._where, expected=expected, scopes=self._scopes)

    def _begin(self) -> None:
        request = self._request("POST", f"/v2/{self._repository}/blobs/uploads/", "begin an upload", (202,))
        response = self._server.ask(request._replace(headers={"Content-Length": "0"}))
        self._position = 0
        self._unsure = False
        self._follow(response, request.url)

    def _follow(self, response: BaseHTTPResponse, url: str) -> None:
        """The next request goes where this answer says."""
        self._server.drain(response)
        location = response.headers.get("Location")
        if location:
            self._location = self._server.absolute(location, base=self._server.absolute(url))
        elif self._location is None:
            raise RegistryError("the registry begins an upload and does not say where", where=self._where)

    def _ask(self) -> None:
        """Where the upload stands. A registry that does not say loses it."""
        assert self._location is not None
        request = self._request("GET", self._location, "say where an upload stands", (204, 200, 202))
        try:
            response = self._server.ask(request)
        except Failed as failed:
            if failed.again:
                raise
            self._forget()
            self._begin()
            return
        self._follow(response, self._location)
        self._position = self._said = min(_received(response), self._descriptor.size)
        self._unsure = False

    def _patch(self) -> None:
        assert self._location is not None
        start = self._position
        count = min(self._chunk, self._descriptor.size - start)
        headers = {"Content-Type": "application/octet-stream"}
        if count < self._descriptor.size:
            headers["Content-Range"] = f"{start}-{start + count - 1}"
        url = self._location
        request = self._request("PATCH", url, "take a part of a blob", (202, 201, 204))
        response = self._server.ask(
            request._replace(headers=headers, body=lambda: self._pieces(start, count), size=count)
        )
        self._follow(response, url)
        end = start + count
        self._position = min(end, _received(response)) if response.headers.get("Range") else end
        if self._position <= start:
            raise Failed(RegistryError("the registry does not keep what it is sent", where=self._where), again=True)

    def _commit(self) -> None:
        assert self._location is not None
        start, count = self._position, self._descriptor.size - self._position
        self._committing = True
        mark = "&" if "?" in self._location else "?"
        url = f"{self._location}{mark}digest={quote(str(self._descriptor.digest), safe='')}"
        headers = {"Content-Length": str(count), "Content-Type": "application/octet-stream"}
        if count and start:
            headers["Content-Range"] = f"{start}-{start + count - 1}"
        request = self._request("PUT", url, "complete a blob", (201, 204, 202))._replace(headers=headers)
        if count:
            request = request._replace(body=lambda: self._pieces(start, count), size=count)
        response = self._server.ask(request)
        said = response.headers.get("Docker-Content-Digest", "")
        self._server.drain(response)
        digest = self._descriptor.digest
        if said.startswith(f"{digest.algorithm}:") and said != digest:
            raise RegistryError(f"the registry stored the blob as {said[:200]}", where=self._where)
        self._progress(self._descriptor.size)

    def _is_there(self) -> bool:
        """What was cut may have been the answer alone."""
        url = f"/v2/{self._repository}/blobs/{self._descriptor.digest}"
        response = self._server.ask(self._request("HEAD", url, "show a blob", (200, 404)))
        self._server.drain(response)
        return response.status == 200

    def _pieces(self, start: int, count: int) -> Iterator[bytes]:
        stream = self._opened(start)
        done, end, where = start, start + count, str(self._descriptor.digest)
        try:
            while done < end:
                if self._server.cancelled():
                    raise Interrupted("the upload was cancelled")
                data = self._read(stream, min(_PIECE, end - done))
                if not data:
                    raise ImageInvalid(f"the blob ends {end - done} bytes early", where=where)
                done += len(data)
                # A blob that is damaged here says so at its end, and before the registry has all of it.
                if done == self._descriptor.size and self._read(stream, 1):
                    raise ImageInvalid(f"the blob is longer than {done} bytes", where=where)
                yield data
                self._progress(done)
            self._kept = (done, stream)
        except BaseException:
            stream.close()
            raise

    def _opened(self, start: int) -> BinaryIO:
        kept, self._kept = self._kept, None  # who gave up a try may still be reading: nobody shares a stream
        if kept is not None:
            if kept[0] == start:
                return kept[1]
            kept[1].close()
        stream = self._open_stream()
        _seek(stream, start)
        return stream

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        try:
            return stream.read(size)
        except OSError as error:  # else it would look like the registry's
            raise disk_error(error, str(self._descriptor.digest), "read a blob") from None


def _seek(stream: BinaryIO, offset: int) -> None:
    if stream.seekable():
        stream.seek(offset)
        return
    while offset:
        data = stream.read(min(_PIECE, offset))
        if not data:
            return
        offset -= len(data)


def _received(response: BaseHTTPResponse) -> int:
    """Bytes that the registry has. ``Range: 0-0`` is said of one byte and of none: then it is none that is meant."""
    last = number_of(response.headers.get("Range", "").removeprefix("bytes=").partition("-")[2])
    return last + 1 if last else 0

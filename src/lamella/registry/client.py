"""One repository of a registry, as pull and push see it.

Source: OCI distribution-spec 1.1.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast
from urllib.parse import quote

from lamella.errors import ImageInvalid, NotFound, RegistryError
from lamella.events import Emit, Note, ignore
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.reference import Reference
from lamella.registry.answers import number_of
from lamella.registry.failure import Failed
from lamella.registry.manifests import ALL, Fetched, digest_like, digest_of, read_manifest
from lamella.registry.server import Request
from lamella.registry.settings import RegistrySettings
from lamella.registry.sources import Source, open_sources
from lamella.remote.waiting import never

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from lamella.registry.download import State

_BUFFER = 1 << 20
T = TypeVar("T")


def open_repository(
    reference: Reference,
    settings: RegistrySettings,
    *,
    push: bool = False,
    emit: Emit = ignore,
    cancelled: Callable[[], bool] = never,
) -> Repository:
    """Nobody is asked yet. Raises RegistryError where registries.conf blocks it."""
    return Repository(open_sources(reference, settings, push=push, emit=emit, cancelled=cancelled), push, emit)


class Repository:
    """Usable from several threads at once. What is not there is NotFound; a registry that refuses is RegistryDenied,
    one that cannot be reached RegistryUnreachable, one that fails RegistryError."""

    def __init__(self, sources: tuple[Source, ...], push: bool, emit: Emit = ignore) -> None:
        """``sources`` in the order in which they are asked: mirrors, and last the place itself, where a push goes."""
        self._sources = sources
        self._push = push
        self._emit = emit
        #: those before it have failed, or do not have what was asked for
        self._first = 0
        self._begun: dict[Digest, str] = {}

    @property
    def name(self) -> str:
        """``domain/path`` of where a push goes."""
        return self._sources[-1].name

    # --- manifests ---------------------------------------------------------------------------------------------------

    def get_manifest(self, tag_or_digest: str, accept: tuple[str, ...] = ALL) -> Fetched:
        """Verified, of at most 4 MiB. Raises ImageInvalid, too."""
        wanted = _wanted(tag_or_digest)

        def ask(source: Source) -> Fetched:
            request = self._manifest_request("GET", source, tag_or_digest, accept)
            server = source.server
            return read_manifest(server.ask(request), request.where, wanted, server.cancelled)

        return self._ask_in_turn(ask)

    def head_manifest(self, tag_or_digest: str, accept: tuple[str, ...] = ALL) -> Descriptor | None:
        """What the registry says is there; None where nothing is."""

        def ask(source: Source) -> Descriptor | None:
            request = self._manifest_request("HEAD", source, tag_or_digest, accept)
            server = source.server
            response = server.ask(request)
            server.drain(response)
            digest = digest_of(response.headers.get("Docker-Content-Digest", ""))
            size = number_of(response.headers.get("Content-Length", ""))
            if ":" in tag_or_digest and digest != tag_or_digest:
                digest = None  # of another algorithm, or a lie
            if digest is None or size is None:
                again = server.ask(request._replace(method="GET"))
                fetched = read_manifest(again, request.where, _wanted(tag_or_digest), server.cancelled)
                return Descriptor(fetched.media_type, fetched.digest, len(fetched.raw))
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            return Descriptor(media_type, digest, size)

        try:
            return self._ask_in_turn(ask)
        except NotFound:
            return None

    def put_manifest(self, tag_or_digest: str, raw: bytes, media_type: str) -> Digest:
        """Byte for byte; its digest, recomputed."""
        target = self._sources[-1]
        where = _named(target, tag_or_digest)
        request = Request(
            "PUT", f"/v2/{target.path}/manifests/{quote(tag_or_digest, safe=':')}", "take a manifest", where,
            headers={"Content-Type": media_type}, expected=(201, 200, 202), scopes=self._scopes(target),
            body=lambda: (raw,), size=len(raw),
        )  # fmt: skip
        response = target.server.ask_until(request)
        said = response.headers.get("Docker-Content-Digest", "")
        target.server.drain(response)
        digest = _wanted(tag_or_digest) or Digest.of(raw)
        digest = digest_like(digest, raw)
        if said.startswith(f"{digest.algorithm}:") and said != digest:
            raise RegistryError(f"the registry stored the manifest as {said[:200]}, not as {digest}", where=where)
        return digest

    def _manifest_request(self, method: str, source: Source, name: str, accept: tuple[str, ...]) -> Request:
        return Request(
            method, f"/v2/{source.path}/manifests/{quote(name, safe=':')}", "show the image", _named(source, name),
            headers={"Accept": ", ".join(accept)}, scopes=self._scopes(source),
        )  # fmt: skip

    # --- blobs -------------------------------------------------------------------------------------------------------

    def open_blob(self, descriptor: Descriptor, offset: int = 0, state: State | None = None) -> BinaryIO:
        """Its bytes from ``offset`` on, as they are stored. See :class:`~lamella.registry.download.BlobStream`, which
        verifies and resumes; nobody is asked before the first read."""
        from lamella.registry.download import BlobStream

        before: list[tuple[Source, int]] = []

        def open_at(position: int) -> BaseHTTPResponse:
            if before and before[-1][1] == position:
                self._pass_by(before[-1][0], "sends nothing of a blob")
            headers = {"Range": f"bytes={position}-"} if position else {}
            expected = (200, 206, 416) if position else (200,)

            def ask(source: Source) -> BaseHTTPResponse:
                request = self._blob_request("GET", source, descriptor)
                response = source.server.ask(request._replace(headers=headers, expected=expected))
                before[:] = [(source, position)]
                stream.where = request.where
                return response

            return self._ask_once(ask)

        server = self._sources[-1].server
        stream = BlobStream(
            descriptor, f"{self.name}@{descriptor.digest}", open_at, server.backoff(),
            silence=server.settings.patience.silence, cancelled=server.cancelled, offset=offset, state=state,
        )  # fmt: skip
        return cast(BinaryIO, io.BufferedReader(stream, _BUFFER))

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a push can leave it out."""
        target = self._sources[-1]
        request = self._blob_request("HEAD", target, descriptor)
        # The first that a push asks: who pushes an image has not heard of the digests of its blobs.
        request = request._replace(expected=(200, 404), what="tell which blobs it has", where=self.name)
        response = target.server.ask_until(request)
        target.server.drain(response)
        return response.status == 200

    def mount_blob(self, descriptor: Descriptor, from_repository: str) -> bool:
        """Whether the registry takes it from another of its repositories, a path without the domain."""
        target = self._sources[-1]
        scopes = (*self._scopes(target), f"repository:{from_repository}:pull")
        query = f"mount={quote(descriptor.digest, safe='')}&from={quote(from_repository, safe='')}"
        request = Request(
            "POST", f"/v2/{target.path}/blobs/uploads/?{query}", "mount a blob", _named(target, descriptor.digest),
            headers={"Content-Length": "0"}, expected=(201, 202), scopes=scopes,
        )  # fmt: skip
        try:
            response = target.server.ask_until(request)
        except (NotFound, RegistryError):
            return False  # an upload will say what is the matter, if it is
        target.server.drain(response)
        location = response.headers.get("Location")
        if response.status == 202 and location:  # it began an upload instead
            self._begun[descriptor.digest] = target.server.absolute(location)
        return response.status == 201

    def put_blob(
        self,
        descriptor: Descriptor,
        open_stream: Callable[[], BinaryIO],
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """``open_stream`` opens the blob at its start, again after a cut; ``progress`` is told the bytes sent so
        far, in another thread."""
        from lamella.registry.upload import Upload

        target = self._sources[-1]
        location = self._begun.pop(descriptor.digest, None)
        Upload(
            target.server, target.path, self._scopes(target),
            descriptor=descriptor, open_stream=open_stream, progress=progress, location=location,
        ).run()  # fmt: skip

    def _blob_request(self, method: str, source: Source, descriptor: Descriptor) -> Request:
        url = f"/v2/{source.path}/blobs/{descriptor.digest}"
        return Request(method, url, "show a blob", _named(source, descriptor.digest), scopes=self._scopes(source))

    # --- both --------------------------------------------------------------------------------------------------------

    def _ask_in_turn(self, ask: Callable[[Source], T]) -> T:
        """Of the first source that answers well; the last one is asked with patience."""
        backoff = self._sources[-1].server.backoff()
        while True:
            try:
                return self._ask_once(ask)
            except Failed as failed:
                backoff.wait(failed)

    def _ask_once(self, ask: Callable[[Source], T]) -> T:
        """A mirror that fails is not asked again. Raises Failed of the last source alone."""
        for index in range(self._first, len(self._sources) - 1):
            source = self._sources[index]
            try:
                return ask(source)
            except (Failed, RegistryError, ImageInvalid) as error:
                said = error.error if isinstance(error, Failed) else error
                self._pass_by(source, said.message, said.where)
        return ask(self._sources[-1])

    def _pass_by(self, source: Source, why: str, where: str | None = None) -> None:
        """A mirror is not asked any more; the last source is all there is."""
        index = self._sources.index(source)
        if self._first <= index < len(self._sources) - 1:
            self._first = index + 1
            self._emit(Note("info", f"the mirror {source.server.address.domain}: {why}", where))

    def _scopes(self, source: Source) -> tuple[str, ...]:
        return (f"repository:{source.path}:{'pull,push' if self._push else 'pull'}",)


def _wanted(tag_or_digest: str) -> Digest | None:
    return Digest.parse(tag_or_digest) if ":" in tag_or_digest else None


def _named(source: Source, tag_or_digest: str) -> str:
    return f"{source.name}{'@' if ':' in tag_or_digest else ':'}{tag_or_digest}"

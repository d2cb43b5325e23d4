"""A blob on its way here: a stream that goes on where it was cut, and checks what came.

Source: OCI distribution-spec, "Pulling blobs"; RFC 9110 section 14 (Range).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lamella.errors import ImageInvalid, Interrupted, RegistryError, RegistryUnreachable
from lamella.oci.descriptor import Descriptor
from lamella.registry.answers import number_of
from lamella.registry.failure import BROKEN, Failed, broke_off, stalled
from lamella.registry.retry import Backoff
from lamella.remote.waiting import Pace, stopped_by

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    State = hashlib._Hash

_PIECE = 1 << 18  # bytes
#: bytes; fewer than this are no progress
_NEXT_TO_NOTHING = 1024

#: asks for the blob from a byte on; raises Failed
OpenAt = Callable[[int], "BaseHTTPResponse"]


class BlobStream(io.RawIOBase):
    """The bytes of a blob from ``offset`` on, as they are sent. Reading the last of them raises ImageInvalid where
    the blob is not that of ``descriptor``; ``state`` is the hash of the bytes before ``offset``. Without it, from an
    offset on, only the size is checked."""

    def __init__(
        self,
        descriptor: Descriptor,
        where: str,
        open_at: OpenAt,
        backoff: Backoff,
        *,
        silence: float,
        cancelled: Callable[[], bool],
        offset: int = 0,
        state: State | None = None,
    ) -> None:
        self._descriptor = descriptor
        #: who is asked, for messages
        self.where = where
        self._open_at = open_at
        self._backoff = backoff
        self._silence = silence
        self._cancelled = cancelled
        self._start = self._position = offset
        self._state = hashlib.new(descriptor.digest.algorithm) if not offset and state is None else state
        self._response: BaseHTTPResponse | None = None
        self._ends = ExitStack()
        self._checked = False
        self._pace = Pace(silence)
        self._gained = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._position < self._descriptor.size:
            data = self._next(min(len(buffer), _PIECE))
            buffer[: len(data)] = data
        else:
            data = b""
        if self._position == self._descriptor.size and not self._checked:
            self._check()
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _next(self, limit: int) -> bytes:
        """At least one byte, at most ``limit``."""
        limit = min(limit, self._descriptor.size - self._position)
        while limit:
            try:
                if self._response is None:
                    self._open()
                data = self._read(limit)
            except Failed as failed:
                self._drop()
                self._gained = 0
                self._backoff.wait(failed)
                continue
            self._position += len(data)
            self._gained += len(data)
            if self._gained >= _NEXT_TO_NOTHING:
                self._backoff.progressed(self._gained)
            if self._state is not None:
                self._state.update(data)
            return data
        return b""

    def _read(self, limit: int) -> bytes:
        from urllib3.exceptions import HTTPError

        assert self._response is not None
        try:
            data = self._response.read1(limit, decode_content=False)
        except (HTTPError, OSError) as error:
            self._look()
            raise self._cut(error) from None
        self._look()
        if not data:
            raise self._cut(None)
        if not self._pace.is_kept(len(data)):
            raise stalled(self.where, self._position)
        return data

    def _look(self) -> None:
        if self._cancelled():  # what looks like the end may be that
            raise Interrupted("the download was cancelled")

    def _cut(self, error: Exception | None) -> Failed:
        from urllib3.exceptions import HTTPError

        text = broke_off("", error).error.detail if isinstance(error, (HTTPError, OSError)) else None
        message = f"the registry breaks off after {self._position} of {self._descriptor.size} bytes"
        hint = "try again; if it stays so, the registry or a proxy on the way cuts it"
        cut = RegistryUnreachable(message, where=self.where, detail=text, hint=hint, code="registry-cut")
        return Failed(cut, again=True)

    def _open(self) -> None:
        """From where we are; from the start where the registry does not know better."""
        response = self._open_at(self._position)
        self._response = response
        self._ends.callback(response.close)
        self._ends.enter_context(stopped_by(self._cancelled, response))
        self._pace = Pace(self._silence)
        start = 0
        if response.status == 416:
            size = self._descriptor.size
            raise ImageInvalid(
                f"the registry's blob ends after at most {self._position} of {size} bytes", where=self.where
            )
        if response.status == 206:
            start = _first_byte(response.headers.get("Content-Range", ""))
            if start < 0 or start > self._position:
                raise Failed(RegistryError("the registry sends another part than it was asked for", where=self.where))
        self._skip(self._position - start)

    def _skip(self, count: int) -> None:
        while count:
            count -= len(self._read(min(count, _PIECE)))

    def _drop(self) -> None:
        self._response = None
        self._ends.close()

    def _check(self) -> None:
        self._checked = True
        self._drop()
        if self._state is None:
            return
        digest = self._descriptor.digest
        found = self._state.hexdigest()
        if found != digest.encoded:
            what = f"what an earlier command kept ({self._start} bytes), and " if self._start else ""
            raise ImageInvalid(
                f"{what}what the registry sent has the digest {digest.algorithm}:{found}, not {digest}",
                where=self.where,
                hint=BROKEN,
            )


def _first_byte(content_range: str) -> int:
    """Of ``bytes 5-9/10``; -1 where it is nothing of the kind."""
    unit, _, rest = content_range.strip().partition(" ")
    first = number_of(rest.strip().partition("-")[0])
    return first if unit.lower() == "bytes" and first is not None else -1

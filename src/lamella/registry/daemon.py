"""Images of a Docker or Podman daemon, by its socket: ``docker-daemon:NAME``.

Source: Docker Engine API, "Export an image" (``GET /images/NAME/get``) and "Import images" (``POST /images/load``);
Podman answers the same paths. Both speak the archive of ``docker save``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from lamella.errors import InputError, MachineError, NotFound
from lamella.layer.names import plain
from lamella.oci.reference import parse_reference
from lamella.registry.socket import Daemon, find_daemon, open_pool
from lamella.store.dockerarchive import archive_source
from lamella.store.locate import LocatedImage, choose
from lamella.store.save import Saved, docker_archive_chunks
from lamella.store.store import Store

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

#: seconds; a daemon packs the whole image before it sends the first byte, and unpacks it before it answers
_PATIENCE = Timeout(900)
_LONGEST_ANSWER = 1 << 16
_ID_DIGITS = frozenset("0123456789abcdef")


def open_daemon_image(name: str, store: Store) -> LocatedImage:
    """The image ``name`` (or an ID, or a prefix of one) of the daemon, copied to a nameless temporary file of the store
    until it is closed. Raises NotFound, InputError, ImageInvalid, MachineError."""
    daemon = find_daemon()
    where = f"docker-daemon:{name}"
    *others, last = _paths(name)
    for path in (*others, last):
        with _asked(daemon, "GET", f"/images/{path}/get") as answer:
            if answer.status == 404 and path != last:
                continue
            if answer.status != 200:
                raise _refusal(answer, daemon, where)
            source = archive_source(cast(BinaryIO, _Body(answer, daemon)), where, store.temporary_path(".tar"))
        break
    return choose(where, source, None, where)


def load_images(store: Store, images: Sequence[Saved]) -> None:
    """Gives the images, under their names, to the daemon. Raises NotFound and StoreDamaged for blobs, InputError where
    the daemon refuses them, MachineError where it does not answer."""
    daemon = find_daemon()
    headers = {"Content-Type": "application/x-tar"}
    with (
        docker_archive_chunks(store, images) as chunks,
        _asked(daemon, "POST", "/images/load?quiet=1", body=chunks, headers=headers) as answer,
    ):
        if answer.status != 200:
            raise _refusal(answer, daemon, "docker-daemon:")
        # It has answered 200 before it has looked at anything: what went wrong stands in the messages that follow.
        for line in _Body(answer, daemon).read(_LONGEST_ANSWER).splitlines():
            if problem := _json(line).get("error"):
                raise InputError(f"the daemon did not take the images: {plain(str(problem))}", where=daemon.address)


def _paths(name: str) -> list[str]:
    """What ``name`` may be called in a path: a name with its tag (of a name alone Docker gives every tag), else an ID.
    Raises ReferenceError_ for what is neither."""
    digits = name.removeprefix("sha256:")
    is_id = 2 <= len(digits) <= 64 and _ID_DIGITS.issuperset(digits)
    names = [] if is_id and digits != name else [parse_reference(name).familiar]
    return [quote(each, safe="/:@") for each in (*names, *([name] if is_id else []))]


@contextmanager
def _asked(daemon: Daemon, method: str, path: str, **more: Any) -> Iterator[BaseHTTPResponse]:
    pool = open_pool(daemon)
    try:
        answer = pool.urlopen(
            method, path, timeout=_PATIENCE, retries=False, redirect=False, preload_content=False, **more
        )
        try:
            yield answer
        finally:
            answer.close()
    except (HTTPError, OSError) as error:
        raise daemon.failed(error) from None
    finally:
        pool.close()


class _Body:
    """What a daemon sends, as a stream."""

    def __init__(self, answer: BaseHTTPResponse, daemon: Daemon) -> None:
        self._answer, self._daemon = answer, daemon

    def read(self, size: int = -1) -> bytes:
        try:
            return self._answer.read(size if size >= 0 else None)
        except (HTTPError, OSError) as error:
            raise self._daemon.failed(error) from None

    def close(self) -> None:
        self._answer.close()


def _refusal(answer: BaseHTTPResponse, daemon: Daemon, where: str) -> InputError | MachineError:
    said = plain(str(_json(_Body(answer, daemon).read(_LONGEST_ANSWER)).get("message") or f"status {answer.status}"))
    if answer.status == 404:
        return NotFound(f"the daemon at {daemon.address} has no such image", where=where, detail=said)
    if answer.status < 500:
        return InputError(f"the daemon refuses: {said}", where=where)
    return MachineError(f"the daemon at {daemon.address} fails: {said}", where=where, code="daemon")


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

"""Manifests over the wire: what is asked for, how much is read, and what it has to be.

Source: OCI distribution-spec, "Pulling manifests" and "Pushing manifests".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lamella.errors import ImageInvalid, NotSupported
from lamella.oci.digest import Digest
from lamella.oci.mediatype import DOCKER_INDEX, DOCKER_MANIFEST, INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST
from lamella.registry.answers import read_body
from lamella.registry.failure import BROKEN, Failed, broke_off
from lamella.remote.waiting import never

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

#: what is understood, in the order of preference
ALL = (OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)
#: bytes; the bound that registries have, too
MAX_SIZE = 4 << 20


class Fetched(NamedTuple):
    """A manifest or an index, its bytes as they came."""

    raw: bytes
    media_type: str
    digest: Digest


def read_manifest(
    response: BaseHTTPResponse, where: str, wanted: Digest | None, cancelled: Callable[[], bool] = never
) -> Fetched:
    """Verified against ``wanted``, and against the digest that the registry names. Raises Failed where it may go better
    next time, ImageInvalid, NotSupported, Interrupted."""
    from urllib3.exceptions import HTTPError

    try:
        raw = read_body(response, MAX_SIZE + 1, cancelled)
    except (HTTPError, OSError) as error:
        raise broke_off(where, error) from None
    if len(raw) > MAX_SIZE:
        raise ImageInvalid(f"the manifest is larger than {MAX_SIZE} bytes", where=where)
    said = response.headers.get("Docker-Content-Digest", "")
    named = digest_of(said)
    for digest in [each for each in (wanted, named) if each is not None]:
        found = digest_like(digest, raw)
        if found != digest:
            message = f"the manifest that the registry sent has the digest {found}, not {digest}"
            raise Failed(ImageInvalid(message, where=where, hint=BROKEN), again=True)
    return Fetched(raw, _media_type(response.headers.get("Content-Type", ""), raw, where), wanted or Digest.of(raw))


def digest_like(other: Digest, raw: bytes) -> Digest:
    """Of ``raw``, by the algorithm of ``other``."""
    return Digest(f"{other.algorithm}:{hashlib.new(other.algorithm, raw).hexdigest()}")


def digest_of(said: str) -> Digest | None:
    """Of a header; None where it is none that is known here."""
    try:
        return Digest.parse(said)
    except ImageInvalid:
        return None


def _media_type(header: str, raw: bytes, where: str) -> str:
    """The header's and the content's own have to agree, where both know it: else the same bytes would be two things."""
    said = header.partition(";")[0].strip().lower()
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise Failed(
            ImageInvalid("the manifest that the registry sent is no JSON", where=where, hint=BROKEN), again=True
        ) from None
    own = data.get("mediaType") if isinstance(data, dict) else None
    if "v1+" in said and "docker.distribution.manifest" in said:
        raise NotSupported("the image has Docker's first kind of manifest, which nobody writes any more", where=where,
                           hint="push it again with a current tool")  # fmt: skip
    known = MANIFESTS | INDEXES
    if said in known and own in known and own != said:
        raise ImageInvalid(f"the registry calls the manifest {said}, and itself it says {own}", where=where)
    if said in known or not isinstance(own, str):
        return said
    return own

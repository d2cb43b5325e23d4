"""Image manifests and indexes. The raw bytes stay beside the parsed form: a digest never changes by accident.

Source: OCI image-spec manifest.md, image-index.md; Docker image manifest v2 schema 2 and manifest list.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from lamella.errors import ImageInvalid
from lamella.oci import mediatype
from lamella.oci.descriptor import Annotations, Descriptor, annotations_from_json, descriptor_from_json
from lamella.oci.digest import Digest

#: may be half of a character, which no JSON can be made of again
_LONE = re.compile(rb"\\u[dD][89a-fA-F]")


class Manifest(NamedTuple):
    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Annotations = ()

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))


class Index(NamedTuple):
    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Annotations = ()

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))


def canonical_json(data: object) -> bytes:
    """JSON as it is stored: compact, UTF-8, keys in the order given."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def make_manifest(config: Descriptor, layers: tuple[Descriptor, ...], annotations: Annotations = ()) -> Manifest:
    """An OCI image manifest with its bytes."""
    data: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    if annotations:
        data["annotations"] = dict(annotations)
    return Manifest(canonical_json(data), mediatype.OCI_MANIFEST, config, layers, annotations)


def make_index(manifests: tuple[Descriptor, ...]) -> Index:
    """An OCI image index with its bytes; the descriptors should tell their platforms."""
    data = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": [manifest.to_json() for manifest in manifests],
    }
    return Index(canonical_json(data), mediatype.OCI_INDEX, manifests)


def parse_manifest(raw: bytes, where: str) -> Manifest:
    """Raises ImageInvalid, naming ``where``."""
    data = parse_json_object(raw, where)
    if data.get("schemaVersion") == 1:
        raise ImageInvalid("Docker's old manifest schema 1 is not supported", where=where)
    media_type = _media_type(data, mediatype.OCI_MANIFEST)
    layers = data.get("layers")
    if media_type not in mediatype.MANIFESTS or not isinstance(layers, list) or "config" not in data:
        raise ImageInvalid(f"not an image manifest (media type {media_type!r})", where=where)
    return Manifest(
        raw,
        media_type,
        descriptor_from_json(data["config"], where),
        tuple(descriptor_from_json(layer, where) for layer in layers),
        annotations_from_json(data.get("annotations"), where),
    )


def parse_index(raw: bytes, where: str) -> Index:
    """Raises ImageInvalid, naming ``where``."""
    data = parse_json_object(raw, where)
    media_type = _media_type(data, mediatype.OCI_INDEX)
    manifests = data.get("manifests")
    if media_type not in mediatype.INDEXES or not isinstance(manifests, list):
        raise ImageInvalid(f"not an image index (media type {media_type!r})", where=where)
    return Index(
        raw,
        media_type,
        tuple(descriptor_from_json(entry, where) for entry in manifests),
        annotations_from_json(data.get("annotations"), where),
    )


def is_image(entry: Descriptor) -> bool:
    """Whether an entry of an index may be an image that runs: what BuildKit attests of one stands beside it as a
    manifest for the platform ``unknown/unknown``."""
    if entry.media_type not in mediatype.MANIFESTS | mediatype.INDEXES:
        return False
    return entry.platform is None or "unknown" not in (entry.platform.os, entry.platform.architecture)


def parse_json_object(raw: bytes, where: str) -> dict[str, Any]:
    """Raises ImageInvalid when ``raw`` is not one JSON object."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ImageInvalid(f"not valid JSON ({error})", where=where) from None
    if not isinstance(data, dict):
        raise ImageInvalid("not a JSON object", where=where)
    if _LONE.search(raw):
        try:
            canonical_json(data)
        except (ValueError, RecursionError):
            raise ImageInvalid("its text holds half a character (a lone surrogate)", where=where) from None
    return data


def _media_type(data: dict[str, Any], default: str) -> str:
    found = data.get("mediaType")
    if isinstance(found, str) and found:
        return found
    return mediatype.OCI_INDEX if "manifests" in data else default

"""Descriptors: what a manifest or an index says of a blob. Source: OCI image-spec descriptor.md."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamella.errors import ImageInvalid
from lamella.oci.digest import Digest
from lamella.oci.platform import Platform, normalize_platform

Annotations = tuple[tuple[str, str], ...]

#: annotation that names an image inside an OCI layout
REF_NAME = "org.opencontainers.image.ref.name"


class Descriptor(NamedTuple):
    """``size`` is in bytes, of the stored form."""

    media_type: str
    digest: Digest
    size: int
    annotations: Annotations = ()
    platform: Platform | None = None
    urls: tuple[str, ...] = ()

    def annotation(self, key: str) -> str | None:
        return dict(self.annotations).get(key)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            data["urls"] = list(self.urls)
        if self.annotations:
            data["annotations"] = dict(self.annotations)
        if self.platform is not None:
            data["platform"] = {"architecture": self.platform.architecture, "os": self.platform.os}
            if self.platform.variant:
                data["platform"]["variant"] = self.platform.variant
        return data


def descriptor_from_json(data: object, where: str) -> Descriptor:
    """Raises ImageInvalid, naming ``where`` (the blob that holds the descriptor)."""
    if not isinstance(data, dict):
        raise ImageInvalid("a descriptor is not a JSON object", where=where)
    media_type, size = data.get("mediaType", ""), data.get("size")
    if not isinstance(media_type, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ImageInvalid("a descriptor lacks its media type or a valid size", where=where)
    platform = data.get("platform")
    return Descriptor(
        media_type,
        Digest.parse(data.get("digest")),
        size,
        annotations_from_json(data.get("annotations"), where),
        _platform(platform) if isinstance(platform, dict) else None,
        tuple(str(url) for url in data.get("urls") or ()),
    )


def annotations_from_json(data: object, where: str) -> Annotations:
    if data is None:
        return ()
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise ImageInvalid("annotations are not a map of strings", where=where)
    return tuple(data.items())


def _platform(data: dict[str, Any]) -> Platform:
    return normalize_platform(
        str(data.get("os") or "linux"),
        str(data.get("architecture") or "unknown"),
        str(data.get("variant") or ""),
    )

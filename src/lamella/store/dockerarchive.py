"""Archives of ``docker save``: ``manifest.json`` names a config and uncompressed layers for each image.

Since Docker 25 such an archive is an OCI layout too; then that is read, for it says the digests. The older form has
no manifests, so one is made here: for an uncompressed layer the diff ID is the digest, a compressed one is read once.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, BinaryIO

from lamella.errors import ImageInvalid, LamellaError, NotFound
from lamella.layer.decoders import detect_compression
from lamella.oci import mediatype
from lamella.oci.config import parse_config
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import Image
from lamella.oci.manifest import make_manifest
from lamella.store.blobs import SMALL
from lamella.store.layout import normal_name
from lamella.store.source import ImageSource, LayoutSource, NamedImage, read_small
from lamella.store.tarmembers import Member, TarMembers
from lamella.store.verified import verified


def archive_source(stream: BinaryIO, where: str, temporary: str) -> ImageSource:
    """An archive of either kind, compressed or not; ``temporary`` as for TarMembers. Raises ImageInvalid."""
    members = TarMembers(stream, where, temporary)
    try:
        listing = _listing(members) if members.find("manifest.json") else []
        if members.find("index.json") is not None and members.find("oci-layout") is not None:

            def open_file(path: str) -> Any:
                member = members.find(path)
                return members.open(member) if member is not None else None

            return LayoutSource(where, open_file, members.close, _names_by_config(members, listing))
        if not members.find("manifest.json"):
            raise ImageInvalid(
                "neither an archive of images nor an OCI layout",
                where=where,
                hint="`lamella import` makes an image of a root file system's archive",
            )
        return DockerSource(members, listing)
    except BaseException:
        members.close()
        raise


class DockerSource:
    """The older form. Blobs are found by digest once ``images`` was asked."""

    def __init__(self, members: TarMembers, listing: list[dict[str, Any]]) -> None:
        self._members = members
        self._listing = listing
        self._found: dict[Digest, Member] = {}
        self._made: dict[Digest, NamedImage] = {}

    def images(self) -> list[NamedImage]:
        if not self._made:
            for item in self._listing:
                made = self._image(item)
                before = self._made.get(made.image.manifest.digest, NamedImage((), made.image))
                self._made[made.image.manifest.digest] = made._replace(names=before.names + made.names)
        return list(self._made.values())

    def open_blob(self, descriptor: Descriptor) -> BinaryIO:
        self.images()
        member = self._found.get(descriptor.digest)
        if member is None:
            raise NotFound(f"{self._members.where} does not hold this blob", where=str(descriptor.digest))
        return verified(self._members.open(member), descriptor, ImageInvalid)

    def read_blob(self, descriptor: Descriptor) -> bytes:
        return read_small(self, descriptor)

    def close(self) -> None:
        self._members.close()

    def _image(self, item: dict[str, Any]) -> NamedImage:
        path = item["Config"]
        raw = self._members.read(path, SMALL)
        config = parse_config(raw, f"{self._members.where}: {path}")
        described = Descriptor(mediatype.OCI_CONFIG, Digest.of(raw), len(raw))
        self._found[described.digest] = _there(self._members, path)
        if len(item["Layers"]) != len(config.diff_ids):
            raise ImageInvalid(
                f"manifest.json lists {len(item['Layers'])} layers, the config {len(config.diff_ids)}",
                where=f"{self._members.where}: {path}",
            )
        layers = tuple(map(self._layer, item["Layers"], config.diff_ids))
        return NamedImage(_tags(item), Image(make_manifest(described, layers), config))

    def _layer(self, path: str, diff_id: DiffID) -> Descriptor:
        member = _there(self._members, path)
        with self._members.open(member) as stream:
            compression = detect_compression(stream.read(6) or b"")
        digest = Digest(diff_id)
        if compression in ("gzip", "zstd"):
            with self._members.open(member) as stream:
                state = hashlib.sha256()
                while chunk := stream.read(1 << 20):
                    state.update(chunk)
            digest = Digest("sha256:" + state.hexdigest())
        elif compression != "none":
            raise ImageInvalid(f"a layer is compressed by {compression}", where=f"{self._members.where}: {path}")
        self._found[digest] = member
        return Descriptor(mediatype.layer_media_type(compression), digest, member.size)


def _listing(members: TarMembers) -> list[dict[str, Any]]:
    where = f"{members.where}: manifest.json"
    try:
        data = json.loads(members.read("manifest.json", SMALL))
    except (ValueError, RecursionError) as error:
        raise ImageInvalid(f"not valid JSON ({error})", where=where) from None
    if not isinstance(data, list) or not all(map(_is_item, data)):
        raise ImageInvalid("not a list of images with Config and Layers", where=where)
    return data


def _is_item(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    layers, tags = item.get("Layers") or [], item.get("RepoTags") or []
    item["Layers"], item["RepoTags"] = layers, tags
    lists = isinstance(layers, list) and isinstance(tags, list)
    return lists and isinstance(item.get("Config"), str) and all(isinstance(text, str) for text in (*layers, *tags))


def _names_by_config(members: TarMembers, listing: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Digest of a config → the names manifest.json has for it."""
    found: dict[str, tuple[str, ...]] = {}
    for item in listing:
        if members.find(item["Config"]) is not None:
            digest = Digest.of(members.read(item["Config"], SMALL))
            found[digest] = found.get(digest, ()) + _tags(item)
    return found


def _tags(item: dict[str, Any]) -> tuple[str, ...]:
    names = []
    for tag in item["RepoTags"]:
        try:
            names.append(normal_name(tag))
        except LamellaError:
            continue
    return tuple(dict.fromkeys(names))


def _there(members: TarMembers, path: str) -> Member:
    member = members.find(path)
    if member is None:
        raise ImageInvalid(f"the archive has no {path}, which manifest.json names", where=members.where)
    return member

"""What a reference leads to in a registry: a manifest, or an index and the manifest for a platform; then the config.

Schema 1 manifests, foreign layers and layers of unknown kinds are refused with one error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamella.errors import ImageInvalid, NotFound, NotSupported
from lamella.layer.limits import MAX_LAYERS
from lamella.layer.names import plain
from lamella.oci import mediatype
from lamella.oci.config import parse_config
from lamella.oci.descriptor import Descriptor
from lamella.oci.image import Image
from lamella.oci.manifest import Index, Manifest, is_image, parse_index, parse_manifest
from lamella.oci.platform import Platform, best_match
from lamella.oci.reference import Reference
from lamella.store.blobs import SMALL
from lamella.store.mirror import check_layer_count, host_platform

if TYPE_CHECKING:
    from lamella.registry.client import Repository
    from lamella.registry.manifests import Fetched

_DEPTH = 3  # indexes in indexes


class RemoteImage(NamedTuple):
    """``root`` is what the reference itself names, ``many`` that where it is an index; ``manifest`` was chosen
    from it."""

    root: Descriptor
    many: Index | None
    manifest: Manifest


def find_image(repository: Repository, reference: Reference, platform: Platform | None) -> RemoteImage:
    """``platform`` None is this machine's. Raises NotFound with the platforms that there are, ImageInvalid,
    NotSupported, RegistryError."""
    fetched = repository.get_manifest(_name(reference))
    root = Descriptor(fetched.media_type, fetched.digest, len(fetched.raw))
    if not _is_index(fetched):
        return RemoteImage(root, None, _manifest(fetched))
    index = first = parse_index(fetched.raw, str(fetched.digest))
    for _ in range(_DEPTH):
        chosen = choose(index, platform or host_platform(), reference.familiar)
        fetched = fetch_entry(repository, chosen)
        if not _is_index(fetched):
            return RemoteImage(root, first, _manifest(fetched))
        index = parse_index(fetched.raw, str(fetched.digest))
    raise ImageInvalid("an index of indexes of indexes is no image", where=str(root.digest))


def fetch_entry(repository: Repository, entry: Descriptor) -> Fetched:
    """What an entry of an index names. Raises ImageInvalid where it is of another size than the index says."""
    fetched = repository.get_manifest(entry.digest)
    if len(fetched.raw) != entry.size:
        raise ImageInvalid(
            f"the manifest has {len(fetched.raw)} bytes, the index that names it says {entry.size}",
            where=f"{repository.name}@{entry.digest}",
        )
    return fetched


def choose(index: Index, platform: Platform, name: str) -> Descriptor:
    """The entry to take for ``platform``. Raises NotFound."""
    offered = [entry for entry in index.manifests if is_image(entry)]
    best = best_match([entry.platform for entry in offered if entry.platform is not None], platform)
    for entry in offered:
        if entry.platform == best or (entry.platform is None and best is None):
            return entry
    listed = plain(", ".join(dict.fromkeys(str(entry.platform) for entry in offered))) or "no platform at all"
    raise NotFound(
        f"the registry has {name} for {listed}, not for {platform}",
        where=str(index.digest),
        hint="name one of these with --platform",
        code="missing-platform",
    )


def fetch_config(repository: Repository, manifest: Manifest) -> Image:
    """The image with its config. Raises ImageInvalid, NotSupported."""
    check_count(manifest)
    for layer in manifest.layers:
        _check_layer(layer, manifest)
    image = Image(manifest, parse_config(fetch_small(repository, manifest.config), str(manifest.config.digest)))
    check_layer_count(image)
    return image


def check_count(manifest: Manifest) -> None:
    """Before anything is asked for. Raises ImageInvalid."""
    if len(manifest.layers) > MAX_LAYERS:
        raise ImageInvalid(
            f"it has {len(manifest.layers)} layers, more than the {MAX_LAYERS} that anything can run",
            where=str(manifest.digest),
        )


def fetch_small(repository: Repository, descriptor: Descriptor) -> bytes:
    """A blob that is read whole: a config. Raises ImageInvalid over 4 MiB."""
    if descriptor.size > SMALL:
        raise ImageInvalid(f"a config of {descriptor.size} bytes is none", where=str(descriptor.digest))
    with repository.open_blob(descriptor) as stream:
        parts = []
        while data := stream.read(SMALL):
            parts.append(data)
    return b"".join(parts)


def _check_layer(layer: Descriptor, manifest: Manifest) -> None:
    kind = plain(layer.media_type) or "nothing"
    if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
        raise NotSupported(
            f"the layer {layer.digest.short} is not in the registry, but somewhere else (a foreign layer)",
            where=str(manifest.digest),
            hint="images with such layers, of Windows, are not taken",
        )
    if mediatype.compression_of(layer.media_type) is None:
        raise NotSupported(
            f"{kind!r} is no kind of layer that is known",
            where=str(manifest.digest),
            hint="it may be no container image, but something else that registries keep, or an encrypted one",
        )


def _name(reference: Reference) -> str:
    if reference.digest is not None:
        return str(reference.digest)
    assert reference.tag is not None
    return reference.tag


def _is_index(fetched: Fetched) -> bool:
    if fetched.media_type in mediatype.INDEXES:
        return True
    return fetched.media_type not in mediatype.MANIFESTS and b'"manifests"' in fetched.raw


def _manifest(fetched: Fetched) -> Manifest:
    return parse_manifest(fetched.raw, str(fetched.digest))

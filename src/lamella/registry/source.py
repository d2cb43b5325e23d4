"""``docker://REFERENCE``: an image read where it lies in a registry, without putting it into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamella.oci.descriptor import Descriptor
from lamella.oci.platform import Platform
from lamella.oci.reference import parse_reference
from lamella.registry.client import open_repository
from lamella.registry.remote_image import fetch_config, fetch_small, find_image
from lamella.registry.settings import RegistrySettings, read_settings
from lamella.store.locate import LocatedImage

if TYPE_CHECKING:
    from lamella.registry.client import Repository


class RegistrySource:
    """Implements ``lamella.oci.image.BlobSource``. ``home`` is the repository, with its registry."""

    def __init__(self, repository: Repository, home: str) -> None:
        self._repository = repository
        self.home = home

    def open_blob(self, descriptor: Descriptor) -> BinaryIO:
        return self._repository.open_blob(descriptor)

    def read_blob(self, descriptor: Descriptor) -> bytes:
        return fetch_small(self._repository, descriptor)


def open_registry_image(
    text: str, settings: RegistrySettings | None = None, platform: Platform | None = None
) -> LocatedImage:
    """``text`` is a reference. Manifest and config are fetched; layers when somebody reads them. Raises
    ReferenceError_, NotFound, ImageInvalid, NotSupported, RegistryError."""
    reference = parse_reference(text.removeprefix("//"))
    repository = open_repository(reference, read_settings() if settings is None else settings)
    remote = find_image(repository, reference, platform)
    image = fetch_config(repository, remote.manifest)
    source = RegistrySource(repository, f"{reference.domain}/{reference.repository}")
    names = (reference._replace(digest=None).familiar,) if reference.tag is not None else ()
    root = remote.root.digest if remote.many is not None else None
    return LocatedImage(f"docker://{reference.familiar}", names, image, source, lambda: None, root)

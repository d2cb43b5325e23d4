"""What an IMAGE argument means: a name in the store, an ID prefix, an OCI layout, an archive."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from lamella.errors import ImageInvalid, InputError, LamellaError, NotFound, NotSupported
from lamella.oci.descriptor import REF_NAME
from lamella.oci.digest import Digest
from lamella.oci.image import BlobSource, Image
from lamella.oci.platform import Platform
from lamella.store.layout import IndexEntry, normal_name
from lamella.store.store import Store

if TYPE_CHECKING:  # an image of the store needs none of it
    from lamella.store.source import ImageSource, LayoutSource, NamedImage

_ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst")


class LocatedImage(NamedTuple):
    """An image and where its blobs are read from. ``label`` is what the user called it; ``root`` the digest of the
    index that led to it, where one did. Close it after use."""

    label: str
    names: tuple[str, ...]
    image: Image
    blobs: BlobSource
    close: Callable[[], None]
    root: Digest | None = None

    @property
    def home(self) -> str | None:
        """The repository, with its registry, that the blobs are fetched from; None where they lie on this machine."""
        return getattr(self.blobs, "home", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_image(text: str, store: Store, platform: Platform | None = None) -> LocatedImage:
    """Opens ``NAME``, ``NAME@DIGEST``, an ID prefix, ``oci:DIR[:NAME]``, ``oci-archive:FILE[:NAME]``,
    ``docker-archive:FILE[:NAME]``, or the path of an archive whose name ends in ``.tar`` (or .tar.gz, .tgz, .tar.zst).

    What is not on this disk, ``docker://`` and ``docker-daemon:``, is opened by ``lamella.registry.locate`` and
    NotSupported here. Raises NotFound, InputError, ImageInvalid."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme in ("docker", "docker-daemon"):
        raise NotSupported(
            f"images are not read from {'a registry' if scheme == 'docker' else 'a Docker daemon'} here",
            where=text,
            hint="save it to a file there (`docker save -o image.tar NAME`, or skopeo copy), and name that file",
        )
    if colon and scheme == "oci":
        return _from_folder(text, rest)
    if colon and scheme in ("oci-archive", "docker-archive"):
        return _from_archive(text, rest, store)
    if text.endswith(_ARCHIVE_SUFFIXES) and os.path.isfile(text):
        return _from_archive(text, text, store)
    try:
        stored = store.images.resolve(text, platform)
    except NotFound as error:
        if os.path.isfile(text):
            error.hint = f"to read the file of that name write docker-archive:{text}"
        elif os.path.isfile(f"{text}/oci-layout"):
            error.hint = f"to read the image layout in the folder of that name write oci:{text}"
        raise
    root = stored.root.digest if stored.root.digest != stored.descriptor.digest else None
    return LocatedImage(text, stored.names, stored.image, store.blobs, lambda: None, root)


def open_layout(text: str, platform: Platform) -> tuple[LayoutSource, Image]:
    """``DIR[:TAG][@DIGEST]`` as ``--build-context NAME=oci-layout://…`` takes it: the image of an OCI layout for this
    platform. Without tag and digest it is ``latest``, or the only one. Raises InputError, NotFound, ImageInvalid."""
    rest, _, digest = text.partition("@")
    folder, tag = split_path(rest, os.path.isdir)
    if not os.path.isdir(folder):
        raise InputError("there is no such folder", where=folder or text)
    from lamella.store.source import folder_source

    source = folder_source(folder, platform)
    entries = source.entries()
    if digest:
        fitting = [entry for entry in entries if entry.descriptor.digest == digest]
    else:
        fitting = [entry for entry in entries if _is_tagged(entry, tag or "latest")]
        if not fitting and tag is None and len(entries) == 1:
            fitting = list(entries)
    if not fitting:
        listed = ", ".join(entry.name or str(entry.descriptor.digest) for entry in entries) or "nothing"
        raise NotFound(f"the layout holds no {digest or tag or 'latest'}, but {listed}", where=folder)
    return source, source.image(fitting[0].descriptor)


def _is_tagged(entry: IndexEntry, tag: str) -> bool:
    """The annotation may be a bare tag, as the specification has it, or a whole name."""
    from lamella.store.source import CONTAINERD_NAME

    names = {name for key, name in entry.descriptor.annotations if key in (REF_NAME, CONTAINERD_NAME)}
    return any(name == tag or name.rpartition("/")[2].endswith(f":{tag}") for name in names) or entry.name == tag


def _from_folder(text: str, rest: str) -> LocatedImage:
    folder, name = split_path(rest, os.path.isdir)
    if not os.path.isdir(folder):
        raise InputError("there is no such folder", where=folder or text)
    from lamella.store.source import folder_source

    return choose(text, folder_source(folder), name, folder)


def _from_archive(text: str, rest: str, store: Store) -> LocatedImage:
    path, name = split_path(rest, os.path.isfile)
    from lamella.store.load import open_archive

    return choose(text, open_archive(path, store.temporary_path(".tar")), name, path)


def split_path(rest: str, exists: Callable[[str], bool]) -> tuple[str, str | None]:
    """Path and name, at the first colon that leaves an existing path; paths may hold colons too."""
    if exists(rest):
        return rest, None
    position = rest.find(":")
    while position >= 0:
        if exists(rest[:position]):
            return rest[:position], rest[position + 1 :] or None
        position = rest.find(":", position + 1)
    path, _, name = rest.partition(":")
    return path, name or None


def choose(text: str, source: ImageSource, name: str | None, where: str) -> LocatedImage:
    """The image called ``name`` of a source, or its only one; the source is closed with it, or on an error. ``text`` is
    what the user wrote, ``where`` names the source in errors. Raises NotFound, InputError, ImageInvalid."""
    try:
        named = _one(source.images(), name, where)
    except BaseException:
        source.close()
        raise
    return LocatedImage(text, named.names, named.image, source, source.close)


def _one(images: list[NamedImage], name: str | None, where: str) -> NamedImage:
    listed = ", ".join(names[0] if (names := each.names) else each.image.config.image_id.short for each in images)
    if not images:
        raise ImageInvalid("it holds no image", where=where)
    if name is None:
        if len(images) > 1:
            raise InputError(
                f"it holds {len(images)} images: {listed}",
                where=where,
                hint=f"write the name of one behind it: {where}:NAME",
            )
        return images[0]
    for each in images:
        if _normal(name) in each.names or (len(name) >= 4 and each.image.config.image_id.encoded.startswith(name)):
            return each
    raise NotFound(f"it holds no image {name!r}, but {listed}", where=where)


def _normal(name: str) -> str:
    try:
        return normal_name(name)
    except LamellaError:
        return name

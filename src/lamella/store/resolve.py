"""What a user's words for an image mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamella.errors import InputError, LamellaError, NotFound, StoreDamaged
from lamella.oci.digest import Digest
from lamella.oci.platform import Platform
from lamella.oci.reference import parse_reference
from lamella.store.layout import normal_name, split_name

if TYPE_CHECKING:
    from lamella.store.images import ImageTable
    from lamella.store.mirror import StoredImage

_ALIKE = 0.6  # difflib's own measure
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{2,64})")


def resolve_image(table: ImageTable, text: str, platform: Platform | None) -> StoredImage:
    """A name wins over an ID prefix, as in Docker. See ``ImageTable.resolve``."""
    image = _by_name(table, text) or _by_digest(table, text) or _by_id(table, text)
    if image is None:
        _refuse_broken(table, text)
        raise not_found(table, text)
    return image if platform is None else table.at_platform(image, platform)


def not_found(table: ImageTable, text: str) -> NotFound:
    """The error for an image that is not there, with the nearest name as a hint."""
    names = [name for image in table.list() for name in image.names]
    said = normal_name(text).removesuffix(":latest")
    same = [name for name in names if name.rpartition(":")[0] == said.rpartition(":")[0] or name.startswith(said + ":")]
    near = same or _near(said, names)
    hint = f"did you mean {near[0]}?" if near else "`lamella image ls` shows what there is"
    return NotFound(f"the store has no image {text!r}", hint=hint)


def _near(said: str, names: list[str]) -> list[str]:
    """The name most like ``said``, if any. The registry and the folders that two names share make them long, not alike:
    what stands behind the last slash has to be alike, too."""
    import difflib

    def end(name: str) -> str:
        return split_name(name)[0].rpartition("/")[2]

    short = {name.removesuffix(":latest"): name for name in names}
    alike = [name for name in short if difflib.SequenceMatcher(None, end(said), end(name)).ratio() >= _ALIKE]
    return [short[each] for each in difflib.get_close_matches(said, alike, n=1, cutoff=_ALIKE)]


def _by_name(table: ImageTable, text: str) -> StoredImage | None:
    name, at, digest = text.partition("@")
    if not at:
        return table.named(normal_name(text))
    wanted = Digest.parse(digest)
    reference = parse_reference(name)
    pinned = table.named(f"{reference.familiar_repository}@{wanted}")
    if pinned is not None:
        return pinned
    image = table.named(reference.familiar)
    if image is not None and wanted in (image.descriptor.digest, image.root.digest):
        return image
    # name@digest: the digest decides; the name has to be one of that image's repositories
    found = _by_digest(table, digest)
    if found is not None and reference.familiar_repository in {split_name(other)[0] for other in found.names}:
        return found
    here = table.origins.image(f"{reference.domain}/{reference.repository}", wanted)
    return _by_digest(table, here) if here is not None else None


def _by_digest(table: ImageTable, text: str) -> StoredImage | None:
    if not text.startswith("sha256:") or len(text) != 71:
        return None
    images = table.list()
    for image in images:
        if text in (image.descriptor.digest, image.root.digest):
            return image
    return next((image for image in images if text == image.image_id), None)


def _by_id(table: ImageTable, text: str) -> StoredImage | None:
    match = _ID.fullmatch(text)
    found = table.with_id_prefix(match[1]) if match else []
    if len(found) > 1:
        listed = ", ".join(f"{image.image_id.short} ({(image.names or ('<none>',))[0]})" for image in found[:5])
        raise InputError(
            f"the ID prefix {text!r} fits {len(found)} images: {listed}",
            hint="write more digits of the one you mean",
            code="ambiguous",
        )
    return found[0] if found else None


def _refuse_broken(table: ImageTable, text: str) -> None:
    try:
        name = normal_name(text)
    except LamellaError:
        return
    for broken in table.broken():
        if broken.name == name or broken.digest == text:
            raise StoreDamaged(
                f"the image {text} cannot be read: {broken.problem}",
                where=str(broken.digest),
                hint="pull, load or build it again; `lamella image verify` lists all that is damaged",
            )

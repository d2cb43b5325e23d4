"""What a stage stands on: an image of the store, another stage, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamella.build.fetching import Images
from lamella.build.layering import MadeLayer
from lamella.build.level import Level
from lamella.errors import ImageInvalid, LamellaError, NotFound
from lamella.oci.config import HistoryEntry
from lamella.oci.image import Image
from lamella.oci.platform import Platform
from lamella.plan.stage import StageState, Warning_

Warn = Callable[[Warning_], None]


class Base(NamedTuple):
    """``state`` is None for scratch. ``image`` is what the stage stands on, at first or second hand. ``made`` are the
    layers above that one, made by the stages below; ``shared`` says that another stage stands on those too."""

    level: Level | None
    state: StageState | None
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    image: Image | None = None
    made: tuple[MadeLayer, ...] = ()
    shared: bool = False


def open_image(source: Images, reference: str, where: str, platform: Platform, warn: Warn) -> Image:
    """An image of the local store, fetched into it where that may be, for ``platform`` where it comes for several; one
    that comes for another alone is taken, and ``warn`` told. Raises NotFound with ``where`` and what can be done, and
    what fetching raises."""
    source.bring(reference, platform, where)
    images = source.store.images
    try:
        stored = images.resolve(reference)
    except NotFound as error:
        raise NotFound(
            f"the base image {reference!r} is not in the local store",
            where=where,
            detail=error.hint,
            hint=f"image names are lower case: {reference.lower()}"
            if reference.partition(":")[0] != reference.partition(":")[0].lower()
            else f"fetch it: 'lamella pull {reference}', or 'lamella load -i FILE'",
            code="missing-base",
        ) from None
    except LamellaError as error:
        error.where = f"{where} ({error.where})" if error.where else where
        raise
    try:
        stored = images.at_platform(stored, platform)
    except NotFound:
        offered = images.platforms(stored)
        if len(offered) > 1:
            raise NotFound(
                f"the image {reference!r} is not in the local store for {platform}",
                where=where,
                detail=f"it is there for {', '.join(map(str, offered))}",
                hint=f"build for one of these, for example --platform {offered[0]}",
                code="missing-platform",
            ) from None
        message = f"{reference} is {stored.platform}, the build is for {platform}"
        warn(Warning_(where, message, "InvalidBaseImagePlatform"))
    return stored.image


def image_level(image: Image, where: str) -> Level | None:
    """The layers of an image, one level each. Raises ImageInvalid where manifest and config disagree."""
    if len(image.config.diff_ids) != len(image.manifest.layers):
        raise ImageInvalid(
            f"the image's manifest has {len(image.manifest.layers)} layers, its config {len(image.config.diff_ids)}",
            where=where,
        )
    level: Level | None = None
    for layer in image.layers:
        level = Level(level, layer)
    return level


def base_of_image(image: Image, where: str) -> Base:
    state = StageState(image.config.config, image.config.platform)
    return Base(image_level(image, where), state, image.config.history, image.config.created, image)

"""The image that a container is to be of: from the store, from wherever it lies, or fetched."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session
from lamella.errors import NotFound
from lamella.registry.locate import open_image

if TYPE_CHECKING:
    from lamella.oci.platform import Platform
    from lamella.store.locate import LocatedImage

_REGISTRY = "docker://"
_ELSEWHERE = ("oci:", "oci-archive:", "docker-archive:", "docker-daemon:", "sha256:")


def open_run_image(args: argparse.Namespace, session: Session, platform: Platform | None) -> LocatedImage:
    """``args.image``; ``args.pull`` is missing, always or never. Raises NotFound and what opening and pulling raise."""
    store = session.store()
    text = args.image.removeprefix(_REGISTRY)
    may_pull = args.pull != "never" and not text.startswith(_ELSEWHERE)
    if may_pull and (args.pull == "always" or text != args.image):
        _pull(text, args, session, platform)
        may_pull = False
    try:
        return open_image(text, store, platform=platform)
    except NotFound as error:
        if not may_pull:
            raise
        missing = error
    _pull(text, args, session, platform, missing)
    return open_image(text, store, platform=platform)


def _pull(
    text: str, args: argparse.Namespace, session: Session, platform: Platform | None, missing: NotFound | None = None
) -> None:
    """Fetches the image of that name. ``missing`` is the error that it was not there, raised where it is no name."""
    from lamella.cli.registryoptions import registry_settings
    from lamella.cli.transfer import listening, pull_image
    from lamella.errors import LamellaError
    from lamella.oci.reference import parse_reference

    try:
        reference = parse_reference(text)
    except LamellaError:
        raise missing or NotFound(f"{text!r} is no image's name") from None
    if missing is not None and not args.quiet:
        session.note(f"the store has no image {text!r}: fetching it")
    with listening(args) as emit:
        pull_image(reference, session.store(), registry_settings(args), emit, platform=platform)

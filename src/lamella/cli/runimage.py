"""The image that a container is to be of: from the store, from wherever it lies, or fetched."""

from __future__ import annotations

from lamella.cli.session import Session
from lamella.errors import NotFound
from lamella.oci.platform import Platform
from lamella.store.locate import LocatedImage, open_image


def open_run_image(text: str, session: Session, platform: Platform | None, pull: str) -> LocatedImage:
    """``pull`` is missing, always or never. Raises NotFound and what opening and fetching raise."""
    store = session.store()
    if pull == "always" and _is_name(text):
        pull_image(text, session, platform)
    try:
        return open_image(text, store, platform)
    except NotFound as error:
        if pull == "never" or not _is_name(text):
            raise
        missing = error
    pull_image(text, session, platform, missing)
    return open_image(text, store, platform)


def _is_name(text: str) -> bool:
    """Whether it could be fetched from a registry: it is no path and says no place."""
    scheme = text.partition(":")[0]
    return scheme not in ("oci", "oci-archive", "docker-archive", "docker-daemon", "docker") and not text.startswith(
        "sha256:"
    )


def pull_image(text: str, session: Session, platform: Platform | None, missing: NotFound | None = None) -> None:
    """Fetches the image of that name into the store. ``missing`` is the error that it was not there."""
    raise missing or NotFound(f"the image {text!r} cannot be fetched: there is no pull yet", hint="leave --pull out")

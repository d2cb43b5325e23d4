"""Every place that images are written to beside registries: those on this disk, and a Docker or Podman daemon."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.store import homes
from lamella.store.homes import Home, parse_home, renamed
from lamella.store.save import Saved
from lamella.store.store import Store

DAEMON = "docker-daemon"


def find_home(text: str) -> Home | None:
    """``docker-archive:FILE[:NAME]``, ``oci-archive:FILE[:NAME]``, ``oci:DIR[:NAME]`` or ``docker-daemon:[NAME]``; None
    for anything else. Raises UsageError."""
    kind, colon, name = text.partition(":")
    if colon and kind == DAEMON:
        return Home(DAEMON, "", name or None)
    return parse_home(text)


def write_image(store: Store, images: Sequence[Saved], home: Home) -> None:
    """Writes the images there. Raises what ``lamella.store.homes.write_image`` raises; InputError where a daemon
    refuses them, MachineError where it does not answer."""
    if home.kind != DAEMON:
        homes.write_image(store, images, home)
        return
    from lamella.registry.daemon import load_images

    load_images(store, renamed(images, home))

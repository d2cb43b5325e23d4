"""What an IMAGE argument means, those that have to be fetched included: the one function that every command asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lamella.oci.digest import Digest
from lamella.oci.platform import Platform
from lamella.store import locate
from lamella.store.layout import normal_name
from lamella.store.locate import LocatedImage
from lamella.store.store import Store

if TYPE_CHECKING:
    from lamella.registry.settings import RegistrySettings
    from lamella.store.save import Saved

_DAEMON = "docker-daemon:"
_REGISTRY = "docker://"


def open_image(
    text: str, store: Store, settings: RegistrySettings | None = None, platform: Platform | None = None
) -> LocatedImage:
    """What ``lamella.store.locate.open_image`` opens, ``docker://REFERENCE`` and ``docker-daemon:NAME``. ``settings``
    are of registries; None: what the configuration files say.

    Raises NotFound, InputError, ImageInvalid; RegistryError, MachineError where nobody answers."""
    if text.startswith(_REGISTRY):
        from lamella.registry.source import open_registry_image

        return open_registry_image(text.removeprefix(_REGISTRY), settings, platform)
    if text.startswith(_DAEMON):
        from lamella.registry.daemon import open_daemon_image

        return open_daemon_image(text.removeprefix(_DAEMON), store)
    return locate.open_image(text, store, platform)


@contextmanager
def open_images(texts: Iterable[str], store: Store, settings: RegistrySettings | None = None) -> Iterator[list[Saved]]:
    """The images of several words, each once, to be written elsewhere: an image of the store under the names it was
    called by, one from elsewhere under those that it has there. Raises as :func:`open_image`."""
    from lamella.store.save import Saved

    found: dict[Digest, Saved] = {}
    with ExitStack() as opened:
        for text in texts:
            located = opened.enter_context(open_image(text, store, settings))
            names = located.names
            if located.blobs is store.blobs:
                names = (normal_name(text),) if normal_name(text) in names and "@" not in text else ()
            digest = located.image.manifest.digest
            before = found.get(digest, Saved(located.image, (), located.blobs))
            found[digest] = before._replace(names=tuple(dict.fromkeys(before.names + names)))
        yield list(found.values())

"""Images that a command needs and the store lacks: fetched as ``lamella pull`` does. Loads nothing until then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamella.events import Emit
    from lamella.oci.image import Image
    from lamella.oci.platform import Platform
    from lamella.registry.settings import RegistrySettings
    from lamella.store.store import Store


class Fetcher:
    """Implements ``lamella.build.request.ImagePull``. Each image is asked for once in the life of this object."""

    def __init__(self, store: Store, settings: Callable[[], RegistrySettings] | None, emit: Emit) -> None:
        """``settings`` None: what the configuration files say."""
        self._store, self._emit = store, emit
        self._settings = settings
        self._guard = threading.Lock()
        self._done: set[tuple[str, Platform]] = set()

    def fetch(
        self, reference: str, platform: Platform, *, always: bool, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        from lamella.cli.transfer import pull_image
        from lamella.events import Note
        from lamella.oci.reference import parse_reference

        parsed = parse_reference(reference)
        with self._guard:
            if (parsed.familiar, platform) in self._done:
                return
            if not always:
                self._emit(Note("info", f"{parsed.familiar} is not in the local store: pulling it for {platform}"))
            # Unpacked when a RUN has to see its files, and not before.
            pull_image(
                parsed, self._store, self._read(), self._emit, platform=platform, unpack=False, cancelled=cancelled
            )
            self._done.add((parsed.familiar, platform))

    def look(self, reference: str, platform: Platform) -> Image | None:
        from lamella.errors import LamellaError
        from lamella.events import Note
        from lamella.registry.source import open_registry_image

        try:
            settings = self._read()
            hurried = settings._replace(patience=settings.patience._replace(tries=1, silence=10.0))
            with open_registry_image(reference, hurried, platform) as located:
                size = sum(layer.size for layer in located.image.manifest.layers)
                self._tell(located.names, size)
                return located.image
        except LamellaError as error:
            self._emit(Note("info", f"{reference} is not in the local store, nor to be seen in a registry: {error}"))
            return None

    def _tell(self, names: tuple[str, ...], size: int) -> None:
        from lamella.cli.text.docker import human_size
        from lamella.events import Note

        name = names[0] if names else "the base"
        text = f"{name} is not in the local store; a build would pull it ({human_size(size)}). Its config was read"
        self._emit(Note("info", f"{text} from the registry"))

    def _read(self) -> RegistrySettings:
        from lamella.registry.settings import read_settings

        return self._settings() if self._settings is not None else read_settings()

"""Which images containers are of: `image rm` refuses to remove those, `image prune` leaves them.

No container would break without its image (what it stands on is held as snapshots as long as it runs), but whoever
lists it would not find what it was made of.
"""

from __future__ import annotations

from lamella.errors import InputError, LamellaError
from lamella.oci.digest import Digest
from lamella.store.layout import normal_name
from lamella.store.store import Store


def used_images(store: Store) -> frozenset[Digest]:
    """Image IDs of all containers, those that have ended too."""
    from lamella.container.table import Table

    return frozenset(Digest(container.image_id) for _, container, _ in Table(store.root).list())


def refuse_used(store: Store, text: str) -> None:
    """Raises InputError where removing ``text`` would remove an image that a container is of. Taking one of several
    names away is no removal."""
    from lamella.container.table import Table
    from lamella.container.values import RUNNING

    containers = Table(store.root).list()
    image = store.images.find(text) if containers else None
    if image is None or (len(image.names) > 1 and normal_name(text) in image.names):
        return
    ids = {image.image_id}
    for platform in store.images.platforms(image):
        try:
            ids.add(store.images.at_platform(image, platform).image_id)
        except LamellaError:
            continue
    for _, container, state in containers:
        if container.image_id in ids:
            what = "running container" if state.status == RUNNING else "container"
            raise InputError(
                f"the image {text} is used by the {what} {container.name} ({container.short})",
                hint=f"remove that first (lamella rm {container.name}), or use --force",
                code="in-use",
            )

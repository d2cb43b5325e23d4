"""``lamella image inspect``; ``lamella inspect`` shows images too."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.store.layers import LayerStore
    from lamella.store.locate import LocatedImage

SUMMARY = "everything an image says of itself, as JSON in Docker's shape"
EXAMPLES = """lamella image inspect alpine:3.20
lamella image inspect app | jq '.[0].Config.Env'"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image", nargs="+", metavar="IMAGE", help="a name, an ID prefix, oci:DIR, docker-archive:FILE …"
    )
    parser.add_argument("--format", choices=("json",), default="json", help="JSON is all there is")


def run(args: argparse.Namespace, session: Session) -> int:
    session.json([image_json(text, session) for text in args.image])
    return 0


def image_json(text: str, session: Session) -> dict[str, Any]:
    """Raises what opening the image raises."""
    from lamella.registry.locate import open_image

    with open_image(text, session.store()) as located:
        return _as_json(located, session)


def _as_json(located: LocatedImage, session: Session) -> dict[str, Any]:
    manifest, config = located.image
    layers = session.store().layers
    last = config.history[-1] if config.history else None
    return {
        "Id": config.image_id,
        "RepoTags": [name for name in located.names if "@" not in name],
        "RepoDigests": _repository_digests(located, session),
        "Parent": "",
        "Comment": last.comment if last else "",
        "Created": config.created or None,
        "Author": config.author,
        "Config": config.config.to_json(),
        "Architecture": config.platform.architecture,
        **({"Variant": config.platform.variant} if config.platform.variant else {}),
        "Os": config.platform.os,
        "Size": _size(located, layers),
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
        "Descriptor": manifest.descriptor.to_json(),
        "Manifest": {
            "Config": manifest.config.to_json(),
            "Layers": [layer.to_json() for layer in manifest.layers],
            "Annotations": dict(manifest.annotations),
        },
    }


def _repository_digests(located: LocatedImage, session: Session) -> list[str]:
    """Where it was pulled from or pushed to; for one that never was, the digest it would have there."""
    from lamella.oci.reference import parse_reference
    from lamella.store.layout import split_name

    digests = (located.image.manifest.digest, *((located.root,) if located.root is not None else ()))
    known = session.store().origins.digests(digests)
    if known:
        return [f"{parse_reference(repository).familiar_repository}@{digest}" for repository, digest in known]
    repositories = dict.fromkeys(split_name(name)[0] for name in located.names)
    return [f"{repository}@{located.image.manifest.digest}" for repository in repositories]


def _size(located: LocatedImage, layers: LayerStore) -> int | None:
    """None for an image in a registry that has layers which were never seen: they are not fetched for that."""
    if located.home is not None:
        sizes = [layers.size(ref.diff_id) for ref in located.image.layers]
        return None if None in sizes else sum(size.shown for size in sizes if size is not None)
    return sum(layers.measure(ref, located.blobs).shown for ref in located.image.layers)

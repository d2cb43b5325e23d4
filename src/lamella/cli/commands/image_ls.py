"""``lamella image ls``, also ``lamella images``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.store.mirror import StoredImage

SUMMARY = "the images of the local store"
EXAMPLES = """lamella image ls
lamella image ls 'app*'
lamella image ls --format json"""
_NONE = "<none>"
_HEADING = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only these: repository[:tag], with * and ?")
    parser.add_argument("-a", "--all", action="store_true", help="all images (Docker's flag; none are hidden here)")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the image IDs")
    parser.add_argument("--no-trunc", action="store_true", help="whole image IDs")
    parser.add_argument("--digests", action="store_true", help="the digests that images have in their registries, too")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    table = session.store().images
    images = [_measured(session, image) for image in table.list()]
    rows = [(image, name) for image in images for name in image.names or ("",) if _fits(name, args.name)]
    if args.format == "json":
        session.json({"schema": 1, "images": [_as_json(image, name) for image, name in rows]})
    elif args.quiet:
        for image_id in dict.fromkeys(image.image_id for image, _ in rows):
            session.out(image_id if args.no_trunc else image_id.short)
    else:
        _print(session, rows, args.no_trunc, digests=args.digests)
    for broken in table.broken():
        session.note(f"warning: {broken.name or broken.digest.short} cannot be read: {broken.problem}")
    return 0


def _measured(session: Session, image: StoredImage) -> StoredImage:
    """With its size; a damaged image is listed without."""
    from lamella.errors import LamellaError

    try:
        return session.store().images.measure(image)
    except LamellaError as error:
        session.note(f"warning: {(image.names or (image.image_id.short,))[0]} is damaged: {error}")
        return image


def _fits(name: str, pattern: str | None) -> bool:
    from fnmatch import fnmatchcase

    if pattern is None:
        return True
    from lamella.store.layout import split_name

    repository = split_name(name)[0]
    return bool(name) and (fnmatchcase(name, pattern) or fnmatchcase(repository, pattern))


def _print(session: Session, rows: list[tuple[StoredImage, str]], whole: bool, *, digests: bool) -> None:
    import time

    from lamella.cli.text.docker import docker_age, docker_table, human_size
    from lamella.store.layout import split_name

    now = time.time_ns()
    cells: list[tuple[str, ...]] = [_HEADING]
    for image, name in rows:
        repository, tag = split_name(name)
        cells.append(
            (
                repository or _NONE,
                tag or _NONE,
                image.image_id if whole else image.image_id.short,
                docker_age(image.created, now),
                "unknown" if image.size is None else human_size(image.size),
            )
        )
    if digests:
        column = ["DIGEST", *(_digest(session, image, name) for image, name in rows)]
        cells = [(*row[:2], digest, *row[2:]) for row, digest in zip(cells, column, strict=True)]
    for line in docker_table(cells):
        session.out(line)


def _digest(session: Session, image: StoredImage, name: str) -> str:
    """The one that the image has in the repository of this name; where several are known, that of the index."""
    from lamella.oci.reference import parse_reference
    from lamella.store.layout import split_name

    if not name:
        return _NONE
    found = session.store().origins.digests((image.root.digest, image.descriptor.digest))
    here = {
        digest for repository, digest in found if parse_reference(repository).familiar_repository == split_name(name)[0]
    }
    return image.root.digest if image.root.digest in here else min(here, default=_NONE)


def _as_json(image: StoredImage, name: str) -> dict[str, Any]:
    from lamella.store.instant import format_instant
    from lamella.store.layout import split_name

    repository, tag = split_name(name)
    return {
        "repository": repository or None,
        "tag": tag,
        "id": image.image_id,
        "digest": image.descriptor.digest,
        "created": format_instant(image.created) if image.created else None,
        "size": image.size,
        "layers": len(image.diff_ids),
        "platform": str(image.platform),
    }

"""``lamella image history``, also ``lamella history``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.oci.config import HistoryEntry
    from lamella.store.locate import LocatedImage
    from lamella.store.store import Store

SUMMARY = "the history of an image, newest first, with the size of each layer"
EXAMPLES = """lamella image history alpine:3.20
lamella image history --no-trunc oci-archive:app.tar
lamella image history --format json app"""
_HEADING = ("IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT")
_CREATED_BY = 45  # columns


class _Row(NamedTuple):
    """``size`` is None for an entry without a layer, ``layer`` the layer's number from 0."""

    entry: HistoryEntry
    size: int | None
    layer: int | None


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="a name, an ID prefix, oci:DIR, docker-archive:FILE …")
    parser.add_argument("--no-trunc", action="store_true", help="nothing is cut short")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the image ID")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.registry.locate import open_image

    store = session.store()
    with open_image(args.image, store) as located:
        image_id = located.image.config.image_id
        if args.quiet:
            session.out(image_id if args.no_trunc else image_id.short)
            return 0
        rows = _rows(located, store)
    if args.format == "json":
        session.json({"schema": 1, "id": image_id, "history": [_as_json(row) for row in rows]})
    else:
        _print(session, rows, image_id if args.no_trunc else image_id.short, args.no_trunc)
    return 0


def _rows(located: LocatedImage, store: Store) -> list[_Row]:
    """Newest first. Real images lie: layers that no entry speaks of get a row of their own, entries beyond the layers
    have none."""
    from lamella.oci.config import HistoryEntry

    sizes = [
        store.layers.measure(ref, located.blobs, keep=located.home is not None).shown for ref in located.image.layers
    ]
    rows, layer = [], 0
    for entry in located.image.config.history:
        if entry.empty_layer or layer >= len(sizes):
            rows.append(_Row(entry, None, None))
        else:
            rows.append(_Row(entry, sizes[layer], layer))
            layer += 1
    rows += [_Row(HistoryEntry(), sizes[number], number) for number in range(layer, len(sizes))]
    return rows[::-1]


def _print(session: Session, rows: list[_Row], image_id: str, whole: bool) -> None:
    import time

    from lamella.cli.text.columns import one_line
    from lamella.cli.text.docker import docker_age, docker_table, human_size
    from lamella.store.instant import parse_instant

    now = time.time_ns()
    cells: list[tuple[str, ...]] = [_HEADING]
    for number, (entry, size, _) in enumerate(rows):
        created_by = one_line(entry.created_by)
        if not whole and len(created_by) > _CREATED_BY:
            created_by = created_by[: _CREATED_BY - 1] + "…"
        cells.append(
            (
                "<missing>" if number else image_id,
                docker_age(parse_instant(entry.created), now),
                created_by,
                human_size(size or 0),
                one_line(entry.comment),
            )
        )
    for line in docker_table(cells):
        session.out(line)


def _as_json(row: _Row) -> dict[str, object]:
    return {
        "created": row.entry.created or None,
        "created_by": row.entry.created_by,
        "comment": row.entry.comment,
        "author": row.entry.author,
        "empty_layer": row.size is None,
        "size": row.size or 0,
        "layer": row.layer,
    }

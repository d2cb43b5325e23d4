"""``lamella diff``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "what differs between two images, by path and by layer"
EXAMPLES = """lamella diff app:1 app:2
lamella diff app:1 docker-archive:app.tar --ignore '/var/log/**'
lamella diff --format json app:1 app:2"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="an image")
    parser.add_argument("b", metavar="B", help="the image to compare it with")
    parser.add_argument("--ignore", action="append", default=[], metavar="GLOB", help="leave these paths out")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")
    parser.epilog = "exit code: 0 no difference, 1 layers, paths or config differ"


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.view.image import stack_of, view_image
    from lamella.insight.attribution import attribute_layers
    from lamella.insight.common import compare_stacks
    from lamella.prove.changes import changes_by_path
    from lamella.prove.compare import compare

    store = session.store()
    a, b = view_image(args.a, store), view_image(args.b, store)
    sides = compare_stacks(stack_of(a, store), stack_of(b, store))
    side_a, side_b = a.side(), b.side()
    proof = compare(side_a, side_b, ignore=args.ignore)
    changes = changes_by_path(
        proof, side_a, side_b, attribute_layers(a.contents).layers, attribute_layers(b.contents).layers
    )
    if args.format == "json":
        from lamella.cli.view.difference import difference_to_json

        session.json(difference_to_json(sides, changes, proof))
    else:
        from lamella.cli.text.difference import difference_lines

        for line in difference_lines((args.a, args.b), sides, changes, proof):
            session.out(line)
    return 0 if proof.same and sides.same else 1

"""``lamella image verify``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "recompute every digest of the local store, and trust nothing"
EXAMPLES = """lamella image verify
lamella image verify --repair"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repair", action="store_true", help="remove what is damaged, write index.json anew if it is")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")
    parser.epilog = "exit code: 0 all is well, 1 something is damaged"


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.text.counts import count
    from lamella.cli.text.docker import human_size
    from lamella.store.verify import repair, verify

    store = session.store()
    report = verify(store)
    done = repair(store, report) if args.repair and not report.ok else ()
    if args.format == "json":
        session.json(
            {
                "schema": 1,
                "ok": report.ok,
                "images": report.images,
                "blobs": report.blobs,
                "bytes": report.bytes,
                "layers": report.layers,
                "problems": [problem._asdict() for problem in report.problems],
                "notes": list(report.notes),
                "repaired": list(done),
            }
        )
        return 0 if report.ok else 1
    for kind, where, message, images in report.problems:
        session.out(f"{where}: {message} ({kind})" + (f"; needed by {', '.join(images)}" if images else ""))
    for note in report.notes:
        session.note(f"note: {note}")
    for line in done:
        session.note(line)
    verdict = "all is well" if report.ok else count(len(report.problems), "problem")
    read = f"{count(report.images, 'image')}, {count(report.layers, 'layer')}, {count(report.blobs, 'blob')}"
    session.out(f"{verdict}: {read}, {human_size(report.bytes)} read")
    if not report.ok and not args.repair:
        session.note("  hint: --repair removes what is damaged, so that it can be built, loaded or pulled again")
    return 0 if report.ok else 1

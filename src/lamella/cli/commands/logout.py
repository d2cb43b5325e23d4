"""``lamella logout``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "forget the credentials of a registry"
EXAMPLES = """lamella logout registry.example:5000
lamella logout --all"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", nargs="?", metavar="SERVER", help="the registry (default: Docker Hub)")
    parser.add_argument("--all", action="store_true", help="of all registries that the file has credentials for")
    parser.add_argument("--authfile", metavar="FILE", help="file with credentials, in place of Docker's config file")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.errors import UsageError
    from lamella.registry.credentials import forget_credentials, known_domains
    from lamella.registry.login import domain_of

    if args.all and args.server:
        raise UsageError("--all and a registry are both given")
    domains = known_domains(args.authfile) if args.all else [domain_of(args.server or "docker.io")]
    for domain in domains:
        gone, others = forget_credentials(domain, args.authfile)
        session.out(f"Removed the credentials of {domain}" if gone else f"Not logged in to {domain}")
        for path in others:
            session.note(f"note: {path} has credentials of {domain}, too, and keeps them")
    return 0

"""``lamella login``."""

from __future__ import annotations

import argparse
import os

from lamella.cli.registryoptions import add_registry_options, registry_settings
from lamella.cli.session import Session

SUMMARY = "log in to a registry, and keep the credentials for pull, push and build"
EXAMPLES = """lamella login registry.example:5000
lamella login -u me --password-stdin registry.example < password.txt
lamella login"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", nargs="?", default="docker.io", metavar="SERVER", help="default: Docker Hub")
    parser.add_argument("-u", "--username", metavar="NAME")
    parser.add_argument("-p", "--password", metavar="PASSWORD", help="is seen by others: rather use --password-stdin")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    add_registry_options(parser)
    parser.epilog = (
        "The registry is asked whether it knows these credentials. The helper that Docker's config file names "
        "keeps them, or else that file itself (or --authfile), which only its owner can read.\n"
        "exit code: 0 logged in, 2 wrong usage, 3 refused by the registry, or it cannot be reached"
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.askcredentials import asked_credentials, given_credentials
    from lamella.errors import RegistryDenied
    from lamella.registry.credentials import find_credentials, keep_credentials
    from lamella.registry.login import check_login, domain_of

    domain = domain_of(args.server)
    settings = registry_settings(args)
    authfile = args.authfile
    found = given_credentials(args.username, args.password, password_stdin=args.password_stdin, session=session)
    if found is None:
        # The file may be made by this login: then there is nothing yet, whatever other files have.
        there = authfile is None or os.path.exists(authfile)
        before = find_credentials(domain, authfile, session.emit) if there else None
        if before is not None:
            try:
                check_login(domain, before, settings, emit=session.emit)
                session.out("Login Succeeded")
                session.note("note: with the credentials that were kept before")
                return 0
            except RegistryDenied as error:
                session.note(f"note: {error.message}")
        found = asked_credentials()
    if not check_login(domain, found, settings, emit=session.emit):
        session.note(f"note: {domain} does not ask who you are, so nothing is known of these credentials")
    kept = keep_credentials(domain, found, authfile)
    session.out("Login Succeeded")
    if kept.helper is None:
        session.note(f"note: the password is kept in {kept.path}, not encrypted: a credential helper keeps it better")
    return 0

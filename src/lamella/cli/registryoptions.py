"""The flags that all commands on registries have."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamella.registry.settings import RegistrySettings


def add_registry_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tls-verify", type=_truth, metavar="true|false",
        help="ask for TLS with a trusted certificate (the default, but on loopback also without TLS), or do without",
    )  # fmt: skip
    parser.add_argument("--cert-dir", metavar="DIR", help="folder with ca.crt, client.cert and client.key")
    parser.add_argument("--authfile", metavar="FILE", help="file with credentials, in place of those of this user")


def registry_settings(args: argparse.Namespace) -> RegistrySettings:
    """Of the flags and the configuration files. Raises InputError."""
    from lamella.registry.settings import read_settings

    return read_settings(tls_verify=args.tls_verify, cert_dir=args.cert_dir, authfile=args.authfile)


def add_progress_options(parser: argparse.ArgumentParser, quiet: str) -> None:
    """``--progress`` and ``-q``, whose help is ``quiet``."""
    choices = ("auto", "plain", "json")
    parser.add_argument("--progress", choices=choices, default="auto", help="how progress is shown")
    parser.add_argument("-q", "--quiet", action="store_true", help=quiet)


def _truth(text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")

"""The options that every command which talks to a registry takes, and the settings that come of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.errors import UsageError

if TYPE_CHECKING:
    from lamella.registry.settings import RegistrySettings

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def add_registry_options(parser: argparse.ArgumentParser) -> None:
    """``--tls-verify --cert-dir --authfile``, as Podman and skopeo have them."""
    group = parser.add_argument_group("registries")
    group.add_argument(
        "--tls-verify",
        metavar="true|false",
        help="false: take any certificate, and plain HTTP too (default: as registries.conf says)",
    )
    group.add_argument("--cert-dir", metavar="DIR", help="certificates of the registry's authority and our own")
    group.add_argument("--authfile", metavar="FILE", help="credentials (default: those of Docker and Podman)")


def settings_of(args: argparse.Namespace) -> RegistrySettings:
    """Raises UsageError, InputError."""
    from lamella.registry.settings import read_settings

    verify = getattr(args, "tls_verify", None)
    if verify is not None and verify.lower() not in _WORDS:
        raise UsageError(f"--tls-verify={verify}: neither true nor false")
    return read_settings(
        tls_verify=None if verify is None else _WORDS[verify.lower()],
        cert_dir=getattr(args, "cert_dir", None),
        authfile=getattr(args, "authfile", None),
    )


def add_progress_options(parser: argparse.ArgumentParser, quiet: str) -> None:
    """``--progress`` and ``-q``, whose help is ``quiet``."""
    choices = ("auto", "plain", "json")
    parser.add_argument("--progress", choices=choices, default="auto", help="how progress is shown")
    parser.add_argument("-q", "--quiet", action="store_true", help=quiet)

"""A user name and a password: of the flags, of standard input, or of who sits at the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamella.errors import UsageError

if TYPE_CHECKING:
    from lamella.cli.session import Session
    from lamella.registry.credentialfiles import Credentials

_LIMIT = 64 << 10  # characters


def given_credentials(
    user: str | None, password: str | None, *, password_stdin: bool, session: Session
) -> Credentials | None:
    """Of the flags and what they need; None where they say nothing at all. Raises UsageError."""
    from lamella.registry.credentialfiles import Credentials

    if password_stdin:
        if password is not None:
            raise UsageError("--password and --password-stdin both give a password")
        if user is None:
            raise UsageError("--password-stdin needs --username")
        try:
            password = _first_line(sys.stdin.read(_LIMIT))
        except UnicodeDecodeError:
            raise UsageError("the password on standard input is no UTF-8") from None
    elif password is not None:
        session.note("warning: a password on the command line is seen by others: --password-stdin reads it from a pipe")
    if user is None and password is None:
        return None
    return _checked(Credentials(user or _ask("Username: "), password if password is not None else _ask_unseen()))


def asked_credentials() -> Credentials:
    """Of who sits at the terminal. Raises UsageError where nobody does."""
    from lamella.registry.credentialfiles import Credentials

    return _checked(Credentials(_ask("Username: "), _ask_unseen()))


def _checked(credentials: Credentials) -> Credentials:
    if not credentials.user or not credentials.password:
        raise UsageError("a user name and a password are needed, and one of them is empty")
    try:
        f"{credentials.user}{credentials.password}".encode()
    except UnicodeEncodeError:
        raise UsageError("the user name or the password is no UTF-8") from None
    if ":" in credentials.user:
        raise UsageError("a user name holds no ':'")
    return credentials


def _first_line(text: str) -> str:
    """One line end goes, as a pipe from ``echo`` or a file has it."""
    return text.removesuffix("\n").removesuffix("\r")


def _ask(prompt: str) -> str:
    _need_terminal()
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise UsageError("there was no answer")
    return line.strip()


def _ask_unseen() -> str:
    import getpass

    _need_terminal()
    try:
        return getpass.getpass("Password: ", sys.stderr)
    except EOFError:
        raise UsageError("there was no answer") from None


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        hint = 'echo "$PASSWORD" | lamella login SERVER --username NAME --password-stdin'
        raise UsageError("nobody can be asked for user name and password here", hint=hint)

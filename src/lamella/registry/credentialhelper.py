"""Programs that keep credentials: ``docker-credential-NAME get|store|erase``, with JSON over standard input and output.

Source: the protocol of docker-credential-helpers. Nothing secret stands on a command line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

from lamella.errors import MachineError
from lamella.registry.credentialfiles import Credentials
from lamella.userns.caller import as_the_caller

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SECONDS = 60
_NOT_FOUND = "credentials not found"
#: the user that stands for "the secret is an identity token"
_TOKEN_USER = "<token>"


class NoHelper(MachineError):
    """The program is not there."""

    code = "no-credential-helper"


def get_credentials(helper: str, key: str) -> Credentials | None:
    """None where it has none. Raises MachineError, NoHelper."""
    status, output = _call(helper, "get", key)
    if status != 0:
        if _NOT_FOUND in output.lower():
            return None
        raise _failed(helper, "get", key, output)
    try:
        data = json.loads(output)
        user, secret = data["Username"], data["Secret"]
    except (ValueError, KeyError, TypeError):
        raise MachineError("the credential helper answers what is no credentials", where=_program(helper)) from None
    if not isinstance(user, str) or not isinstance(secret, str) or not (user or secret):
        return None
    return Credentials("", identity_token=secret) if user == _TOKEN_USER else Credentials(user, secret)


def store_credentials(helper: str, key: str, credentials: Credentials) -> None:
    user, secret = credentials.user, credentials.password
    if credentials.identity_token:
        user, secret = _TOKEN_USER, credentials.identity_token
    status, output = _call(helper, "store", json.dumps({"ServerURL": key, "Username": user, "Secret": secret}))
    if status != 0:
        raise _failed(helper, "store", key, output)


def erase_credentials(helper: str, key: str) -> bool:
    """Whether it had them."""
    status, output = _call(helper, "erase", key)
    if status != 0 and _NOT_FOUND not in output.lower():
        raise _failed(helper, "erase", key, output)
    return status == 0


def _program(helper: str) -> str:
    return f"docker-credential-{helper}"


def _call(helper: str, verb: str, text: str) -> tuple[int, str]:
    name = _program(helper)
    program = shutil.which(name) if _NAME.fullmatch(helper) else None
    if program is None:
        raise NoHelper(
            "the credential helper is not there",
            where=name,
            hint="install it, or take it out of credHelpers and credsStore in the file that names it",
        )
    try:
        words = [*as_the_caller(), program, verb]  # a keyring opens for the user's own number alone
        done = subprocess.run(words, input=text.encode(), capture_output=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise MachineError(f"the credential helper does not answer in {_SECONDS} seconds", where=name) from None
    except OSError as error:
        raise MachineError(
            f"the credential helper cannot be run: {os.strerror(error.errno or 0)}", where=name
        ) from None
    output = done.stdout.decode(errors="replace")
    return done.returncode, output if done.returncode == 0 else output + done.stderr.decode(errors="replace")


def _failed(helper: str, verb: str, key: str, output: str) -> MachineError:
    from lamella.registry.failure import printable

    return MachineError(f"the credential helper cannot {verb} the credentials of {key}", where=_program(helper),
                        detail=printable(output) or None)  # fmt: skip

"""Reading the Dockerfile that a command names, and the build options that several commands share."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NamedTuple

from lamella.errors import DockerfileError, InputError, UsageError

LIMIT = 16 << 20
#: what a Dockerfile is called where nobody says
NAMES = ("Dockerfile", "dockerfile", "Containerfile")


class DockerfileText(NamedTuple):
    """``name`` is how messages call it; ``path`` is None for standard input; ``context`` is the folder given, None
    where there is none."""

    text: str
    name: str
    path: str | None
    context: str | None


def read_dockerfile(context: str, file: str | None) -> DockerfileText:
    """``file`` as ``-f`` gives it, else ``Dockerfile`` in ``context``. Raises InputError, DockerfileError."""
    from lamella.syntax.parser import decode

    if file == "-":
        return DockerfileText(decode(sys.stdin.buffer.read(LIMIT + 1), "-"), "-", None, context)
    if not os.path.isdir(context):
        raise _no_folder(context)
    path = file if file is not None else _default(context)
    name = os.path.normpath(path)
    try:
        with open(path, "rb") as stream:
            data = stream.read(LIMIT + 1)
    except IsADirectoryError:
        raise InputError("is a folder, not a Dockerfile", where=name, hint="name the file with -f") from None
    except FileNotFoundError:
        raise InputError(
            "there is no such Dockerfile", where=name, hint="name it with -f FILE, or give the folder it is in"
        ) from None
    if len(data) > LIMIT:
        raise DockerfileError("larger than 16 MiB, which no Dockerfile is", where=f"{name}:1")
    return DockerfileText(decode(data, name), name, os.path.abspath(path), context)


def _no_folder(context: str) -> InputError:
    if not os.path.lexists(context):
        return InputError("there is no such folder", where=context, hint="give the folder of the build context")
    hint = f"give the folder with the files; an archive of them comes in by 'lamella build - < {context}'"
    return InputError("the build context is not a folder", where=context, hint=hint)


def _default(context: str) -> str:
    for name in NAMES:
        path = os.path.join(context, name)
        if os.path.isfile(path):
            return path
    return os.path.join(context, NAMES[0])


def add_dockerfile_options(parser: argparse.ArgumentParser) -> None:
    """``-f --target --build-arg --build-context``: what decides which steps there are."""
    parser.add_argument("-f", "--file", metavar="FILE", help="the Dockerfile (default: CONTEXT/Dockerfile; - is stdin)")
    parser.add_argument("--target", metavar="STAGE", help="build this stage, by name or number")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="set an ARG")
    parser.add_argument(
        "--build-context",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a named context: a folder, image or URL",
    )


def pairs(
    values: list[str], flag: str, *, from_environment: bool = False, may_be_empty: bool = False
) -> tuple[tuple[str, str], ...]:
    """``NAME=VALUE`` words as pairs. Raises UsageError for one without ``=``, unless its value is then that of the
    environment, or empty."""
    found: list[tuple[str, str]] = []
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not (equals or from_environment or may_be_empty):
            raise UsageError(f"{flag} {value!r} is not NAME=VALUE")
        if equals or may_be_empty:
            found.append((name, text))
        elif name in os.environ:
            found.append((name, os.environ[name]))
    return tuple(found)


def named_contexts(values: list[str]) -> tuple[tuple[str, str], ...]:
    """``--build-context`` words as pairs, names as the plan looks for them. Raises UsageError."""
    if not values:
        return ()
    from lamella.oci.reference import parse_reference, short_name

    found = pairs(values, "--build-context")
    for name, value in found:
        try:
            parse_reference(name)
        except InputError as error:
            raise UsageError(f"--build-context {name}={value}: {error.message}", hint=error.hint) from None
        if not value:
            raise UsageError(f"--build-context {name}= names nothing", hint=f"write {name}=FOLDER")
    return tuple((short_name(name), value) for name, value in found)


def source_date_epoch() -> int | None:
    """``SOURCE_DATE_EPOCH`` in seconds, None where it is not set. Raises UsageError."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isdecimal():
        raise UsageError(f"SOURCE_DATE_EPOCH={text!r} is not a number of seconds")
    return int(text)

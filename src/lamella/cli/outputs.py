"""The words of ``--output``, as ``docker buildx build`` takes them."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO, NamedTuple, cast

from lamella.build.request import Output
from lamella.errors import NotSupported, UsageError

_KINDS = ("local", "tar", "oci", "docker", "image", "cacheonly")
_COMPRESSIONS = {"gzip": "gzip", "zstd": "zstd", "uncompressed": "none"}
_SHAPES = "type=local|tar|oci|docker|image|cacheonly[,dest=PATH][,name=NAME][,tar=false], or a folder, or -"


class Outputs(NamedTuple):
    """``compression`` is the one that was asked for, None where none was; ``annotations`` are as ``--annotation``
    gives them."""

    outputs: tuple[Output, ...]
    compression: str | None = None
    annotations: tuple[str, ...] = ()


class _Stdout:
    """Standard output without a buffer: a thread that waits for a reader holds no lock that the exit would need."""

    name = "standard output"

    def write(self, data: bytes | memoryview) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest) :]
        return len(data)

    def flush(self) -> None:
        """There is nothing to flush."""


def parse_outputs(texts: list[str]) -> Outputs:
    """Every ``--output``. Raises UsageError for what cannot be, before anything is
    built, and NotSupported for registries."""
    outputs: list[Output] = []
    compression: str | None = None
    annotations: list[str] = []
    for text in texts:
        fields = _fields(text)
        asked = _compression(text, fields.pop("compression", None))
        if asked and compression not in (None, asked):
            raise UsageError("two outputs ask for different compressions", hint="build twice: the second is cached")
        compression = asked or compression
        for key in [key for key in fields if key.startswith(("annotation.", "annotation-"))]:
            # annotation.KEY, or annotation-PLACE.KEY
            place, _, name = key.removeprefix("annotation").partition(".")
            annotations.append(f"{place[1:] or 'manifest'}:{name}={fields.pop(key)}")
        outputs.append(_output(text, fields))
    if sum(one.stream is not None for one in outputs) > 1:
        raise UsageError("two outputs cannot both go to standard output", hint="give one of them dest=FILE")
    return Outputs(tuple(outputs), compression, tuple(annotations))


def _fields(text: str) -> dict[str, str]:
    """``type=oci,dest=x`` as a map; the short forms ``PATH`` and ``-`` too. Fields may be quoted as in CSV."""
    import csv

    try:
        words = next(csv.reader([text], strict=True), [])
    except csv.Error:
        words = []
    if words == [text] and not text.startswith("type="):
        return {"type": "tar", "dest": "-"} if text == "-" else {"type": "local", "dest": text}
    fields: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--output {text}: {word!r} is not KEY=VALUE", hint=f"write {_SHAPES}")
        fields[key.strip().lower()] = value
    if not fields.get("type"):
        raise UsageError(f"--output {text!r} names no type", hint=f"write {_SHAPES}")
    return fields


def _compression(text: str, value: str | None) -> str | None:
    if value is None:
        return None
    if value not in _COMPRESSIONS:
        raise UsageError(f"--output {text}: compression={value}", hint=f"use {', '.join(_COMPRESSIONS)}")
    return _COMPRESSIONS[value]


def _output(text: str, fields: dict[str, str]) -> Output:
    kind, path, names = fields.pop("type"), fields.pop("dest", ""), fields.pop("name", "")
    if kind == "registry" or _flag(text, fields, "push", False):
        raise NotSupported(
            f"--output {text}: images are not pushed yet", hint="write type=oci,dest=FILE and push that with skopeo"
        )
    if kind not in _KINDS:
        raise UsageError(f"--output {text}: there is no type {kind!r}", hint=f"use one of {', '.join(_KINDS)}")
    tar = _flag(text, fields, "tar", True)
    for known in ("oci-mediatypes", "load", "store", "unpack"):  # they are so, or change nothing here
        fields.pop(known, None)
    if fields:
        raise NotSupported(
            f"--output {text}: {next(iter(fields))} is not supported",
            hint="use dest, name, tar, compression, annotation.KEY",
        )
    if kind == "docker" and not path:
        kind = "image"
    output = Output(kind, path, None, tuple(filter(None, names.split(","))), tar)
    if kind in ("image", "cacheonly"):
        if path:
            raise UsageError(f"--output {text}: type={kind} has no dest", hint="use type=oci or docker to write a file")
        return output
    return _folder(text, output) if kind == "local" or not tar else _file(text, output)


def _flag(text: str, fields: dict[str, str], name: str, default: bool) -> bool:
    value = fields.pop(name, None)
    if value is None:
        return default
    if value.lower() not in ("true", "false", "1", "0"):
        raise UsageError(f"--output {text}: {name}={value} is neither true nor false")
    return value.lower() in ("true", "1")


def _folder(text: str, output: Output) -> Output:
    if output.path in ("", "-"):
        raise UsageError(f"--output {text}: a folder is needed", hint=f"write type={output.kind},dest=FOLDER")
    path = os.path.abspath(output.path)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UsageError(f"--output {text}: {output.path} is not a folder")
    return output._replace(path=path)


def _file(text: str, output: Output) -> Output:
    if output.path in ("", "-"):
        if sys.stdout.isatty():
            raise UsageError("an archive is not written to a terminal", hint="add dest=FILE, or send it into a pipe")
        return output._replace(path="", stream=cast("BinaryIO", _Stdout()))
    path = os.path.abspath(output.path)
    if os.path.isdir(path):
        raise UsageError(
            f"--output {text}: {output.path} is a folder, and an archive is a file",
            hint=f"write dest={output.path}/FILE",
        )
    if not os.path.isdir(os.path.dirname(path)):
        raise UsageError(f"--output {text}: there is no folder {os.path.dirname(output.path)}", hint="make it first")
    return output._replace(path=path)

"""The words of ``--annotation``, as ``docker buildx build`` takes them."""

from __future__ import annotations

from lamella.errors import NotSupported, UsageError

_NOT_YET = ("index", "index-descriptor", "manifest-descriptor")


def parse_annotations(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """``[manifest:]KEY=VALUE`` words as pairs for the manifest; a platform in brackets behind ``manifest`` is taken for
    that of the build. Raises UsageError, NotSupported."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        places, colon, key = name.partition(":")
        if not colon or "." in places.partition("[")[0]:  # a key may hold colons; no place has a dot
            places, key = "manifest", name
        if not equals or not key:
            raise UsageError(f"--annotation {text!r} is not NAME=VALUE")
        for place in places.split(","):
            _check(text, place.partition("[")[0])
        found[key] = value
    return tuple(found.items())


def _check(text: str, place: str) -> None:
    if place in _NOT_YET:
        raise NotSupported(
            f"--annotation {text}: only manifests are annotated by this version", hint="write NAME=VALUE alone"
        )
    if place != "manifest":
        raise UsageError(
            f"--annotation {text}: there is no place {place!r}",
            hint=f"use manifest, or of buildx {', '.join(_NOT_YET)}",
        )

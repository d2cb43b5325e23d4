"""WORKDIR, USER, EXPOSE, VOLUME, STOPSIGNAL and MAINTAINER: what sets a field of the image's config."""

from __future__ import annotations

from lamella.syntax.arguments import read_arguments
from lamella.syntax.flags import read_flags
from lamella.syntax.instructions import Expose, Maintainer, Stopsignal, User, Volume, Workdir
from lamella.syntax.request import Request
from lamella.syntax.words import strip


def _one(request: Request, example: str) -> str:
    """The one argument, which is the rest of the line: blanks and quotes belong to it."""
    words = read_arguments(request).words
    if len(words) != 1:
        keyword = request.node.keyword
        raise request.refuse(f"{keyword} requires exactly one argument", f"write {keyword} {example}")
    read_flags(request)
    return words[0]


def type_workdir(request: Request) -> Workdir:
    """Dockerfile reference, "WORKDIR"."""
    return Workdir(request.node, _one(request, "/path"))


def type_user(request: Request) -> User:
    """Dockerfile reference, "USER"."""
    return User(request.node, _one(request, "name, or a number, with :group if need be"))


def type_stopsignal(request: Request) -> Stopsignal:
    """Dockerfile reference, "STOPSIGNAL"."""
    return Stopsignal(request.node, _one(request, "SIGTERM"))


def type_maintainer(request: Request) -> Maintainer:
    """Dockerfile reference, "MAINTAINER"."""
    return Maintainer(request.node, _one(request, "name; or better LABEL org.opencontainers.image.authors=name"))


def type_expose(request: Request) -> Expose:
    """Dockerfile reference, "EXPOSE"; ports are in the order written, variables not expanded, hence not checked."""
    words = read_arguments(request).words
    if not words:
        raise request.refuse("EXPOSE requires at least one argument", "write EXPOSE 8080, or EXPOSE 53/udp")
    read_flags(request)
    return Expose(request.node, words)


def type_volume(request: Request) -> Volume:
    """Dockerfile reference, "VOLUME"; JSON array or words."""
    words = read_arguments(request).words
    if not words:
        raise request.refuse("VOLUME requires at least one argument", 'write VOLUME /data, or VOLUME ["/data"]')
    read_flags(request)
    paths = tuple(strip(word) for word in words)
    if not all(paths):
        raise request.refuse("a path of VOLUME is empty", 'write VOLUME /data, or VOLUME ["/data"]')
    return Volume(request.node, paths)

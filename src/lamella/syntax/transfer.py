"""COPY and ADD."""

from __future__ import annotations

from typing import NamedTuple

from lamella.syntax.arguments import read_arguments
from lamella.syntax.flags import read_flags
from lamella.syntax.instructions import Add, Copy
from lamella.syntax.nodes import Heredoc
from lamella.syntax.request import Request, short


class _Paths(NamedTuple):
    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...]


def type_copy(request: Request) -> Copy:
    """Dockerfile reference, "COPY"."""
    paths = _paths(request)
    flags = read_flags(request, texts=("from", "chown", "chmod"), switches=("link", "parents"), lists=("exclude",))
    return Copy(
        node=request.node,
        sources=paths.sources,
        destination=paths.destination,
        from_=flags.text("from"),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.switch("link") or False,
        parents=flags.switch("parents") or False,
        excludes=flags.texts("exclude"),
        heredocs=paths.heredocs,
    )


def type_add(request: Request) -> Add:
    """Dockerfile reference, "ADD"."""
    paths = _paths(request)
    flags = read_flags(
        request,
        texts=("chown", "chmod", "checksum"),
        switches=("link", "keep-git-dir", "unpack"),
        lists=("exclude",),
    )
    return Add(
        node=request.node,
        sources=paths.sources,
        destination=paths.destination,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.switch("link") or False,
        keep_git_dir=flags.switch("keep-git-dir") or False,
        checksum=flags.text("checksum"),
        unpack=flags.switch("unpack"),
        excludes=flags.texts("exclude"),
        heredocs=paths.heredocs,
    )


def _paths(request: Request) -> _Paths:
    """Sources and destination; a word like ``<<EOF`` is a file with the body that follows, in shell form only."""
    keyword = request.node.keyword
    arguments = read_arguments(request)
    if len(arguments.words) < 2:
        count = "only one was" if arguments.words else "none was"
        raise request.refuse(
            f"{keyword} requires at least two arguments, but {count} provided",
            f"write {keyword} SOURCE… DESTINATION; the last argument is where the files go",
        )
    *sources, destination = arguments.words
    if arguments.json or "<<" not in request.node.value:
        return _Paths(tuple(sources), destination, ())
    from lamella.syntax.heredocs import parse_marker  # only where it is needed: start-up time is a feature

    if parse_marker(destination) is not None:
        raise request.refuse(
            f"{keyword} cannot accept a heredoc as a destination",
            f"write {keyword} {short(destination)} /path/of/the/file",
        )
    markers = [parse_marker(source) for source in sources]
    return _Paths(
        tuple(source for source, marker in zip(sources, markers, strict=True) if marker is None),
        destination,
        _bodies(request, [marker.name for marker in markers if marker is not None]),
    )


def _bodies(request: Request, names: list[str]) -> tuple[Heredoc, ...]:
    """The bodies of those names. One is missing when the line as a whole could not be read as shell words."""
    bodies = {heredoc.name: heredoc for heredoc in request.node.heredocs}
    for name in names:
        if name not in bodies:
            raise request.refuse(
                f"the heredoc {short(name)} has no body",
                "check the quotes and ${…} on this line: one of them is left open",
            )
    return tuple(bodies[name] for name in names)

"""COPY and ADD."""

from __future__ import annotations

import posixpath

from lamella.errors import DockerfileError
from lamella.plan.address import is_remote
from lamella.plan.lowering.paths import absolute_destination
from lamella.plan.lowering.state import Lowering
from lamella.plan.mode import parse_mode
from lamella.plan.step import CopyStep, InlineFile, Source, SourceContext
from lamella.syntax.instructions import Add, Copy


def lower_copy(lowering: Lowering, instruction: Copy) -> None:
    for path in instruction.sources:
        if is_remote(path):
            raise lowering.refuse(
                DockerfileError, f"COPY takes no URL: {path}", "use ADD, which downloads URLs and git repositories"
            )
    source: Source = SourceContext()
    if instruction.from_ is not None:
        source = lowering.source(instruction.from_)
    elif instruction.sources:
        lowering.uses(source)
    lowering.add(_step(lowering, instruction, source)._replace(parents=instruction.parents))


def lower_add(lowering: Lowering, instruction: Add) -> None:
    step = _step(lowering, instruction, SourceContext())
    if step.sources:
        lowering.uses(step.source)
    checksum = lowering.expand(instruction.checksum) if instruction.checksum is not None else None
    if checksum is not None and (len(step.remotes) != 1 or step.sources):
        raise lowering.refuse(DockerfileError, "--checksum needs exactly one URL as source", "one ADD for each URL")
    lowering.add(
        step._replace(add=True, unpack=instruction.unpack, checksum=checksum, keep_git_dir=instruction.keep_git_dir)
    )


def _step(lowering: Lowering, instruction: Copy | Add, source: Source) -> CopyStep:
    """What both have. Everything is expanded but ``--from`` and quoted heredocs."""
    parents = isinstance(instruction, Copy) and instruction.parents
    chown = _expanded(lowering, instruction.chown)
    chmod = _expanded(lowering, instruction.chmod)
    _check_mode(lowering, chmod)
    sources = tuple(lowering.expand(source) for source in instruction.sources)
    destination = lowering.expand(instruction.destination)
    inline = tuple(
        InlineFile(
            heredoc.name,
            (lowering.expand_body(heredoc.content) if heredoc.expand else heredoc.content).encode(
                "utf-8", "surrogateescape"
            ),
        )
        for heredoc in instruction.heredocs
    )
    words = [
        "--parents" if parents else "",
        f"--chown={chown}" if chown else "",
        f"--chmod={chmod}" if chmod else "",
        *sources,
        *(f"<<{file.name}" for file in inline),
        destination,
    ]
    return CopyStep(
        info=lowering.info(f"{instruction.node.keyword} {' '.join(word for word in words if word)} # buildkit"),
        config=lowering.config,
        source=source,
        sources=tuple(_relative(path, parents) for path in sources if not is_remote(path)),
        destination=absolute_destination(destination, lowering.working_dir),
        inline=inline,
        remotes=tuple(path for path in sources if is_remote(path)),
        chown=chown or None,
        chmod=chmod or None,
        link=instruction.link,
        excludes=tuple(lowering.expand(pattern) for pattern in instruction.excludes),
    )


def _expanded(lowering: Lowering, text: str | None) -> str | None:
    return None if text is None else lowering.expand(text)


def _check_mode(lowering: Lowering, mode: str | None) -> None:
    if mode and parse_mode(mode) is None:
        raise lowering.refuse(
            DockerfileError, f"--chmod={mode} is no mode", "write an octal number such as 755, or u=rwX,go=rX"
        )


def _relative(path: str, parents: bool) -> str:
    """A source below the root of where it is read from; ``..`` at its start stays, to be warned of.

    With ``--parents`` the ``/./`` that says where the kept part of the path begins stays too.
    """
    if parents and "/./" in path:
        head, _, tail = path.partition("/./")
        return f"{_relative(head, False)}/./{_relative(tail, False)}"
    cleaned = posixpath.normpath(path).lstrip("/") if path else ""
    return cleaned or "."

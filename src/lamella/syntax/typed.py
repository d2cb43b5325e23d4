"""Nodes to typed instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lamella.errors import DockerfileError, LamellaError
from lamella.syntax.command import type_cmd, type_entrypoint, type_run, type_shell
from lamella.syntax.instructions import TypedInstruction
from lamella.syntax.keywords import INSTRUCTIONS, nearest
from lamella.syntax.nodes import Document, Instruction
from lamella.syntax.pairs import type_arg, type_env, type_label
from lamella.syntax.parser import parse_fragment
from lamella.syntax.request import Request, short
from lamella.syntax.settings import (
    type_expose,
    type_maintainer,
    type_stopsignal,
    type_user,
    type_volume,
    type_workdir,
)
from lamella.syntax.stage import type_from
from lamella.syntax.transfer import type_add, type_copy
from lamella.syntax.trigger import refuse_forbidden, type_onbuild


def _type_healthcheck(request: Request) -> TypedInstruction:
    from lamella.syntax.health import type_healthcheck  # only where it is needed: start-up time is a feature

    return type_healthcheck(request)


_READERS: Mapping[str, Callable[[Request], TypedInstruction]] = MappingProxyType(
    {
        "ADD": type_add,
        "ARG": type_arg,
        "CMD": type_cmd,
        "COPY": type_copy,
        "ENTRYPOINT": type_entrypoint,
        "ENV": type_env,
        "EXPOSE": type_expose,
        "FROM": type_from,
        "HEALTHCHECK": _type_healthcheck,
        "LABEL": type_label,
        "MAINTAINER": type_maintainer,
        "ONBUILD": type_onbuild,
        "RUN": type_run,
        "SHELL": type_shell,
        "STOPSIGNAL": type_stopsignal,
        "USER": type_user,
        "VOLUME": type_volume,
        "WORKDIR": type_workdir,
    }
)


def type_instruction(document: Document, node: Instruction) -> TypedInstruction:
    """What the instruction means, variables not expanded.

    Raises DockerfileError, with the line of the instruction or of its flag, for an unknown instruction or flag and
    for arguments that BuildKit refuses; NotSupported for ``RUN --device``.
    """
    request = Request(document, node)
    reader = _READERS.get(node.keyword)
    if reader is None:
        raise _unknown(request)
    return reader(request)


def type_document(document: Document) -> tuple[TypedInstruction, ...]:
    """All instructions of a document, in order; only ARG may stand before the first FROM.

    Raises as ``type_instruction`` does, for the first instruction that is wrong. That there is a FROM at all is not
    checked here.
    """
    typed = []
    begun = False
    for node in document.instructions:
        typed.append(type_instruction(document, node))
        begun = begun or node.keyword == "FROM"
        if not begun and node.keyword != "ARG":
            raise Request(document, node).refuse(
                f"{node.keyword} stands before the first FROM", "begin with FROM image; only ARG may stand before it"
            )
    return tuple(typed)


def parse_trigger(trigger: str, where: str, escape: str) -> TypedInstruction:
    """An ONBUILD trigger, as the config of a base image keeps it. ``where`` says in messages where it comes from.

    Spans and lines of its node count within the trigger. Raises DockerfileError.
    """
    try:
        document = parse_fragment(trigger, where, escape)
        if len(document.instructions) != 1:
            raise DockerfileError(f"the ONBUILD trigger {short(trigger)!r} is not a single instruction")
        request = Request(document, document.instructions[0])
        refuse_forbidden(request, request.node.keyword)
        return type_instruction(document, request.node)
    except LamellaError as error:
        hint = error.hint or "the trigger comes from the base image: choose another one, or have it mended"
        raise type(error)(error.message, where=where, hint=hint) from None


def _unknown(request: Request) -> DockerfileError:
    keyword = request.node.keyword
    if not keyword:
        return request.refuse(
            "a continuation character with no instruction", f"remove the {request.document.escape} or the line"
        )
    written = request.document.source(request.node.keyword_span)
    hint = f"did you mean {nearest(written, INSTRUCTIONS)}?"
    if not written.isascii():
        hint += " There is a character in the word that only looks like a letter or a blank"
    return request.refuse(f"unknown instruction {short(written)!r}", hint)

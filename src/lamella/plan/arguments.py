"""ARGs that exist without being declared, and the global ones before the first FROM.

Source: the Dockerfile reference, "Predefined ARGs" and "Automatic platform ARGs in the global scope".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lamella.plan.stage import Plan, PlanOptions
from lamella.shell.words import analyse
from lamella.syntax.instructions import Arg
from lamella.syntax.nodes import Document

#: reach a RUN without being declared; they enter neither cache key nor history. Either case is passed.
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_QUIET = frozenset(PROXY_VARIABLES) | {name.lower() for name in PROXY_VARIABLES} | {"SOURCE_DATE_EPOCH"}


class GlobalArg(NamedTuple):
    name: str
    value: str | None


def predefined_args(options: PlanOptions) -> dict[str, str]:
    """The platform's ARGs: known in FROM, and in a stage once declared there. ``--build-arg`` may override them."""
    build, target = options.build_platform, options.target_platform
    values = {
        "BUILDPLATFORM": str(build),
        "BUILDOS": build.os,
        "BUILDOSVERSION": "",
        "BUILDARCH": build.architecture,
        "BUILDVARIANT": build.variant,
        "TARGETPLATFORM": str(target),
        "TARGETOS": target.os,
        "TARGETOSVERSION": "",
        "TARGETARCH": target.architecture,
        "TARGETVARIANT": target.variant,
        "TARGETSTAGE": options.target or "default",
    }
    given = dict(options.build_args)
    return {name: given.get(name, value) for name, value in values.items()}


def needs_no_declaration(name: str, options: PlanOptions) -> bool:
    """Whether a ``--build-arg`` of that name is fine in a Dockerfile that does not declare it."""
    return name in _QUIET or name.startswith("BUILDKIT_") or name in predefined_args(options)


def evaluate_global_args(document: Document, args: tuple[Arg, ...], options: PlanOptions) -> tuple[GlobalArg, ...]:
    """The ARGs before the first FROM; each sees those before it. Raises DockerfileError."""
    given = dict(options.build_args)
    known = predefined_args(options)
    result: list[GlobalArg] = []
    for instruction in args:
        where = document.where(instruction.node.line)
        for pair in instruction.args:
            value = given.get(pair.key)
            if value is None and pair.value is not None:
                value = analyse(pair.value, known.get, escape=document.escape, where=where).text
            if value is not None:
                known[pair.key] = value
            result.append(GlobalArg(pair.key, value))
    return tuple(result)


def global_values(options: PlanOptions, args: tuple[tuple[str, str | None], ...]) -> dict[str, str]:
    """What FROM sees, and what ``ARG NAME`` in a stage takes up."""
    return predefined_args(options) | {name: value for name, value in args if value is not None}


def plan_global_values(plan: Plan) -> Mapping[str, str]:
    return global_values(plan.options, plan.global_args)


def proxy_environment(options: PlanOptions) -> tuple[str, ...]:
    """``NAME=value`` in both cases of each proxy variable that was given."""
    given = {name.upper(): value for name, value in sorted(options.build_args) if name.upper() in PROXY_VARIABLES}
    return tuple(
        f"{spelling}={given[name]}" for name in PROXY_VARIABLES if given.get(name) for spelling in (name, name.lower())
    )

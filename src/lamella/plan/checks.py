"""``# check=skip=A,B|all;error=true``: which warnings are not wanted, and whether one stops the build.

Source: the Dockerfile reference, "check"; the build argument BUILDKIT_DOCKERFILE_CHECK says the same and wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lamella.errors import DockerfileError, LamellaError, UsageError
from lamella.plan.stage import Checks, PlanOptions, Warning_
from lamella.syntax.nodes import Document

_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")
_HINT = "write skip=RULE,RULE or skip=all, and error=true, with a semicolon in between"


class _Place(NamedTuple):
    """Where the words stand, for errors."""

    where: str
    error: type[LamellaError]


def parse_checks(document: Document, options: PlanOptions) -> Checks:
    """Raises DockerfileError at the directive, UsageError for the build argument."""
    given = dict(options.build_args).get(_ARGUMENT)
    if given is not None:
        return _parse(given, _Place(f"--build-arg {_ARGUMENT}", UsageError))
    for directive in document.directives:
        if directive.name == "check":
            return _parse(directive.value, _Place(document.where(directive.line), DockerfileError))
    return Checks()


def wanted(warnings: Iterable[Warning_], checks: Checks) -> tuple[Warning_, ...]:
    """Those that are not skipped. What has no rule's name cannot be."""
    return tuple(warning for warning in warnings if not checks.skips(warning.rule))


def _parse(text: str, place: _Place) -> Checks:
    checks = Checks()
    for option in text.strip().split(";") if text.strip() else ():
        key, equals, value = (part.strip() for part in option.partition("="))
        if not equals:
            raise place.error(f"{option.strip()!r} is no option of check", where=place.where, hint=_HINT)
        if key == "skip":
            names = frozenset(name.strip().lower() for name in value.split(","))
            checks = checks._replace(skip=names, skip_all=value == "all")
        elif key == "error":
            if value.lower() not in _TRUE + _FALSE:
                raise place.error(f"error={value} is neither true nor false", where=place.where, hint=_HINT)
            checks = checks._replace(error=value.lower() in _TRUE)
        elif key != "experimental":
            raise place.error(f"check has no option {key!r}", where=place.where, hint=_HINT)
    return checks

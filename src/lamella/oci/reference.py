"""Image references: ``[host[:port]/]repository[:tag][@digest]``.

Source: the grammar of distribution/reference, and Docker's familiar names (``alpine`` is
``docker.io/library/alpine:latest``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lamella.errors import ReferenceError_
from lamella.oci.digest import Digest

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MAX_REPOSITORY = 255


class Reference(NamedTuple):
    """A parsed reference; ``tag`` is None only where a digest stands alone."""

    domain: str
    repository: str
    tag: str | None
    digest: Digest | None

    def __str__(self) -> str:
        """The canonical form, with domain."""
        return f"{self.domain}/{self.repository}{self._suffix()}"

    @property
    def familiar(self) -> str:
        """As people write it: without ``docker.io/library/``."""
        return self.familiar_repository + self._suffix()

    @property
    def familiar_repository(self) -> str:
        if self.domain != DEFAULT_DOMAIN:
            return f"{self.domain}/{self.repository}"
        return self.repository.removeprefix("library/")

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return tag + (f"@{self.digest}" if self.digest is not None else "")


def parse_reference(text: str) -> Reference:
    """Raises ReferenceError_ with what is wrong and a hint."""
    rest, digest = text, None
    if "@" in rest:
        rest, _, digest_text = rest.partition("@")
        digest = Digest.parse(digest_text)
    name, tag = rest, None
    slash, colon = rest.rfind("/"), rest.rfind(":")
    if colon > slash:
        name, tag = rest[:colon], rest[colon + 1 :]
        if not _TAG.fullmatch(tag):
            raise ReferenceError_(f"{tag!r} is not a tag, in {text!r}", hint="tags are letters, digits, '_', '.', '-'")
    domain, repository = _split_domain(name)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in repository:
        repository = "library/" + repository
    if not _DOMAIN.fullmatch(domain) or not _REPOSITORY.fullmatch(repository):
        lower = repository != repository.lower()
        hint = "repository names are lower case" if lower else "a reference reads [registry/]name[:tag][@digest]"
        raise ReferenceError_(f"{text!r} is not an image reference", hint=hint)
    if len(repository) > _MAX_REPOSITORY:
        raise ReferenceError_(f"the name of {text[:40]!r}… is longer than {_MAX_REPOSITORY} characters")
    if tag is None and digest is None:
        tag = DEFAULT_TAG
    return Reference(domain, repository, tag, digest)


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return first, rest
    return DEFAULT_DOMAIN, name


def short_name(text: str) -> str:
    """How named contexts are called: ``alpine`` for ``docker.io/library/alpine:latest``; text that is no reference
    stays as it is."""
    try:
        return parse_reference(text).familiar.removesuffix(f":{DEFAULT_TAG}")
    except ReferenceError_:
        return text

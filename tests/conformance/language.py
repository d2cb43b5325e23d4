"""docs/language.md, made from the cases: what is covered by how many of them, who judged, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from casefile import Case

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language.md"
BEGIN = "<!-- From here to the end mark this page is made from tests/conformance: `make goldens` writes it again. -->\n"
END = "<!-- end -->\n"
#: the rows in the order of the page
ITEMS = (
    "parser directives", "comments", "continuation lines", "FROM", "ARG", "ENV", "LABEL", "expansion", "RUN",
    "RUN --mount", "RUN --mount=bind", "RUN --mount=cache", "RUN --mount=tmpfs", "RUN --mount=secret",
    "RUN --mount=ssh", "RUN --network", "RUN --security", "heredocs", "COPY", "ADD", "WORKDIR", "USER", "EXPOSE",
    "VOLUME", "CMD", "ENTRYPOINT", "SHELL", "STOPSIGNAL", "HEALTHCHECK", "MAINTAINER", "all of them", "ONBUILD",
    "ignore file", "build",
)  # fmt: skip


def made_part(cases: Iterable[Case], recorded: Mapping[str, Mapping[str, Any]]) -> str:
    """The tables, in Markdown."""
    cases = tuple(cases)
    judges = sorted({record["judge"] for record in recorded.values()})
    by_specification = sum(case.by_specification for case in cases)
    return (
        f"{len(cases)} Dockerfiles: {len(cases) - by_specification} judged by a real Docker ({', '.join(judges)}), "
        f"{by_specification} by the text of the specification, where that Docker is too old (*spec*).\n\n"
        + "| item | what | built | refused | of these by spec |\n|---|---|---:|---:|---:|\n"
        + "".join(_rows(cases))
        + "\n## Where the result is not that of Docker 26\n\n| what | why | cases |\n|---|---|---|\n"
        + "".join(_differences(cases))
    )


def _rows(cases: tuple[Case, ...]) -> Iterable[str]:
    built, refused, by_specification = (
        Counter[tuple[str, str]](),
        Counter[tuple[str, str]](),
        Counter[tuple[str, str]](),
    )
    for case in cases:
        for cover in case.covers:
            (refused if case.fails else built)[cover] += 1
            by_specification[cover] += case.by_specification
    before = ""
    for item, what in sorted(built | refused, key=lambda cover: (ITEMS.index(cover[0]), cover[1].lower())):
        numbers = (counter[item, what] or "" for counter in (built, refused, by_specification))
        name = f"`{item}`" if item != before and item[0].isupper() else item if item != before else ""
        yield f"| {name} | {_plain(what)} | " + " | ".join(map(str, numbers)) + " |\n"
        before = item


def _differences(cases: tuple[Case, ...]) -> Iterable[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        for what, why in case.differs:
            reasons.setdefault(("whether it builds" if what == "fails" else what, why), []).append(case.name)
    for (what, why), names in sorted(reasons.items(), key=lambda one: one[1]):
        yield f"| {what} | {_plain(why)} | {', '.join(names)} |\n"


def _plain(text: str) -> str:
    """The text with what Markdown would read as marks escaped."""
    return "".join("\\" + character if character in "\\`*_<>|#[]" else character for character in text)


def page(old: str, made: str) -> str:
    """The page with its made part exchanged."""
    head, _, rest = old.partition(BEGIN)
    return head + BEGIN + "\n" + made + "\n" + END + rest.partition(END)[2]

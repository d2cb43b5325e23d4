"""Findings of several files, and the formats they can be printed in."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from lamella.advice.protocol import Finding


class FileReport(NamedTuple):
    """``error`` is set, in place of findings, for a file that could not be read: message, ``file:line``, hint."""

    name: str
    findings: tuple[Finding, ...] = ()
    error: tuple[str, str | None, str | None] | None = None


def all_formats() -> tuple[str, ...]:
    """The modules of ``advice/formats``, ``text`` first."""
    import pkgutil

    from lamella.advice import formats

    names = [module.name for module in pkgutil.iter_modules(formats.__path__)]
    return tuple(sorted(names, key=lambda name: (name != "text", name)))


def render(reports: Sequence[FileReport], format_name: str) -> str:
    """Everything for stdout, without a last line ending; empty where there is nothing to say."""
    text: str = import_module(f"lamella.advice.formats.{format_name}").render(reports)
    return text

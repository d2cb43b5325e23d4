"""Go's durations and sizes."""

from __future__ import annotations

import pytest

from lamella.syntax.duration import parse_duration
from lamella.syntax.mounts import parse_boolean, parse_size


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("5s", 5_000_000_000),
        ("-1h", -3_600_000_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("1µs", 1_000),
        ("1\u03bcs", 1_000),
        (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("0.100000000000000000000h", 360_000_000_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("2562047h47m16.854775807s", 2**63 - 1),
        ("-2562047h47m16.854775808s", -(2**63)),
        ("00000000000000000000000001s", 1_000_000_000),
        # refused
        ("", None),
        ("+", None),
        ("3", None),
        ("s", None),
        (".s", None),
        ("1 s", None),
        ("1d", None),
        ("1s2", None),
        ("--1s", None),
        ("2562047h47m16.854775808s", None),
        ("99999999999999999999s", None),
        ("\u0661s", None),
    ],
)
def test_duration(text: str, nanoseconds: int | None) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("32", 32),
        ("32b", 32),
        ("32k", 32 * 1024),
        ("32KB", 32 * 1024),
        ("32KiB", 32 * 1024),
        ("1.5m", 1024 * 1024 * 3 // 2),
        ("2 GB", 2 * 1024**3),
        ("1t", 1024**4),
        ("", None),
        ("m", None),
        ("-1m", None),
        ("1x", None),
        ("1mm", None),
        ("1 m b", None),
    ],
)
def test_size(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("T", True), ("False", False), ("0", False), ("yes", None), ("tRUE", None), ("", None)],
)
def test_boolean(text: str, value: bool | None) -> None:
    assert parse_boolean(text) is value

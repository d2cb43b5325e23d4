"""``--chmod``: octal numbers and changes in symbols, against chmod(1) where the two agree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lamella.plan.mode import parse_mode

#: text, mode before, whether of a folder, mode after
CASES = [
    ("644", 0o777, False, 0o644),
    ("0755", 0o1644, True, 0o755),
    ("1777", 0o600, True, 0o1777),
    ("7777", 0, False, 0o7777),
    ("u=rwX,go=rX", 0o600, False, 0o644),
    ("u=rwX,go=rX", 0o700, False, 0o755),
    ("u=rwX,go=rX", 0o600, True, 0o755),
    ("a+rX", 0o600, True, 0o755),
    ("-X", 0o755, False, 0o644),
    ("u-x,+X", 0o744, False, 0o755),  # what was executable to begin with
    ("+x", 0o644, False, 0o755),
    ("a-w", 0o666, False, 0o444),
    ("g=u", 0o640, False, 0o660),
    ("go=u-w", 0o750, False, 0o755),
    ("o=", 0o757, False, 0o750),
    ("=", 0o755, False, 0),
    ("go=", 0o755, False, 0o700),
    ("u+s", 0o755, False, 0o4755),
    ("g+s", 0o755, True, 0o2755),
    ("+s", 0o755, False, 0o6755),
    ("o+s", 0o755, False, 0o755),
    ("+t", 0o777, True, 0o1777),
    ("a-t", 0o1777, True, 0o777),
    ("u=rw", 0o4755, False, 0o655),
    ("ug+rw,o-r", 0o404, False, 0o660),
    ("u=rg", 0o070, False, 0o770),
    ("u+", 0o640, False, 0o640),
]


@pytest.mark.parametrize(("text", "before", "is_folder", "after"), CASES)
def test_modes(text: str, before: int, is_folder: bool, after: int) -> None:
    mode = parse_mode(text)
    assert mode is not None
    assert oct(mode.apply(before, is_folder)) == oct(after)


@pytest.mark.parametrize(
    "text", ["", "8", "10000", "rwx", "u", "u~x", "u=rz", "u+x,", ",u+x", "755,u+x", "0o755", "null", "u=rw go=r"]
)
def test_what_is_no_mode(text: str) -> None:
    assert parse_mode(text) is None


def test_changes_mean_what_chmod_means(tmp_path: Path) -> None:
    """Without the sticky bit, which POSIX leaves open for users, and with X where nothing before has changed x."""
    file = tmp_path / "f"
    file.touch()
    rights = ("r", "rw", "rwx", "X", "xs", "s", "g", "u", "o", "")
    for who in ("u", "g", "o", "ug", "a", "go"):
        for operator in "+-=":
            for right in rights:
                text = f"{who}{operator}{right},u+r"
                for before in (0o640, 0o4711, 0o2070):
                    file.chmod(before)
                    subprocess.run(["chmod", "--", text, str(file)], check=True)
                    mode = parse_mode(text)
                    assert mode is not None
                    assert (text, oct(mode.apply(before, False))) == (text, oct(file.stat().st_mode & 0o7777))

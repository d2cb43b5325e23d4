"""With which subordinate ids the files in a store were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.errors import MachineError
from lamella.snapshot.idmap import keep_map
from lamella.userns.standing import MAPPED, Range, Standing


def _standing(*ranges: tuple[int, int, int]) -> Standing:
    laid = (Range(0, 1001, 1), *(Range(*one) for one in ranges))
    return Standing(MAPPED, laid, laid)


def test_the_same_and_more_behind_it(tmp_path: Path) -> None:
    for ranges in ([(1, 100000, 10)], [(1, 100000, 10)], [(1, 100000, 20)], [(1, 100000, 20), (21, 300000, 5)]):
        keep_map(str(tmp_path), _standing(*ranges))


@pytest.mark.parametrize("other", [[(1, 200000, 10)], [(1, 100000, 5)], [], [(1, 99999, 20)], [(2, 100000, 20)]])
def test_others(tmp_path: Path, other: list[tuple[int, int, int]]) -> None:
    keep_map(str(tmp_path), _standing((1, 100000, 10)))
    with pytest.raises(MachineError, match="other subordinate ids"):
        keep_map(str(tmp_path), _standing(*other))


def test_a_note_that_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("what is this")
    with pytest.raises(MachineError):
        keep_map(str(tmp_path), _standing((1, 100000, 10)))

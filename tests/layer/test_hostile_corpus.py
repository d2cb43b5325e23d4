"""The corpus of hostile layers by every road: indexed, merged, unpacked over files, unpacked for overlayfs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import Case, cases, lower_layer
from roads import NAME, indexed, merged, mounted, unpack
from treeview import difference

from lamella.errors import ImageInvalid
from lamella.filetree.entry import Entry
from lamella.filetree.tree import resolved

CASES = cases()


@pytest.fixture(scope="module")
def arena(fresh: Callable[[], Path]) -> Path:
    """A folder with a canary in it, beside which targets are made."""
    folder = fresh()
    (folder / "canary" / "sub").mkdir(parents=True)
    (folder / "canary" / "file").write_bytes(b"as it was")
    (folder / "canary" / "sub" / "other").write_bytes(b"other")
    return folder


def outside(arena: Path) -> list[object]:
    """The canary to the last time stamp, and every name beside it and beside that."""
    found: list[object] = [sorted(os.listdir(arena)), sorted(os.listdir("/"))]
    for path in (arena / "canary", *sorted((arena / "canary").rglob("*"))):
        about = path.lstat()
        found.append((about.st_mode, about.st_nlink, about.st_uid, about.st_mtime_ns, about.st_ctime_ns, path))
        found.append(path.read_bytes() if path.is_file() else b"")
    passwd = Path("/etc/passwd").read_bytes()
    return [*found, b"root:" in passwd, b"evil" in passwd, os.path.lexists("/etc/x"), os.path.lexists("/x")]


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) > 200
    assert 80 < sum(case.refused for case in CASES.values()) < len(CASES) - 80


def test_every_case_was_shown_to_the_judges() -> None:
    """What they say is read by people; see record_hostile.py."""
    table = (Path(__file__).parent.parent / "data" / "hostile" / "judges.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(CASES)
    assert "not asked" not in table


@pytest.fixture(scope="module")
def lower() -> tuple[bytes, list[Entry]]:
    raw = lower_layer()
    return raw, indexed(raw)


def check_refusal(error: ImageInvalid, case: Case) -> None:
    text = str(error)
    assert NAME in text
    assert case.path in text
    assert case.says in text
    assert text.isprintable()


@pytest.mark.parametrize("name", CASES)
def test_index_and_merge(name: str, lower: tuple[bytes, list[Entry]]) -> None:
    case = CASES[name]
    raw = case.layer("/c/canary")
    if case.tree is None:
        with pytest.raises(ImageInvalid) as caught:
            merged([lower[1], indexed(raw)])
        check_refusal(caught.value, case)
    else:
        assert difference(merged([lower[1]]), merged([lower[1], indexed(raw)]), "/c/canary") == case.tree


@pytest.mark.root
@pytest.mark.parametrize("name", CASES)
def test_unpacked_over_files(
    name: str, arena: Path, lower: tuple[bytes, list[Entry]], seen: Callable[..., dict[str, Entry]]
) -> None:
    case = CASES[name]
    raw = case.layer(str(arena / "canary"))
    target = arena / "target"
    target.mkdir()
    unpack(lower[0], target, None, "apply")
    before = outside(arena)
    try:
        if case.tree is None:
            with pytest.raises(ImageInvalid) as caught:
                unpack(raw, target, None, "apply")
            check_refusal(caught.value, case)
        else:
            unpack(raw, target, None, "apply")
            after = seen(target, root=True)
            assert difference(merged([lower[1]]), after, str(arena / "canary")) == case.tree
        assert outside(arena) == before
    finally:
        _erase(target)


@pytest.mark.root
@pytest.mark.parametrize("name", CASES)
def test_unpacked_for_overlayfs(
    name: str, arena: Path, lower: tuple[bytes, list[Entry]], seen: Callable[..., dict[str, Entry]]
) -> None:
    case = CASES[name]
    raw = case.layer(str(arena / "canary"))
    for part in ("target", "below", "empty", "mount"):
        (arena / part).mkdir()
    unpack(lower[0], arena / "below", None, "overlay")
    tree = merged([lower[1]])
    before = outside(arena)
    try:
        if case.tree is None:
            with pytest.raises(ImageInvalid) as caught:
                unpack(raw, arena / "target", tree, "overlay")
            check_refusal(caught.value, case)
        else:
            unpack(raw, arena / "target", tree, "overlay")
            with mounted([arena / "target", arena / "below", arena / "empty"], arena / "mount"):
                after = seen(arena / "mount", root=True)
            assert difference(tree, after, str(arena / "canary")) == case.tree
        assert outside(arena) == before
    finally:
        for part in ("target", "below", "empty", "mount"):
            _erase(arena / part)


def _erase(folder: Path) -> None:
    from lamella.snapshot.erase import erase

    erase(str(folder))
    assert not os.path.lexists(folder)


@pytest.mark.root
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.refused])
def test_without_privileges_the_same_paths(name: str, arena: Path, seen: Callable[..., dict[str, Entry]]) -> None:
    """Devices apart, which only root can make."""
    raw = CASES[name].layer(str(arena / "canary"))
    (arena / "target").mkdir()
    before = outside(arena)
    try:
        unpack(raw, arena / "target", None, "apply", privileged=False)
        found = seen(arena / "target")
        assert outside(arena) == before
    finally:
        _erase(arena / "target")
    expected = merged([indexed(raw)])
    kinds = {path: resolved(expected, entry).kind for path, entry in expected.items() if path}
    assert {path for path, kind in kinds.items() if kind not in "bc"} == set(found)

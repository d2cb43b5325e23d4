"""Choosing passes, and what happens to a pass that does not keep its promises."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lamella.errors import DockerfileError, InputError, UsageError
from lamella.rewrite import runner
from lamella.rewrite.difftext import unified_diff
from lamella.rewrite.passes import join_runs
from lamella.rewrite.protocol import SAFE, UNSAFE, Change, Pass, PassResult, Scope
from lamella.rewrite.runner import all_passes, choose, rewrite
from lamella.syntax.edits import Edit
from lamella.syntax.instructions import TypedInstruction
from lamella.syntax.nodes import Document, Span
from lamella.syntax.parser import parse
from lamella.syntax.typed import type_document

TEXT = "FROM a\nRUN b\nRUN c\n"


def test_passes_are_found_and_well_formed() -> None:
    passes = all_passes()
    assert "join-runs" in [each.name for each in passes]
    assert len({each.name for each in passes}) == len(passes)
    assert [each.order for each in passes] == sorted(each.order for each in passes)
    for each in passes:
        assert re.fullmatch(r"[a-z][a-z-]+", each.name)
        assert each.kind in ("safe", "declared", "unsafe")
        assert each.summary


@pytest.mark.parametrize(
    ("only", "skip", "changed"),
    [
        ((), (), True),
        (("join-runs",), (), True),
        (("consecutive-runs",), (), True),
        ((), ("join-runs",), False),
        ((), ("consecutive-runs",), False),
        (("join-runs",), ("join-runs",), False),
    ],
)
def test_only_and_skip(only: tuple[str, ...], skip: tuple[str, ...], changed: bool) -> None:
    result = rewrite(parse(TEXT), only=only, skip=skip)
    assert result.changed == changed
    assert result.layers == int(changed)
    assert [stage.pass_name for stage in result.history] == ["join-runs"] * changed
    assert (result.text == TEXT) != changed


def test_wrong_names_and_input() -> None:
    with pytest.raises(UsageError, match="no fix 'nonsense'"):
        choose(("nonsense",), (), False)
    with pytest.raises(UsageError, match="no fix 'nonsense'"):
        choose((), ("nonsense",), False)
    with pytest.raises(DockerfileError, match="RUM"):
        rewrite(parse("FROM a\nRUM b\n"))
    with pytest.raises(InputError, match="no stage"):
        rewrite(parse(TEXT), scope=Scope(target="z"))


def test_scope_reaches_the_pass() -> None:
    text = "FROM a AS one\nRUN b\nRUN c\nFROM d\nRUN e; f\nRUN g\n"
    assert rewrite(parse(text), scope=Scope(target="one")).text.startswith(
        "FROM a AS one\nRUN b \\\n    && c\nFROM d\nRUN e"
    )
    assert rewrite(parse(text), scope=Scope(shell=("/bin/sh", "-ec"))).text.endswith("RUN e; f; \\\n    g\n")


def fake(replacement: str, *, kind: str = SAFE, wrong: str | None = None) -> Pass:
    """A pass that writes ``replacement`` over the last line, again and again."""

    def apply(document: Document, typed: tuple[TypedInstruction, ...], scope: Scope) -> PassResult:
        node = typed[-1].node
        return PassResult((Edit(node.span, replacement),), (Change("fake", (node.line, node.end_line), "did it", 1),))

    return Pass("fake", 1, kind, "a pass", (), apply, lambda before, after, scope: wrong)


@pytest.mark.parametrize(
    ("each", "reason"),
    [
        (fake("RUM x\n"), "cannot be read"),
        (fake("COPY <<E /x\n"), "cannot be read"),
        (fake("RUN x\n", wrong="it is odd"), "it is odd"),
        (fake("RUN x\nRUN y\n"), "changed again"),
    ],
)
def test_a_result_that_is_not_good_is_dropped(each: Pass, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "all_passes", lambda: (each,))
    result = rewrite(parse(TEXT))
    assert not result.changed
    assert not result.changes
    [left] = result.left
    assert reason in left.reason


def test_unsafe_passes_have_to_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "all_passes", lambda: (fake("RUN x\n", kind=UNSAFE),))
    assert choose((), (), False) == ()
    assert len(choose((), (), True)) == 1
    assert choose(("fake",), (), False) == ()


@pytest.mark.parametrize(
    ("after", "wrong"),
    [
        ("FROM a\nRUN b \\\n    && c\n", None),
        ("FROM a\nRUN b && c\n", None),
        ("FROM a\nRUN b || c\n", "body"),
        ("FROM a\nRUN c && b\n", "body"),
        ("FROM a\nRUN b && c\nCMD x\n", "other than RUN"),
        ("FROM x\nRUN b && c\n", "other than RUN"),
        ("FROM a\nRUN b\nRUN c\n", "body"),
    ],
)
def test_the_last_check_sees_what_is_wrong(after: str, wrong: str | None) -> None:
    found = join_runs.verify(parse(TEXT), parse(after), Scope())
    assert (found is None) if wrong is None else (found is not None and wrong in found)


def test_the_last_check_misses_a_comment() -> None:
    before = parse("FROM a\nRUN b\n# important\nRUN c\n")
    assert join_runs.verify(before, parse("FROM a\nRUN b && c\n"), Scope()) == "a comment is lost"


def test_edits_of_a_pass_do_not_touch_the_rest() -> None:
    document = parse("# keep   \n\nFROM a\nRUN b\nRUN c   \n\n   # and this\nCMD   x")
    [edit] = join_runs.apply(document, type_document(document), Scope()).edits
    assert edit.span == Span(document.text.index("b"), document.text.index("\n   # and"))


@pytest.mark.parametrize("text", [TEXT, "FROM a\nRUN b\nRUN c", "FROM a\nRUN b\nEXPOSE 1\nRUN c\n# end\n"])
def test_the_diff_can_be_applied(text: str, tmp_path: Path) -> None:
    result = rewrite(parse(text))
    diff = unified_diff(text, result.text, "docker/Dockerfile")
    assert diff.startswith("--- a/docker/Dockerfile\n+++ b/docker/Dockerfile\n")
    patch = shutil.which("patch") or shutil.which("git")
    if patch is None:
        pytest.skip("neither patch nor git is installed")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/Dockerfile").write_bytes(text.encode())
    argv = [patch, "-p1"] if patch.endswith("patch") else [patch, "apply", "-"]
    subprocess.run(argv, cwd=tmp_path, input=diff.encode(), check=True, capture_output=True)
    assert (tmp_path / "docker/Dockerfile").read_bytes() == result.text.encode()


def test_no_diff() -> None:
    assert unified_diff(TEXT, TEXT, "Dockerfile") == ""

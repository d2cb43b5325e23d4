"""How joined bodies are written: no more brackets than needed."""

from __future__ import annotations

import pytest

from lamella.shell.dialect import Dialect
from lamella.shell.join import MAX_BYTES, Joined, Refused, join_bodies

SH, BASH, STRICT = Dialect("sh"), Dialect("bash"), Dialect("sh", errexit=True)


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        (("a", "b && c", "d | e"), "a && b && c && d | e"),
        (("a;", "b # c"), "a && b"),
        (("a || b", "c; d"), "{ a || b; } && { c; d; }"),
        (("cd x", "A=1 && b"), "(cd x) && (A=1 && b)"),
        (("if a; then b; fi", "(c; d)", "{ e; f; }"), "if a; then b; fi && (c; d) && { e; f; }"),
        (("(cd x); y", "(a) || cd z"), "{ (cd x); y; } && ( (a) || cd z )"),
        (("a", "set -e; b; c"), "a && (set -e; b; c)"),
        (("set -e && a", "b"), "(set -e && a) && b"),
        (("set -e; a; b", "c"), "set -e; (set -e; a; b); c"),
        (("set -e; a; b", "c; d", "e"), "set -e; (set -e; a; b); (set +e; c; d); e"),
        (("set -e; a; b", "c && d", "e && f"), "set -e; (set -e; a; b); (c && d); e && f"),
        (("set -e; a; b", "! c", "echo $-"), "set -e; (set -e; a; b); (! c); (set +e; echo $-)"),
        (("eval a; b", "c"), "set -e; (set +e; eval a; b); c"),
        (("pip a", "pip b", "pip c"), "pip a && hash -r && pip b && hash -r && pip c"),
        (("(pip a)", "pip b"), "(pip a) && pip b"),
        (("apt-get a", "apt-get b", "/x/pip a", "/x/pip b"), "apt-get a && apt-get b && /x/pip a && /x/pip b"),
        (("pip a", "cd x && pip b", "$X"), "pip a && hash -r && (cd x && pip b) && ($X)"),
        (("pip a", "eval b"), "pip a && hash -r && (eval b)"),
    ],
)
def test_sh(bodies: tuple[str, ...], text: str) -> None:
    joined = join_bodies(bodies, SH)
    assert isinstance(joined, Joined), joined
    assert joined.text == text


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        (("a && b", "c"), "a && b && c"),
        (("a", "b; c"), "a && { b; c; }"),
        (("a; b", "c; d"), "a; b; c; d"),
        (("a; b && c", "d"), "(a; b && c); d"),
        (("cd x; a", "b"), "(cd x; a); b"),
        (("set +e; a; b", "c"), "(set +e; a; b); c"),
    ],
)
def test_shell_with_errexit(bodies: tuple[str, ...], text: str) -> None:
    joined = join_bodies(bodies, STRICT)
    assert isinstance(joined, Joined), joined
    assert joined.text == text


@pytest.mark.parametrize(
    ("body", "known", "refused"),
    [
        ("set -u; echo $A", (), True),
        ("set -u; echo $A", ("A",), False),
        ("set -u; A=1; echo $A $PATH ${B:-} ${C+x} $? $#", (), False),
        ("set -u; echo $A; A=1", (), True),
        ("set -u; for f in *; do echo $f; done", (), False),
        ("set -o nounset; test $((A + 1))", (), True),
        ("cd x; echo $A", (), False),
        ("cd x; echo ${A:?no}", (), True),
        ("echo ${A:?no}", (), False),
        ("set -eux; apt-get update", (), False),
    ],
)
def test_bash_tells_an_unset_variable_by_its_status(body: str, known: tuple[str, ...], refused: bool) -> None:
    assert isinstance(join_bodies([body, "b"], BASH, known=frozenset(known)), Refused) == refused
    assert isinstance(join_bodies([body, "b"], SH), Joined)


def test_refusal_names_the_body() -> None:
    assert join_bodies(["a", "b", "sleep 1 &"], SH) == Refused(
        "it starts a background job (&), which ends with its RUN", 2
    )


def test_longer_than_an_argument_may_be() -> None:
    half = "echo " + "x" * (MAX_BYTES // 2)
    assert isinstance(join_bodies([half, half], SH), Refused)
    assert isinstance(join_bodies([half, "true"], SH), Joined)

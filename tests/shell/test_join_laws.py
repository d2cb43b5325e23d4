"""Laws of joining, on bodies made up by Hypothesis and executed in real shells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from effort import usually
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from lamella.shell.dialect import Dialect
from lamella.shell.join import Joined, Refused, join_bodies, read_body
from lamella.shell.script import Script

SH = Dialect("sh")
QUICK = settings(
    max_examples=usually(50, 100), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

simple = st.sampled_from(
    [
        "true",
        "false",
        "echo a >> log",
        'echo "$x[$HOME]" >> log',
        "echo $? >> log",
        "echo $(pwd | sed 's/.*root//') >> log",
        "sh -c 'exit 5'",
        "mkdir d",
        "cd d",
        "cd ..",
        "x=1",
        "export x=2",
        "unset HOME",
        "umask 077",
        "touch new",
        "set -e",
        "set -ex",
        "set +e",
        "set -u",
        "set -f",
        "exit 3",
        "exit",
        "exec true",
        "trap 'echo bye >> log' EXIT",
        "echo y=$(false; echo $-) | tr -d is >> log",
        "eval 'x=3; set -e'",
        "f() { echo f >> log; false; echo g >> log; }",
        "f",
        "! false",
        "! true",
        "[ -f log ]",
        "false | true",
        "true | false",
        "echo '; && #' >> log",
        "read x < log",
        "set -- a b",
        "echo $# >> log",
        ": ${x:=7}",
        "test $((x += 1)) -gt 0",
        "touch 'a b' *.none",
        "cd d > out",
        "mkdir e && cd e 2> err",
        "x=5 > out",
        "umask 027 2>&1",
        "! cd d > out",
    ]
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(" && ".join),
        pair.map(" || ".join),
        pair.map("; ".join),
        pair.map(lambda two: f"{two[0]} > out && {two[1]} < /dev/null | cat >> log2"),
        pair.map(lambda two: f"{two[0]} | cat && {two[1]} >> log || true"),
        pair.map(lambda two: f"if {two[0]}; then {two[1]}; fi"),
        pair.map(lambda two: f"if {two[0]}; then {two[1]}; else echo else >> log; fi"),
        inner.map(lambda one: f"({one})"),
        inner.map(lambda one: f"{{ {one}; }}"),
        inner.map(lambda one: f"for x in 1 2; do {one}; done"),
        inner.map(lambda one: f"case $x in 1) {one};; *) true;; esac"),
        inner.map(lambda one: f"({one}) | cat"),
        inner.map(lambda one: f'echo "$({one})" >> log'),
    )


body = st.one_of(
    st.recursive(simple, compound, max_leaves=5),
    st.tuples(st.sampled_from(["set -e; ", "set -eu; ", ""]), st.lists(simple, min_size=1, max_size=4)).map(
        lambda parts: parts[0] + "; ".join(parts[1])
    ),
    st.tuples(simple, st.sampled_from(["; ", " ;", " # end", "; # end && true"])).map("".join),
)

#: not only what a grammar thinks of: pieces in any order, as far as shells take them
TOKENS = (
    ">> log;| cat;2> err;cd d > out;"
    "true;false;echo a >> log;echo b>>log;&&;||;SEMI;(;);{;};!;if;then;else;fi;do;done;';\";\\;#;|;cd d;x=1;"
    "echo $x >> log;exit 3;set -e;set +e;case x in;x);esac;$(;`;for i in 1 2;$((1+1));[;];break;mkdir -p d;<;log;>;"
    "not_a_command;${x:-y};export x=2;f();f"
)
soup = st.lists(st.sampled_from(TOKENS.split(";")), min_size=2, max_size=8).map(
    lambda words: " ".join(words).replace("SEMI", ";")
)

Run = Callable[[Sequence[str], Sequence[str]], Any]


@QUICK
@given(bodies=st.lists(body, min_size=2, max_size=4), pick=st.integers(0, 3))
@example(bodies=["set -e; false; echo no >> log", "echo b >> log"], pick=0)
@example(bodies=["false || true; mkdir d && cd d", "set -e; true", "echo c >> log"], pick=1)
def test_joined_does_the_same(
    bodies: list[str], pick: int, run_bodies: Run, posix_shells: dict[str, tuple[str, ...]]
) -> None:
    joined = join_bodies(bodies, SH)
    assume(isinstance(joined, Joined))
    assert isinstance(joined, Joined)
    _compare(bodies, joined, pick, run_bodies, posix_shells)


@QUICK
@given(bodies=st.lists(soup, min_size=2, max_size=3), pick=st.integers(0, 3))
def test_whatever_is_read_is_read_as_shells_do(
    bodies: list[str], pick: int, run_bodies: Run, posix_shells: dict[str, tuple[str, ...]]
) -> None:
    """Bodies that the parser takes although no shell does must not pass for something else when joined."""
    readable = [body for body in bodies if isinstance(read_body(body, SH), Script)]
    assume(readable)
    joined = join_bodies([*readable, "echo end >> log"], SH)
    assume(isinstance(joined, Joined))
    assert isinstance(joined, Joined)
    shell = [*posix_shells.values()][pick % len(posix_shells)]
    assume(all(run_bodies((*shell[:-1], "-n", "-c"), [body]).status == 0 for body in readable))
    _compare([*readable, "echo end >> log"], joined, pick, run_bodies, posix_shells)


def _compare(
    bodies: list[str], joined: Joined, pick: int, run_bodies: Run, posix_shells: dict[str, tuple[str, ...]]
) -> None:
    """Two ends of a pipe may write to one file, so a body may have several outcomes: the joined one has one of them."""
    name = [*posix_shells][pick % len(posix_shells)]
    possible = []
    for _ in range(8):
        possible.append(run_bodies(posix_shells[name], bodies))
        after = run_bodies(posix_shells[name], [joined.text])
        if any(_same(name, before, after) for before in possible):
            return
    assert after == possible[0], (name, joined.text)


def _same(name: str, before: Any, after: Any) -> bool:
    if name == "bash as sh" and before.status in (1, 2, 127):
        return bool(after.tree == before.tree and after.status)  # bash alone has two numbers: see test_join_table
    return bool(after == before)


@settings(max_examples=usually(100, 200), deadline=None, derandomize=True)
@given(bodies=st.lists(body, min_size=1, max_size=4))
def test_a_joined_body_can_be_read_again(bodies: list[str]) -> None:
    joined = join_bodies(bodies, SH)
    assume(isinstance(joined, Joined))
    assert isinstance(joined, Joined)
    assert isinstance(read_body(joined.text, SH), Script)
    again = join_bodies([joined.text], SH)
    assert isinstance(again, Joined)
    assert again.parts[0].script.source == joined.text


@settings(max_examples=usually(100, 300), deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    result = join_bodies([text, "true"], SH)
    assert isinstance(result, (Joined, Refused))
    if isinstance(result, Joined):
        assert result.parts[0].script.source in text

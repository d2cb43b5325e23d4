"""What the view over a body sees, and what it does not believe."""

from __future__ import annotations

import pytest

from lamella.shell.node import Unreadable
from lamella.shell.script import Script, read_script
from lamella.shell.tree import read_tree


def script(text: str) -> Script:
    found = read_script(text)
    assert isinstance(found, Script), found
    return found


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("make && echo a | tee b", ()),
        ("(cd x; A=1; set -e)", ()),
        ("echo $(cd x; pwd) `umask 0`", ()),
        ("cd x | cat", ()),
        ("A=1 make", ()),
        ("[ -f cd ] && test -d export", ()),
        ("echo cd && echo 'cd x'", ()),
        ('$HOME/bin/x && "$DIR/y" && ./z', ()),
        ("time make && command make && command -v cd", ()),
        ("cd x && cd y", ("cd",)),
        ("cd x > log && a < in | b", ("cd",)),
        ("> log; a || > log2", ()),
        ("a || A=1 && b 2>/dev/null | c", ("A=",)),
        ("! cd x > y && a", ("cd",)),
        ("A=1 B=2; C=3", ("A=", "B=", "C=")),
        ("export A=1", ("export", "A=")),
        ("if true; then umask 0; fi", ("umask",)),
        ("while read x; do y; done", ("read",)),
        ("for i in a; do b; done", ("i=",)),
        ("{ trap x EXIT; }", ("trap",)),
        ("f() { true; }", ("function f",)),
        ("time cd x; command -p cd y; builtin cd z", ("cd",)),
        ("'cd' x; \\cd y; c\"d\" z", ("cd",)),
        ("$X y", ("a computed command",)),
        ("`echo cd` y", ("a computed command",)),
        (": ${A:=1} ${B-2}", ("${A:=1}",)),
        ("echo $((i += 1)) $((i == 1)) $((j++))", ("$((i += 1))", "$((j++))")),
        ("printf -v a b; printf '%s' -v", ("printf -v",)),
        ("A=1 :", ("A=",)),
        (". ./x; source y; eval z; exec 3>f", (".", "source", "eval", "exec")),
        ("> f echo a; < f cd x", ("cd",)),
        ("[[ a =~ b ]]", ("BASH_REMATCH=",)),
    ],
)
def test_changes_of_the_own_shell(text: str, changes: tuple[str, ...]) -> None:
    assert script(text).changes == changes


@pytest.mark.parametrize(
    ("text", "listed", "plain"),
    [
        ("a", False, True),
        ("a && b | c && ! d > e 2>&1", False, True),
        ("a && b $(c) > $(d)", False, True),
        ("a && b $(c; d)", False, False),
        ("a && (b)", False, False),
        ("a && eval b", False, False),
        ("$A && b", False, False),
        ("if a; then b; fi", False, False),
        ("{ a; b; }", False, False),
        ("a;", False, True),
        ("a; b", True, False),
        ("a || b", True, False),
        ("a && b || c > d", True, False),
        ("a || b && c", True, False),
        ("a &", True, False),
    ],
)
def test_shape(text: str, listed: bool, plain: bool) -> None:
    found = script(text)
    assert (found.listed, found.plain) == (listed, plain)


def test_commands_and_their_words() -> None:
    found = script("FOO=1 apt-get install -y \"a b\" c'd' $E \"f$G\" > log 2>&1 h && cat < in | tee -a 'x y'")
    install, cat, tee = found.commands
    assert install.name == "apt-get"
    assert install.words == ("install", "-y", "a b", "cd", None, None, "h")
    assert install.assigns == ("FOO",)
    assert install.redirects == ("log", "1")
    assert install.own_shell
    assert (cat.name, cat.redirects, cat.own_shell) == ("cat", ("in",), False)
    assert tee.words == ("-a", "x y")
    assert found.text[install.start : install.end].startswith("FOO=1 apt-get install")


@pytest.mark.parametrize(
    ("text", "source", "comment"),
    [
        ("a; b ;  ", "a; b", None),
        ("a # b", "a", "# b"),
        ("ä; ö # ü", "ä; ö", "# ü"),
        ("echo '한국' && b\\;c;#d", "echo '한국' && b\\;c", "#d"),
    ],
)
def test_bounds(text: str, source: str, comment: str | None) -> None:
    found = script(text)
    assert found.source == source
    assert (None if found.comment is None else text[found.comment :]) == comment


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("echo 'a", 4),
        ("\\ \\ echo a", 0),
        ("true; }", 6),
        ("! { true; }", 2),
        ("then", 0),
        ("[ a && b ]", 4),
        ("[ a | b ]", 4),
        ("a;;b", 0),
        ("> a ` ` # b", 8),
        ("a\0b", 1),
        ("a\rb", 1),
        ("", 0),
        ("# a", 0),
        ("a && ", 4),
        ("{ " * 250 + "a" + "; }" * 250, None),
        ("a " * 150_000, 200_000),
    ],
)
def test_not_believed(text: str, offset: int | None) -> None:
    found = read_script(text)
    assert isinstance(found, Unreadable), found
    assert found.reason
    assert offset is None or found.offset == offset


def test_the_tree_covers_the_text() -> None:
    text = (
        'if [ -f "$A" ]; then for x in a b; do echo ${x:-y} $((1 + 2)) >> "f $(g | h)"; done; fi; é="ü" j && k || (l)'
    )
    root = read_tree(text)
    assert not isinstance(root, Unreadable)
    assert (root.start, root.end) == (0, len(text))
    for node in root.walk():
        starts = [child.start for child in node.children]
        assert starts == sorted(starts)
        assert all(node.start <= child.start <= child.end <= node.end for child in node.children)

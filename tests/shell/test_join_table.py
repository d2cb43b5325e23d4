"""RUN bodies, each executed before and after joining in real shells: equal files, equal exit status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from lamella.shell.dialect import DEFAULT_SHELL, Dialect, read_shell
from lamella.shell.join import Joined, Refused, join_bodies

BASH = ("/bin/bash", "-c")
PIPEFAIL = ("/bin/bash", "-o", "pipefail", "-c")
STRICT_BASH = ("/bin/bash", "-euo", "pipefail", "-c")
STRICT_SH = ("/bin/sh", "-ec")


class Case(NamedTuple):
    """``left`` is a part of the reason where the bodies must be left alone. ``shell`` are SHELL's words."""

    name: str
    bodies: tuple[str, ...]
    left: str = ""
    shell: tuple[str, ...] = DEFAULT_SHELL
    folder: str | None = None


def case(name: str, *bodies: str, left: str = "", shell: tuple[str, ...] = DEFAULT_SHELL) -> Case:
    return Case(name, bodies, left, shell)


SIMPLE = [
    case("two commands", "echo a > a", "echo b > b"),
    case("five commands", "echo 1 > f", "echo 2 >> f", "echo 3 >> f", "mkdir d", "mv f d/"),
    case("and lists", "mkdir d && echo a > d/a", "cp d/a d/b && rm d/a"),
    case("trailing semicolon", "echo a > a;", "echo b > b ;", "echo c > c"),
    case("trailing semicolon in a list", "echo a > a; echo b > b;", "echo c > c;"),
    case("extra blanks", "echo   a  >  a   &&   echo b > b  ", "echo c > c"),
    case("pipe", "printf 'b\\na\\n' | sort > s", "cat s | tr a-z A-Z | sort -r > t"),
    case("pipe whose first command fails", "false | echo a > a", "echo b > b"),
    case("pipe whose last command fails", "echo a | grep -q x", "echo b > b"),
    case("single and double quotes", "echo 'a && b; c' > a", 'echo "x || y # z" > b', "echo 'it'\"'\"'s' > c"),
    case("escaped operators", "echo a\\&\\&b\\;c\\|d > a", "echo \\# no comment > b"),
    case("escaped blanks", "echo a > x\\ y", "cat x\\ y > z\\ "),
    case("dollar in quotes", 'echo \'$GIVEN\' "$GIVEN" "\\$GIVEN" > a', "echo $GIVEN > b"),
    case("unicode", "echo 'grüß dich 안녕' > 안녕", "cat 안녕 > b && echo '→ && ←' >> b", "echo ä; echo ö > ö"),
    case("globbing", "touch a1 a2 b1", "rm a* && ls > list", "echo ? > one; echo [ab]* > two"),
    case("braces are words of their own", "mkdir -p x/{a,b}", "find x -type d | sort > list"),
    case("redirections", "echo a > f 2>&1 && echo b >> f", "cat < f > g; cat 2> e < nowhere; echo c >| g", "rm e"),
    case("redirection before the command", "> a echo x", "< a cat > b"),
    case("empty redirection", "> a", ": > b", "echo c > c"),
    case("negation that holds", "! false && echo a > a", "! grep -q x nowhere", "echo b > b"),
    case("negation that fails", "echo a > a", "! true", "echo b > b"),
    case("test command", "[ -f a ] || touch a", "[ -f a ] && [ ! -f b ] && touch b", "test -f b && touch c"),
    case("arithmetic", "echo $((1 + 2 * 3)) > a", "test $((7 % 4)) -eq 3 && echo $((1 << 4)) $((1 & 3)) > b"),
    case("command substitution", "echo $(echo a; echo b) > a", 'echo `echo c` > b && test "$(cat b)" = c'),
    case("substitution that fails", "x=$(false; echo a) && echo $x > a", "echo $(exit 3) b > b", "echo c > c"),
    case("awk and sed programs", "printf '1 2\\n3 4\\n' > f", "awk '{ print $2; s += $1 } END { print s }' f > g"),
    case("find -exec", "touch a.o b.c", "find . -name '*.o' -exec rm {} \\;", "find . -name '*.c' -exec touch c +"),
    case("prefix assignment", "A=1 sh -c 'echo $A' > a", 'echo "[$A]" > b'),
    case("symlinks and modes", "touch f && chmod 640 f", "ln -s f l && chmod u+x f", "ln f h; chmod 4755 h"),
    case("a name with equals sign", "echo a=b > a", "env A=b sh -c 'echo $A' > b"),
]

LISTS = [
    case("or that is taken", "false || echo a > a", "echo b > b"),
    case("or that is not taken", "true || echo a > a", "echo b > b"),
    case("or in the second body", "echo a > a", "echo b > b || echo c > c"),
    case("or after a failure", "sh -c 'exit 4'", "true || true", "echo c > c"),
    case("or at the end of a chain", "false && echo a > a || echo b > b", "false || false || echo c > c", "echo d > d"),
    case("or true", "rm nothing || true", "echo a > a"),
    case("semicolon hides a failure", "false; echo a > a", "echo b > b"),
    case("semicolon ends with a failure", "echo a > a; false", "echo b > b"),
    case("semicolon in the last body", "echo a > a", "false; echo b > b; false"),
    case("mixed", "a=1; echo $a > a || b; false && echo x > x; echo y > y", "echo b > b; echo c > c && false || true"),
    case("group", "{ echo a; echo b; } > a", "{ false || echo c; } >> a && echo d >> a"),
    case("group with a cd", "mkdir d && { cd d; echo a > a; }", "echo b > b"),
    case("subshell", "(echo a; echo b) > a", "mkdir d && (cd d && echo c > c)", "echo d > d"),
    case("subshell at the start of a list", "(exit 1) || echo a > a", "(true) && (echo b > b)", "(echo c); echo d > d"),
    case("nested subshells", "( (echo a) > a)", "( (echo b); (echo c) ) > b", "(echo d > d)"),
]

COMPOUND = [
    case("if", "if [ ! -f a ]; then touch a; else touch b; fi", "if [ -f a ]; then echo x > a; fi", "touch c"),
    case("if with a list before", "x=1; if true; then echo $x > a; fi", 'echo "[$x]" > b'),
    case("if without else that is not taken", "if false; then touch a; fi", "touch b"),
    case("if whose body fails", "if true; then false; fi", "touch b"),
    case(
        "case", "case $GIVEN in *image) touch a;; *) touch b;; esac", "case x in (y) ;; a|b) touch c ;; esac; touch d"
    ),
    case("for", "for f in a b c; do touch $f; done", 'echo "[$f]" > f', "for f in *; do echo $f; done > list"),
    case(
        "for in the first and last body", "for i in 1 2; do echo $i >> n; done", "for i in 3 4; do echo $i >> n; done"
    ),
    case("while read", "printf 'a\\nb\\n' > l", 'while read line; do touch "x$line"; done < l', 'echo "[$line]" > o'),
    case(
        "while and break", "i=0; while true; do i=$((i+1)); [ $i = 3 ] && break; done; echo $i > i", 'echo "[$i]" > j'
    ),
    case("until", "until [ -f a ]; do touch a; done", "touch b"),
    case("loop at the end of a pipe", "printf 'a\\nb\\n' | while read x; do touch $x; done", 'echo "[$x]" > o'),
    case("function", "f() { echo $1 >> log; }; f a; f b", "f c || echo none >> log", "echo end >> log"),
    case("function that fails", "f() { false; echo x >> log; return 3; }; f", "touch b"),
    case("function named as a command", "cat() { echo mine; }; cat > a", "echo theirs > b; cat b > c"),
    case("continue", "for i in 1 2 3; do [ $i = 2 ] && continue; touch $i; done", "touch end"),
]

STATE = [
    case("cd", "mkdir d && cd d && touch a", "touch b"),
    case("cd that fails", "cd nowhere", "touch b"),
    case("cd that fails and goes on", "cd nowhere; touch a", "touch b"),
    case("cd in the middle of three", "mkdir -p d/e", "cd d && touch a && cd e && touch b", "touch c"),
    case("cd in the last body", "mkdir d", "cd d && touch a"),
    case("cd back", "mkdir d; cd d; touch a; cd ..; touch b", "pwd > p; cd - > q || touch r"),
    case("command cd", "mkdir d", "command cd d && touch a", "touch b"),
    case("quoted cd", "mkdir d", '"cd" d && touch a', "c\\d d && touch b", "touch c"),
    case("computed cd", "mkdir d", "C=cd; $C d && touch a", "touch b"),
    case("cd within a condition", "mkdir d", "if cd d; then touch a; fi", "touch b"),
    case("pushd", "mkdir d", "pushd d && touch a", "touch b", shell=BASH),
    case("export", "export A=1 && sh -c 'echo $A' > a", "sh -c 'echo [$A]' > b"),
    case("export of what is given", "export GIVEN=mine; echo $GIVEN > a", "echo $GIVEN > b"),
    case("assignment", "A=1; echo $A > a", 'echo "[$A]" > b', "A=2 && echo $A > c"),
    case("assignment from a substitution", "V=$(echo 1.2.3) && echo $V > a", 'echo "[$V]" > b'),
    case(
        "PATH",
        "mkdir bin && printf '#!/bin/sh\\necho mine\\n' > bin/ls && chmod +x bin/ls",
        "PATH=$PWD/bin:$PATH; ls > a",
        "ls > b",
    ),
    case("IFS", "IFS=:; set -- a:b; echo $1 > a; x=1:2; echo $x > b", "x=1:2; echo $x > c"),
    case("unset", 'unset GIVEN; echo "[$GIVEN]" > a', 'echo "[$GIVEN]" > b'),
    case("readonly", "readonly R=1; echo $R > a", "R=2; echo $R > b"),
    case("umask", "umask 077; touch a", "touch b; mkdir d", "umask 002 && touch c"),
    case("ulimit", "ulimit -f 10; ulimit -f > a", "ulimit -f > b"),
    case("set -f", "touch a; set -f; echo * > b", "echo * > c"),
    case("set -C", "echo a > a; set -C; echo b > a || echo kept > c", "echo b > a"),
    case("set positional", "set -- x y; echo $# $1 > a", 'echo $# "[$1]" > b'),
    case("shift", "set -- a b c && shift && echo $* > a", 'echo "$#$*" > b'),
    case("getopts", "set -- -a x; getopts a: o; echo $o $OPTARG $OPTIND > a", 'echo "[$o$OPTARG]$OPTIND" > b'),
    case("read", "printf 'x y\\n' > f; read a b < f; echo $b > g", 'echo "[$a$b]" > h'),
    case("alias", "alias ll='echo aliased'; eval ll > a || echo none > a", "ll > b || echo none > b"),
    case("trap on exit", "trap 'echo bye >> log' EXIT; echo one >> log", "echo two >> log"),
    case("trap on exit, failing", "trap 'echo bye >> log' EXIT; echo one >> log; exit 3", "echo two >> log"),
    case("trap in the last body", "echo one >> log", "trap 'echo bye >> log' 0 && echo two >> log"),
    case("trap, ignored signal", "trap '' TERM; sh -c 'kill -TERM $PPID'; echo one >> log", "echo two >> log"),
    case("eval", "eval 'A=1; cd /'; echo $A > \"$HOME/a\"", 'echo "[$A]" > b'),
    case("eval that switches -e on", "eval 'set -e'; false; echo no > a", "echo b > b"),
    case(
        "eval that switches -e on, first of three", "eval 'set -e'; echo a > a; true", "false || echo b > b", "touch c"
    ),
    case("source", "echo 'A=1; cd /' > env", '. ./env; echo $A > "$HOME/a"', 'echo "[$A]" > b'),
    case("source with set -e in it", "echo 'set -e; false; echo no > no' > env", ". ./env", "touch b"),
    case(
        "source with set -e, before and",
        "printf 'set -e\\nfalse\\necho no > no\\n' > env",
        ". ./env && touch a",
        "touch b",
    ),
    case("source of nothing", ". ./nowhere; touch a", "touch b"),
    case("exec of a command", "exec touch a", "touch b"),
    case("exec of a failing command", "exec false", "touch b"),
    case("exec of nothing", "exec nothing-of-that-name", "touch b"),
    case("exec redirection", "exec > out; echo a", "echo b", "exec 3> three; echo c >&3"),
    case("exit 3 in the middle", "touch a; exit 3; touch no", "touch b"),
    case("exit 0 in the middle", "touch a; exit 0; touch no", "touch b"),
    case("exit in a chain of three", "touch a", "touch b && exit 7", "touch c"),
    case(
        "exit in a condition",
        "if [ -f a ]; then exit 0; fi; touch a",
        "if [ -f a ]; then exit 0; fi; touch b",
        "touch c",
    ),
    case("exit in braces", "{ touch a; exit 0; }; touch no", "touch b"),
    case("assigning expansion", ": ${A:=1}; echo $A > a", 'echo "[$A]" > b', "echo ${A:=2} > c", 'echo "[$A]" > d'),
    case("assigning arithmetic", "i=1; echo $((i += 1)) > a", "echo $((i = 5)) > b", 'echo "[$i]" > c'),
    case("special built-in with an assignment", 'A=1 :; echo "[$A]" > a', 'echo "[$A]" > b'),
    case("status at the start", "true", "echo $? > a", "false || echo $? > b", "echo $? > c"),
    case("$0 and $#", "echo $0 $# > a", 'cd . && echo $0 $# "$@" > b', "echo $- | tr -d is > c"),
    case(
        "command that is found elsewhere afterwards",
        "mkdir bin; sed --version > a; cp a b",
        "printf '#!/bin/sh\\necho mine\\n' > bin/sed && chmod +x bin/sed && sed x > c",
        "sed x > d",
    ),
    case(
        "command that is gone afterwards",
        "mkdir bin && cp /bin/true bin/expr && expr 1 = 1 > a",
        "rm bin/expr",
        "expr 1 = 1 > b",
    ),
    case("local outside", "local x=1; echo $x > a", "touch b"),
]

OPTIONS = [
    case("set -e, failing", "set -e; touch a; false; touch no", "touch b"),
    case("set -e, all well", "set -e; touch a; touch b", "touch c; false; touch d"),
    case("set -e in each", "set -e; touch a", "set -e; false; touch no", "set -e; touch c"),
    case("set -e in the last", "touch a", "set -e; touch b; false; touch no"),
    case("set -ex and and", "set -ex && touch a && false && touch no", "touch b"),
    case("set -eux", "set -eux; mkdir d; cd d; touch a", "set -eux; touch b; false | true; touch c", "touch e"),
    case("set -eu, unset variable", "set -eu; touch a; echo $NOT_SET; touch no", "touch b"),
    case("set -u, unset variable, last", "touch a", "set -u; echo $NOT_SET; touch no"),
    case("set -u, set variable", "set -u; echo $GIVEN > a", 'echo "[$NOT_SET]" > b'),
    case("set -e and a neighbour with semicolons", "set -e; touch a", "false; touch b", "false && touch no; touch c"),
    case("set -e and a neighbour with or", "set -e; touch a", "false || touch b", "false && touch no || touch c"),
    case("set -e and a neighbour that fails early", "set -e; touch a", "false && touch no", "touch b"),
    case("set -e and a neighbour with not", "set -e; touch a", "! true", "touch no"),
    case("set -e and a failing substitution beside", "set -e; touch a", "echo $(false; echo x) > b", "touch c"),
    case("set -e and an if beside", "set -e; touch a", "if true; then false; touch b; fi", "set -e; touch c; false"),
    case("set -e behind a command", "touch a; set -e; false; touch no", "touch b"),
    case("set -e in a condition", "if true; then set -e; fi; false; touch no", "touch b"),
    case("set -e in a subshell", "(set -e; false; touch no); touch a", "touch b"),
    case("set -e in a substitution", 'x=$(set -e; false; echo no); echo "$x" > a', "touch b"),
    case("set -e and functions", "set -e; f() { false; touch no; }; f; touch no2", "touch b"),
    case("set -e switched off", "set -e; touch a; set +e; false; touch b", "touch c"),
    case("set -o errexit", "set -o errexit; touch a; false; touch no", "touch b"),
    case("set by a variable", "O=-e; set $O; touch a; false; touch no", "touch b"),
    case("set -e with a trap", "set -e; trap 'echo bye >> log' EXIT; false; echo no >> log", "echo two >> log"),
    case("set -e, status of a command", "set -e; sh -c 'exit 42'; touch no", "touch b"),
    case("set -e with or", "set -e; false || touch a; touch b", "touch c"),
    case("set -e with a loop", "set -e; for i in 1 2; do touch $i; [ $i = 1 ]; done; touch no", "touch b"),
    case("set -e, cd that fails", "set -e; cd nowhere; touch no", "touch b"),
    case("$- tells of -e", "set -e; touch a", "case $- in *e*) touch no;; *) touch b;; esac", "touch c"),
    case("set -x alone", "set -x; touch a", "touch b"),
    case("set -o pipefail in sh", "set -o pipefail; false | true; touch a", "touch b"),
    case("set -o pipefail in bash", "set -o pipefail && false | touch a", "touch b", shell=BASH),
    case("pipefail does not leak", "set -o pipefail; true | touch a", "false | touch b", "touch c", shell=BASH),
    case("pipefail of the shell", "echo a | cat > a", "false | touch b", "touch c", shell=PIPEFAIL),
    case("set -euo pipefail in bash", "set -euo pipefail; touch a; false | touch b; touch no", "touch c", shell=BASH),
    case("shell with -e", "touch a; touch b", "false; touch no", "touch c", shell=STRICT_SH),
    case(
        "shell with -e, all well",
        "touch a; touch b",
        "false || touch c",
        "if [ -f a ]; then touch d; fi",
        "touch e; touch f",
        shell=STRICT_SH,
    ),
    case("shell with -e, switched off", "set +e; false; touch a", "touch b; false; touch no", shell=STRICT_SH),
    case("shell with -e, and list", "false && touch no; touch a", "touch b && false", "touch no", shell=STRICT_SH),
    case("shell with -euo pipefail", "touch a && touch b", "false | touch c; touch no", "touch d", shell=STRICT_BASH),
    case("shell with -u, unset variable", "echo $NOT_SET", "touch b", shell=STRICT_BASH),
    case("trap ERR", "trap 'echo err >> log' ERR; false; true", "echo two >> log", shell=BASH),
    case("trap ERR before and", "trap 'echo err >> log' ERR && false", "echo two >> log", shell=BASH),
    case("shopt", "shopt -s nullglob; echo none* > a", "echo none* > b", shell=BASH),
    case(
        "bash test",
        "[[ -f a || ! -f b ]] && touch a",
        "[[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]} > b",
        "touch c",
        shell=BASH,
    ),
    case("bash array", "a=(1 2 3); echo ${a[1]} > a", 'echo "[${a[1]}]" > b', shell=BASH),
    case("bash here-string", "cat <<< 'x && y' > a", "read v <<< 'b'; echo $v > b", 'echo "[$v]" > c', shell=BASH),
    case("bash process substitution", "cat <(echo a) <(echo b) > a", "touch b", shell=BASH),
    case("bash brace expansion", "mkdir -p x/{a,b}/{1..3}", "find x | sort > list", shell=BASH),
    case("bash arithmetic command", "((i = 3)); echo $i > a", '((1 == 1)) && echo "[$i]" > b', shell=BASH),
    case("bash arithmetic for", "for ((i = 0; i < 3; i++)); do touch $i; done", 'echo "[$i]" > o', shell=BASH),
    case("bash function keyword", "function f { touch $1; }; f a", "f b || touch c", shell=BASH),
    case(
        "bash string operations",
        "v=abc; echo ${v//b/x} ${v^^} ${v:1:1} > a",
        "echo ${GIVEN/image/base} > b",
        shell=BASH,
    ),
    case(
        "bash unset variable that is guarded", "set -u; echo ${NOT_SET:-x} > a; x=1; echo $x > b", "touch c", shell=BASH
    ),
    case("bash required variable in its own shell", "touch a", "echo ${NOT_SET:?missing}", "touch no", shell=BASH),
    case("bash both streams", "cat nowhere &> a || touch b", "echo x |& cat > c", shell=BASH),
]

COMMENTS = [
    case("comment at the end", "touch a # && touch no", "touch b"),
    case("comment behind a semicolon", "touch a; # touch no", "touch b"),
    case("comment in the middle body", "touch a", "touch b # one", "touch c # two"),
    case("hash within words", "echo a#b > a", "echo '# c' \"# d\" > b", "echo ${#GIVEN} > c"),
]

LEFT = [
    case("background job", "touch a & wait", "touch b", left="background job"),
    case("background job in the second", "touch a", "sleep 0.01 & touch b", left="background job"),
    case("background job in a group", "{ touch a & }; wait", "touch b", left="background job"),
    case("background job in a substitution", "echo $(touch a & wait) > x", "touch b", left="background job"),
    case("ampersand in an address", "echo http://x/?a=1&b=2", "touch b", left="background job"),
    case("here-document", "cat > a <<EOF\nx\nEOF\n", "touch b", left="line break"),
    case("line break", "touch a\ntouch b", "touch c", left="line break"),
    case("bash test under sh", "[[ -f a ]] || touch a", "touch b", left="not every /bin/sh"),
    case("bash redirection under sh", "cat nowhere &> /dev/null", "touch b", left="not every /bin/sh"),
    case("here-string under sh", "cat <<< x > a", "touch b", left="not every /bin/sh"),
    case("array under sh", "a=(1 2)", "touch b", left="not every /bin/sh"),
    case("unclosed quote", "echo 'a", "touch b", left="cannot read"),
    case("unclosed brace", "{ touch a", "touch b", left="cannot read"),
    case("brace too many", "touch a; }", "touch b", left="stands where a command should"),
    case("and without end", "touch a &&", "touch b", left="cannot read"),
    case("double semicolon", "touch a;;touch b", "touch c", left="outside of a case"),
    case("trailing backslash", "touch a \\", "touch b", left="cannot read"),
    case("test with and inside", "[ -f a && -f b ]", "touch b", left="ends the test"),
    case("two parentheses in front", "((touch a) && touch b)", "touch c", left="cannot read"),
    case("only a comment", "# nothing", "touch b", left="runs nothing"),
    case("process number", "echo $$ > a", "touch b", left="reads $$"),
    case("parent's number", "echo $PPID > a", "touch b", left="reads $PPID"),
    case("last argument", "touch a", "echo $_ > b", left="reads $_"),
    case("seconds", "touch a", "while [ $SECONDS -lt 1 ]; do :; done", left="reads $SECONDS", shell=BASH),
    case("return outside", "return 3", "touch b", left="returns without a function"),
    case("unknown option", "set -Z; touch a", "touch b", left="option"),
    case("a service", "service postgresql start && touch a", "touch b", left="leave a process"),
    case("nohup", "nohup sleep 0.1", "touch b", left="leave a process"),
    case("ssh-agent", 'eval "$(ssh-agent -s)"', "touch b", left="leave a process"),
    case("process behind a substitution", "echo a > >(cat > a)", "touch b", left="may still be running", shell=BASH),
    case("bash unset variable in parentheses", "set -u; echo $NOT_SET", "touch b", left="may be unset", shell=BASH),
    case(
        "bash required variable in parentheses", "cd . && echo ${NOT_SET:?}", "touch b", left="may be unset", shell=BASH
    ),
]

#: nothing may follow the first of them, but they may follow another
ENDS = [
    case("hosts file", "echo 1.2.3.4 x >> /etc/hosts", "touch b", left="/etc/hosts"),
    case("shared memory", "touch /dev/shm/x", "test -f /dev/shm/x || echo no", left="/dev/shm"),
    Case(
        "working directory removed", ("rm -rf /srv/app", "touch a"), "remove the working directory", folder="/srv/app/x"
    ),
    Case(
        "working directory moved", ("cd .. && mv x y", "touch a"), "remove the working directory", folder="/srv/app/x"
    ),
    Case(
        "working directory in a pattern",
        ("rm -rf /srv/*", "touch a"),
        "remove the working directory",
        folder="/srv/app",
    ),
]

ALL = [*SIMPLE, *LISTS, *COMPOUND, *STATE, *OPTIONS, *COMMENTS, *LEFT, *ENDS]
Run = Callable[[Sequence[str], Sequence[str]], Any]


def dialect_of(shell: tuple[str, ...]) -> Dialect:
    dialect = read_shell(shell)
    assert isinstance(dialect, Dialect), dialect
    return dialect


def real_shells(shell: tuple[str, ...], posix_shells: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The installed shells that a SHELL instruction may mean, its arguments kept."""
    if shell[0] == "/bin/bash":
        return {"bash": shell}
    return {name: (*argv[:-1], *shell[1:]) for name, argv in posix_shells.items()}


def test_enough_cases() -> None:
    names = [each.name for each in ALL]
    assert len(names) == len(set(names))
    assert sum(not each.left for each in ALL) >= 90


@pytest.mark.parametrize("each", [each for each in ALL if not each.left], ids=lambda each: each.name)
def test_joined_does_the_same(each: Case, run_bodies: Run, posix_shells: dict[str, tuple[str, ...]]) -> None:
    joined = join_bodies(each.bodies, dialect_of(each.shell))
    assert isinstance(joined, Joined), joined
    for name, argv in real_shells(each.shell, posix_shells).items():
        before = run_bodies(argv, each.bodies)
        after = run_bodies(argv, [joined.text])
        assert after.tree == before.tree, (name, joined.text)
        if name == "bash as sh" and before.status == 127 and joined.text != joined.parts[0].script.source:
            # bash alone leaves its main shell with 127 for an unset variable, and any subshell with 1; text cannot
            # tell a base whose /bin/sh is bash, and such a build fails either way.
            assert after.status in (1, 127), (name, joined.text)
        else:
            assert after.status == before.status, (name, joined.text)


@pytest.mark.parametrize("each", [*LEFT, *ENDS], ids=lambda each: each.name)
def test_left_alone_with_a_reason(each: Case) -> None:
    refused = join_bodies(each.bodies, dialect_of(each.shell), folder=each.folder)
    assert isinstance(refused, Refused), refused
    assert each.left in refused.reason


@pytest.mark.parametrize("each", LEFT, ids=lambda each: each.name)
def test_left_alone_wherever_it_stands(each: Case) -> None:
    assert isinstance(join_bodies(each.bodies[::-1], dialect_of(each.shell)), Refused)


@pytest.mark.parametrize("each", ENDS, ids=lambda each: each.name)
def test_may_be_the_last(each: Case) -> None:
    assert isinstance(join_bodies(["touch a", each.bodies[0]], dialect_of(each.shell), folder=each.folder), Joined)


def naive_and(bodies: Sequence[str]) -> str:
    return " && ".join(bodies)


def without_hash(bodies: Sequence[str]) -> str:
    joined = join_bodies(bodies, Dialect("sh"))
    assert isinstance(joined, Joined)
    assert "hash -r && " in joined.text
    return joined.text.replace("hash -r && ", "")


def naive_parentheses(bodies: Sequence[str]) -> str:
    return " && ".join(f"({body})" for body in bodies)


@pytest.mark.parametrize(
    ("join", "name"),
    [
        (naive_and, "cd"),
        (naive_and, "or after a failure"),
        (naive_and, "export of what is given"),
        (naive_and, "umask"),
        (naive_and, "exit 0 in the middle"),
        (naive_and, "comment at the end"),
        (naive_and, "trap on exit"),
        (without_hash, "command that is found elsewhere afterwards"),
        (without_hash, "command that is gone afterwards"),
        (naive_parentheses, "set -e, failing"),
        (naive_parentheses, "comment at the end"),
    ],
)
def test_the_comparison_can_fail(join: Callable[[Sequence[str]], str], name: str, run_bodies: Run) -> None:
    """Mistakes that other fixers make are seen by this very comparison."""
    bodies = next(each.bodies for each in ALL if each.name == name)
    shell = ("bash", "-c")
    assert run_bodies(shell, bodies) != run_bodies(shell, [join(bodies)])

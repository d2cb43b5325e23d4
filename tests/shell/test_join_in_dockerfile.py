"""The pass on whole Dockerfiles with lines, comments and odd layout, its RUNs executed before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from effort import usually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamella.rewrite.runner import rewrite
from lamella.syntax.nodes import Comment, Document
from lamella.syntax.parser import parse

commands = st.sampled_from(
    [
        "echo a >> log",
        "echo 'a  \\\n   b' >> log",
        'echo "x \\\n\t\ty" >> log',
        "cd d",
        "mkdir d",
        "mkdir -p d/e",
        "x=1",
        "echo fi\\\nve >> log",
        "echo [$x] >> log",
        "set -e",
        "set -eux",
        "umask 077",
        "touch z",
        "false",
        "true",
        "sh -c 'exit 7'",
        "exit 0",
        "if [ -f log ]; then \\\n  touch w; fi",
        "(cd d && \\\n touch q)",
        "trap 'echo bye >> log' EXIT",
        "echo $(ls | wc -l) >> log",
        "sleep 0 & wait",
        "sed -n 1p log",
    ]
)
glue = st.sampled_from(
    [" && ", " && \\\n    ", " \\\n && ", "; \\\n\t", "; ", " || ", " && \\\n    # inside\n    ", "; \\\n\n  "]
)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    text = draw(commands)
    for command in draw(st.lists(commands, max_size=3)):
        text += draw(glue) + command
    return text + draw(st.sampled_from(["", "", "", ";", " ; ", "  # own", " \\\n    # in it\n  ; "]))


items = st.one_of(
    bodies().map(lambda text: f"RUN {text}"),
    bodies().map(lambda text: f"RUN {text}"),
    bodies().map(lambda text: f"run \\\n  # in front\n  {text}"),
    st.sampled_from(["# between", "  # indented", "", "# lamella: layer", "# lamella: ignore=all", "ENV A=1"]),
    st.sampled_from(["EXPOSE 80", "# of the port\nEXPOSE 81", "LABEL a=b \\\n  c=d", "CMD x"]),
)
dockerfiles = st.tuples(st.lists(items, min_size=2, max_size=7), st.sampled_from(["\n", "\r\n"]), st.booleans()).map(
    lambda drawn: drawn[1].join(["FROM a", *"\n".join(drawn[0]).split("\n")]) + (drawn[1] if drawn[2] else "")
)


def runs(document: Document) -> list[str]:
    return [node.value for node in document.instructions if node.keyword == "RUN"]


def comments(document: Document) -> Counter[str]:
    inner = [comment for node in document.instructions for comment in node.comments]
    return Counter(item.text for item in [*inner, *document.items] if isinstance(item, Comment))


@settings(max_examples=usually(40, 100), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(text=dockerfiles, pick=st.integers(0, 3))
def test_pass_keeps_the_meaning(
    text: str,
    pick: int,
    run_bodies: Callable[[Sequence[str], Sequence[str]], Any],
    posix_shells: dict[str, tuple[str, ...]],
) -> None:
    before = parse(text)
    result = rewrite(before)
    assert not [left for left in result.left if "dropped" in left.reason]
    after = parse(result.text)
    assert not rewrite(after).changed
    lost = comments(before) - comments(after)
    assert not lost
    assert len(runs(before)) - len(runs(after)) == result.layers
    others = [[node.logical for node in each.instructions if node.keyword != "RUN"] for each in (before, after)]
    assert others[0] == others[1]
    name = [*posix_shells][pick % len(posix_shells)]
    one, two = (run_bodies(posix_shells[name], runs(document)) for document in (before, after))
    assert one.tree == two.tree, result.text
    assert one.status == two.status or (name == "bash as sh" and one.status and two.status), result.text

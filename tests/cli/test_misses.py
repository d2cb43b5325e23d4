"""How the reasons of a miss read."""

from __future__ import annotations

from lamella.cli.text.columns import differing
from lamella.cli.text.misses import miss_text
from lamella.events import MissReason


def test_of_long_texts_the_part_that_differs_is_shown() -> None:
    start = "RUN apk info >/dev/null && mkdir -p /opt/aaaa /opt/bbbb /opt/cccc && echo "
    text = miss_text(MissReason("instruction", before=f"{start}one >/x", after=f"{start}two >/x"))
    assert text == "the instruction changed: …b /opt/cccc && echo one >/x → …b /opt/cccc && echo two >/x"
    assert differing("RUN a", "RUN b", 20) == ("RUN a", "RUN b")
    assert differing("a" * 30, "a" * 40, 20) == ("…aaaaaa", "…" + "a" * 16)
    before, after = differing("x" * 100, "y" * 100, 20)
    assert (before, after) == ("x" * 19 + "…", "y" * 19 + "…")

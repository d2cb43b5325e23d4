"""Which instruction was which in an earlier text."""

from __future__ import annotations

import pytest

from lamella.build.align import align


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        (["RUN a", "COPY b c"], ["RUN a", "COPY b c"], {0: 0, 1: 1}),
        (["RUN a", "RUN b"], ["RUN a", "RUN x", "RUN b"], {0: 0, 2: 1}),
        (["RUN a", "RUN b"], ["RUN b"], {0: 1}),
        (["RUN one", "RUN b"], ["RUN two", "RUN b"], {0: 0, 1: 1}),
        (["RUN a", "COPY b c"], ["COPY b c", "RUN a"], {1: 0}),
        # one became two: the one that has most of its words
        (["RUN apt-get install -y a b c d"], ["RUN x", "RUN apt-get install -y a b c d e"], {1: 0}),
        (["RUN a"], ["COPY a"], {}),
        ([], ["RUN a"], {}),
    ],
)
def test_pairs(old: list[str], new: list[str], pairs: dict[int, int]) -> None:
    assert align(old, new) == pairs


def test_a_dockerfile_that_was_written_anew_is_not_searched_for_long() -> None:
    old = [f"RUN {'word ' * 200}{number}" for number in range(1000)]
    assert align(old, [*(text + " end" for text in old), "COPY a b"]) == {}

"""Two stages that know nothing of each other, and the same work in one stage: what side by side saves."""

from __future__ import annotations

from collections.abc import Iterator

from bench_room import Room
from measure import Case, Contender, Target

WORK = "awk 'BEGIN {{ for (i = 0; i < 1000000; i++) sum += i * {factor}; print sum }}' > /{name}"
APART = """\
FROM {base} AS one
RUN {one}
FROM {base} AS two
RUN {two}
FROM {base}
COPY --from=one /one /
COPY --from=two /two /
"""
TOGETHER = "FROM {base}\nRUN {one}\nRUN {two}\n"


def cases(room: Room) -> Iterator[Case]:
    words = {"base": room.base, "one": WORK.format(factor=1, name="one"), "two": WORK.format(factor=2, name="two")}
    apart = room.context("branches", {"Dockerfile": APART.format(**words)})
    together = room.context("one-branch", {"Dockerfile": TOGETHER.format(**words)})
    contenders = []
    for builder in room.builders:
        contenders.append(Contender(builder.name, builder.build(apart, "branches", cache=False)))
        contenders.append(Contender(f"{builder.name}, one stage", builder.build(together, "one-branch", cache=False)))
    targets = (Target("lamella, one stage", 0.8), Target("docker", 1.0), Target("buildah", 0.6))
    yield Case("branches-cold", "two stages side by side, and in one stage, no cache", tuple(contenders), targets)

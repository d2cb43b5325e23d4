"""Forty steps, all of them cached: what a build costs that has nothing to do."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench_room import Room
from measure import Case, Contender, Target

STEPS = 40


def cases(room: Room) -> Iterator[Case]:
    files = {f"src/{number:02}.txt": f"file {number}\n" for number in range(0, STEPS, 2)}
    steps = [
        f"RUN echo {number} > /srv/{number:02}" if number % 2 else f"COPY src/{number:02}.txt /srv/app/"
        for number in range(STEPS)
    ]
    context = room.context("forty-steps", {**files, "Dockerfile": "\n".join([f"FROM {room.base}", *steps, ""])})
    touched = os.path.join(context, "src", "00.txt")
    targets = (Target("docker", 1.2), Target("docker 26", 1.2), Target("buildah --layers", 0.3))
    builders = [builder for builder in room.builders if builder.name != "buildah"]  # it caches nothing
    again = tuple(Contender(b.name, b.build(context, "forty-again", cache=True)) for b in builders)
    yield Case("forty-steps-cached", f"{STEPS} steps, cached", again, targets)
    touch = tuple(
        Contender(b.name, b.build(context, "forty-touched", cache=True), lambda: os.utime(touched)) for b in builders
    )
    yield Case("forty-steps-touched", f"{STEPS} steps, cached, a file of the same content touched", touch, targets)

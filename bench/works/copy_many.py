"""COPY of 20,000 files, 110 MB: reading, packing and hashing a context."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

from bench_room import Room
from measure import Case, Contender, Target

FILES = 20_000
FOLDERS = 200
TOTAL = 110_000_000


def cases(room: Room) -> Iterator[Case]:
    context = room.context("copy-many", {"Dockerfile": f"FROM {room.base}\nCOPY files/ /srv/files/\n"})
    _write_files(os.path.join(context, "files"))
    cold = tuple(Contender(b.name, b.build(context, "copy-cold", cache=False)) for b in room.builders)
    cached = tuple(Contender(b.name, b.build(context, "copy-cached", cache=True)) for b in room.builders)
    buildahs = (Target("buildah", 0.3), Target("buildah --layers", 0.3))
    yield Case("copy-many-cold", "COPY of 20,000 files (110 MB), no cache", cold, (Target("docker", 0.6), *buildahs))
    yield Case("copy-many-cached", "COPY of 20,000 files (110 MB), cached", cached, (Target("docker", 1.5), *buildahs))


def _write_files(folder: str) -> None:
    """Half text that compresses, half bytes that do not, in sizes from nothing to 11 kB, the same each time."""
    chance = random.Random(20000)
    words = [chance.randbytes(6).hex().encode() for _ in range(400)]
    for number in range(FILES):
        size = chance.randrange(2 * TOTAL // FILES)
        text = b" ".join(chance.choices(words, k=size // 24))
        content = text + chance.randbytes(size - len(text))
        place = os.path.join(folder, f"{number % FOLDERS:03}")
        if number < FOLDERS:
            os.makedirs(place)
        with open(os.path.join(place, f"{number:05}.dat"), "wb") as file:
            file.write(content)

"""Five small RUN instructions on Alpine: what starting a step costs, and what a cached build costs."""

from __future__ import annotations

from collections.abc import Iterator

from bench_room import Room
from measure import Case, Contender, Target

DOCKERFILE = """\
FROM {base}
RUN mkdir -p /srv/app
RUN echo 'listen 8080' > /srv/app/app.conf
RUN cp /srv/app/app.conf /srv/app/app.conf.orig
RUN ls -l /etc > /srv/app/etc.txt
RUN chmod 600 /srv/app/app.conf
"""


def cases(room: Room) -> Iterator[Case]:
    context = room.context("five-runs", {"Dockerfile": DOCKERFILE.format(base=room.base)})
    cold = tuple(Contender(b.name, b.build(context, "five-cold", cache=False)) for b in room.builders)
    cached = tuple(Contender(b.name, b.build(context, "five-cached", cache=True)) for b in room.builders)
    buildahs = (Target("buildah", 0.3), Target("buildah --layers", 0.3))
    yield Case("five-runs-cold", "five RUNs on Alpine, no cache", cold, (Target("docker", 0.8), *buildahs))
    yield Case("five-runs-cached", "five RUNs on Alpine, cached", cached, (Target("docker", 1.5), *buildahs))

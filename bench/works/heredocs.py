"""Heredocs: a script for the shell, a script with an interpreter of its own, and files written in place. Of the peers
only a newer Docker knows them."""

from __future__ import annotations

from collections.abc import Iterator

from bench_room import Room
from measure import Case, Contender, Target

DOCKERFILE = """\
FROM {base}
RUN <<END
set -e
mkdir -p /srv/app
for name in one two three; do
  echo "$name" > "/srv/app/$name"
done
END
COPY <<app.conf <<start.sh /srv/app/
listen 8080
app.conf
#!/bin/sh
exec cat /srv/app/app.conf
start.sh
RUN <<END
#!/bin/sh -e
chmod 755 /srv/app/start.sh
/srv/app/start.sh > /srv/app/out
END
"""
KNOW_HEREDOCS = ("lamella", "docker 26")


def cases(room: Room) -> Iterator[Case]:
    context = room.context("heredocs", {"Dockerfile": DOCKERFILE.format(base=room.base)})
    builders = [builder for builder in room.builders if builder.name in KNOW_HEREDOCS]
    cold = tuple(Contender(b.name, b.build(context, "heredocs-cold", cache=False)) for b in builders)
    cached = tuple(Contender(b.name, b.build(context, "heredocs-cached", cache=True)) for b in builders)
    yield Case("heredocs-cold", "heredocs, no cache", cold, (Target("docker 26", 0.8),))
    yield Case("heredocs-cached", "heredocs, cached", cached, (Target("docker 26", 1.2),))

"""RUN instructions that could be one."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.advice.facts import Facts
from lamella.advice.protocol import Hit, Rule
from lamella.syntax.nodes import Span


def check(facts: Facts) -> Iterator[Hit]:
    for chain in facts.runs.chains:
        nodes = [link.run.node for link in chain.links]
        layers = "1 layer" if chain.saved == 1 else f"{chain.saved} layers"
        yield Hit(
            span=Span(nodes[0].span.start, nodes[-1].span.end),
            lines=chain.lines,
            message=f"the {len(nodes)} RUNs on {chain.where} can be one, which saves {layers}",
            hint="lamella fix joins them; # lamella: layer above a RUN keeps a layer of its own",
        )


DOCS = """\
Each RUN makes a layer. What one layer adds and a later one deletes still has to be stored and pulled, and each layer
costs a round trip. RUNs that follow each other, with nothing between them that the later one could see, can be one.

Fewer layers are not always better: a RUN that changes often keeps the ones before it in the cache when it stands alone.
`# lamella: layer` above a RUN says that it shall begin a layer of its own.

Reported is exactly what `lamella fix` would join. RUNs are left alone when their mounts, network or security differ,
when USER, SHELL, WORKDIR, ENV, ARG, VOLUME, COPY or ADD stand between them, when a background job, a service or a file
such as /etc/hosts would outlive its RUN, when a shell parser cannot read the body, and in stages that are not part of
the result.
"""

RULE = Rule(
    name="consecutive-runs",
    severity="warning",
    summary="RUN instructions that follow each other could be one",
    docs=DOCS,
    valid=(
        "FROM debian:12\nRUN apt-get update && apt-get install -y curl\n",
        "FROM debian:12\nRUN make\nCOPY . /src\nRUN make install\n",
        "FROM debian:12\nRUN make\nENV A=1\nRUN make install\n",
        "FROM debian:12\nRUN make\nUSER app\nRUN make install\n",
        "FROM debian:12\nRUN make\n# lamella: layer\nRUN make install\n",
        "FROM debian:12\nRUN server & sleep 1\nRUN make install\n",
        "FROM debian:12\nRUN --mount=type=cache,target=/a make\nRUN make install\n",
        "FROM golang AS build\nRUN make\nRUN make install\nFROM scratch\nCOPY --from=build /a /a\n",
    ),
    invalid=(
        "FROM debian:12\nRUN make\nRUN make install\n",
        "FROM debian:12\nRUN cd /src && make\nEXPOSE 80\nRUN make install || true\n",
        "FROM debian:12\nRUN set -e; make; make test\nRUN set -e; make install\n",
        "FROM debian:12\nRUN --mount=type=cache,target=/a make\nRUN --mount=type=cache,target=/a make install\n",
        "FROM debian:12 AS base\nRUN make\nRUN make install\nFROM base\nCMD x\n",
    ),
    check=check,
    fixed_by="join-runs",
)

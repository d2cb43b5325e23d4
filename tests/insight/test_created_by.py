"""History texts as the builders write them."""

from __future__ import annotations

import pytest

from lamella.insight.created_by import parse_created_by

CASES = [
    ("RUN /bin/sh -c make all # buildkit", "RUN", "RUN make all"),
    ("RUN |2 A=1 B=x y /bin/sh -c make # buildkit", "RUN", "RUN make"),
    ("COPY . /app # buildkit", "COPY", "COPY . /app"),
    ('CMD ["/app"]', "CMD", 'CMD ["/app"]'),
    ("WORKDIR /app", "WORKDIR", "WORKDIR /app"),
    ("EXPOSE map[80/tcp:{}]", "EXPOSE", "EXPOSE map[80/tcp:{}]"),
    ('/bin/sh -c #(nop)  CMD ["sh"]', "CMD", 'CMD ["sh"]'),
    ("/bin/sh -c #(nop) ADD file:1234 in / ", "ADD", "ADD file:1234 in /"),
    ("/bin/sh -c #(nop) COPY multi:12 in /app/ ", "COPY", "COPY multi:12 in /app/"),
    ("/bin/sh -c apk add --no-cache curl", "RUN", "RUN apk add --no-cache curl"),
    ("|1 VERSION=1 2 /bin/sh -c make", "RUN", "RUN make"),
    ("/bin/bash -o pipefail -c set -e; make", "RUN", "RUN set -e; make"),
    ("/bin/bash -eo pipefail -c make", "RUN", "RUN make"),
    ('RUN ["/bin/app","--init"]', "RUN", 'RUN ["/bin/app","--init"]'),
    ("RUN /bin/sh -c set -e;   a \t&& \\\n b # buildkit", "RUN", "RUN set -e; a && \\ b"),
    ("RUN /bin/sh -c echo # buildkit is fine # buildkit", "RUN", "RUN echo # buildkit is fine"),
    ("bazel build ...", "", "bazel build ..."),
    ("apko", "", "apko"),
    ("", "", ""),
    ("RUNNING things", "", "RUNNING things"),
]


@pytest.mark.parametrize(("created_by", "instruction", "text"), CASES)
def test_texts(created_by: str, instruction: str, text: str) -> None:
    assert tuple(parse_created_by(created_by)) == (instruction, text)

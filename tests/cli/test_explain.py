"""``lamella explain``: an image measured, a Dockerfile predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.oci.config import RunConfig

Put = Callable[..., None]
Call = Callable[..., Any]


class TestImage:
    def put(self, put_image: Put) -> None:
        base = {"bin/sh": b"0" * 1000}
        history = ["ADD rootfs.tar /", '-CMD ["sh"]']
        put_image("base:1", [base], history, RunConfig(cmd=("sh",)))
        more = [
            *history,
            "COPY app /app # buildkit",
            "RUN /bin/sh -c chmod +x /app && rm -r /tmp/x # buildkit",
            '-CMD ["/app"]',
        ]
        put_image("app:1", [base, {"app": b"1" * 2000, "tmp/x/y": b"3" * 500}, {"tmp/x": None, "b": b"2" * 300}], more)

    def test_text(self, put_image: Put, lamella: Call) -> None:
        self.put(put_image)
        result = lamella("explain", "app:1")
        assert result.code == 0
        assert result.out.splitlines() == [
            "app:1",
            "",
            "instruction                        layer  bytes  why",
            "ADD rootfs.tar /                       0    1kB  base: 1 path",
            'CMD ["sh"]                             ·         base: changes the config only',
            "COPY app /app                          1  2.5kB  2 paths",
            "RUN chmod +x /app && rm -r /tmp/x      2   300B  2 paths",
            'CMD ["/app"]                           ·         changes the config only',
            "",
            "base 1 + added 2 = 3 layers, 3.8kB",
            "",
            "waste: 500B of 3.8kB (13%) is not used by the final file system",
            "  500B  deleted  layer 1 → 2  /tmp/x/y",
        ]

    def test_without_waste(self, put_image: Put, lamella: Call) -> None:
        put_image("a:1", [{"x": b"1"}], ["COPY x /"])
        out = lamella("explain", "a:1").out
        assert out.endswith("no waste: the final file system uses all 1B\n")
        assert "base 0 + added 1 = 1 layer, 1B" in out

    def test_a_lying_history(self, put_image: Put, lamella: Call) -> None:
        put_image("a:1", [{"x": b"1"}, {"y": b"1"}], ["RUN one"])
        result = lamella("explain", "a:1")
        assert result.code == 0
        assert "note: the history speaks of 1 layer, the image has 2; they are joined from the top down" in result.out
        assert "(not in the history)" in result.out

    def test_nothing_is_wider_than_a_page(self, put_image: Put, lamella: Call) -> None:
        long = "RUN /bin/sh -c " + "apt-get install -y something-long 한국어 && " * 20
        put_image("a:1", [{"d" * 60 + "/" + "f" * 90: b"1"}, {"d" * 60: None}], [long, "RUN rm"])
        lines = lamella("explain", "a:1").out.splitlines()
        assert all(sum(2 if "가" <= char <= "힣" else 1 for char in line) < 100 for line in lines)
        assert any("…" in line for line in lines)

    def test_flags_of_a_dockerfile(self, put_image: Put, lamella: Call) -> None:
        put_image("a:1", [{"x": b"1"}])
        result = lamella("explain", "a:1", "--target", "x")
        assert result.code == 2
        assert "--target is for a Dockerfile" in result.err

    def test_no_such_image(self, lamella: Call) -> None:
        result = lamella("explain", "nothing:1")
        assert result.code == 2 and "no image 'nothing:1'" in result.err

    def test_json(self, put_image: Put, lamella: Call) -> None:
        self.put(put_image)
        data = lamella("explain", "app:1", "--format", "json").json
        assert data["schema"] == 1
        assert data["base"] == {"reference": "base:1", "layers": 1, "size": 1000}
        assert data["layers"] == {"base": 1, "added": 2, "total": 3}
        assert data["size"] == 3800
        assert [(step["instruction"], step["layer"], step["size"], step["in_base"]) for step in data["steps"]] == [
            ("ADD", True, 1000, True),
            ("CMD", False, 0, True),
            ("COPY", True, 2500, False),
            ("RUN", True, 300, False),
            ("CMD", False, 0, False),
        ]
        assert data["waste"] == {
            "bytes": 500,
            "duplicate_bytes": 0,
            "used_bytes": 3300,
            "paths": [{"path": "/tmp/x/y", "bytes": 500, "why": "deleted", "brought_by": 1, "hidden_by": 2}],
        }

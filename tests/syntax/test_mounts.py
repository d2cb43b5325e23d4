"""RUN --mount."""

from __future__ import annotations

import pytest

from lamella.errors import DockerfileError
from lamella.syntax.instructions import KeyValue, Mount, Run
from lamella.syntax.mounts import resolve_mount
from lamella.syntax.parser import parse
from lamella.syntax.typed import type_instruction


def mount(options: str) -> Mount:
    document = parse(f"RUN --mount={options} true\n")
    run = type_instruction(document, document.instructions[0])
    assert isinstance(run, Run)
    return run.mounts[0]


@pytest.mark.parametrize(
    ("options", "kind", "pairs"),
    [
        ("target=/a", "bind", {"target": "/a"}),
        ("type=bind,src=a,dst=/b,from=c", "bind", {"source": "a", "target": "/b", "from": "c"}),
        ("TYPE=Cache,destination=/b,ro", "cache", {"target": "/b", "readonly": "true"}),
        ("type=bind,target=/b,rw", "bind", {"target": "/b", "readonly": "false"}),
        ("type=bind,target=/b,readwrite=false", "bind", {"target": "/b", "readonly": "true"}),
        ("type=bind,ro,rw,target=/b", "bind", {"readonly": "false", "target": "/b"}),
        ("type=bind,target=/b,rw=$W", "bind", {"target": "/b", "readwrite": "$W"}),
        ("type=cache,target=/c,sharing=LOCKED,mode=0755,uid=1,gid=2,id=x", "cache",
         {"target": "/c", "sharing": "locked", "mode": "0755", "uid": "1", "gid": "2", "id": "x"}),
        ("type=tmpfs,target=/t,size=64m", "tmpfs", {"target": "/t", "size": "64m"}),
        ("type=secret,id=s,env=S,required", "secret", {"id": "s", "env": "S", "required": "true"}),
        ("type=secret,id=s,required=0,mode=0400", "secret", {"id": "s", "required": "false", "mode": "0400"}),
        ("type=ssh", "ssh", {}),
        ("required,type=ssh", "ssh", {"required": "true"}),
        ("type=$T,target=$D/x,sharing=$S,mode=$M", "$T", {"target": "$D/x", "sharing": "$S", "mode": "$M"}),
        ('\\"source=a,b\\",target=/x', "bind", {"source": "a,b", "target": "/x"}),
        ('\\"source=a\\"\\"b\\",target=/x', "bind", {"source": 'a"b', "target": "/x"}),
        ("target=/a,target=/b", "bind", {"target": "/b"}),
    ],
)  # fmt: skip
def test_options(options: str, kind: str, pairs: dict[str, str]) -> None:
    result = mount(options)
    assert result.type == kind
    assert result.options == tuple(KeyValue(*pair) for pair in pairs.items())
    assert result.line == 1


@pytest.mark.parametrize(
    ("options", "kind", "pairs"),
    [
        ("type=$T,target=$D,rw=$W", "cache", {"target": "/d", "readonly": "false"}),
        ("target=$D", "bind", {"target": "/d", "readonly": "true"}),
        ("type=tmpfs,target=$D", "tmpfs", {"target": "/d", "readonly": "false"}),
        ("type=secret,id=$D", "secret", {"id": "/d", "readonly": "true"}),
        ("type=cache,target=/a,sharing=$S", "cache", {"target": "/a", "sharing": "private", "readonly": "false"}),
        ("target=$Q", "bind", {"target": "$", "readonly": "true"}),
    ],
)
def test_resolve(options: str, kind: str, pairs: dict[str, str]) -> None:
    values = {"$T": "CACHE", "$D": "/d", "$W": "true", "$S": "Private", "$Q": "$"}
    result = resolve_mount(mount(options), lambda text: values.get(text, text), "Dockerfile:3")
    if options.startswith("type=$T"):
        assert result.type == kind
        assert result.options == tuple(KeyValue(*pair) for pair in pairs.items())
    else:
        assert (result.type, dict(result.options)) == (kind, pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("type=$T,target=/a", "unsupported mount type"),
        ("type=cache,target=/a,mode=$T", "mode"),
        ("type=cache,target=/a,sharing=$T", "sharing"),
        ("target=/a,rw=$T", "readwrite"),
        ("type=tmpfs,target=/a,size=$T", "size"),
        ("type=secret,id=$E", "needs an id"),
    ],
)
def test_resolve_refuses_what_was_not_known_before(options: str, message: str) -> None:
    found = mount(options)
    with pytest.raises(DockerfileError, match=message) as caught:
        resolve_mount(found, lambda text: {"$T": "nonsense", "$E": ""}.get(text, text), "Dockerfile:3")
    assert caught.value.where == "Dockerfile:3"
    assert caught.value.hint

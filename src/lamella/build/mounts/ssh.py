"""``RUN --mount=type=ssh``: a socket by which a step asks an SSH agent to sign, and can do nothing else."""

from __future__ import annotations

import os
import stat

from lamella.build.mounts.surroundings import Ready, Surroundings, Wanted
from lamella.build.request import AgentSource
from lamella.errors import DockerfileError, InputError
from lamella.runtime.protocol import BindMount
from lamella.userns.ids import give

VARIABLE = "SSH_AUTH_SOCK"
_MODE = 0o600


def open_ssh(wanted: Wanted, around: Surroundings) -> Ready:
    """Raises DockerfileError where a required agent was not given; InputError, MachineError where one cannot be had.

    The step does not get the agent's own socket: it would need its owner and mode changed, and the step could remove
    the user's keys by it."""
    step = wanted.step
    source = next((each for each in around.work.agents if each.id == step.id), None)
    if source is None:
        if step.required:
            raise DockerfileError(
                f"the SSH agent {step.id!r} is required and was not given",
                where=around.where,
                hint=f"build with --ssh {step.id} (the agent of {VARIABLE}) or --ssh {step.id}=KEYFILE",
                code="missing-ssh",
            )
        return Ready()
    from lamella.build.mounts.agentproxy import agent_proxy

    socket, keys = agent_paths(source)
    if keys:
        from lamella.build.mounts.keyagent import key_agent

        socket = around.open.enter_context(key_agent(keys))
    place = around.work.machine.store.temporary_path(".ssh")
    around.open.enter_context(agent_proxy(socket, place))
    give(place, step.uid, step.gid, around.where)
    os.chmod(place, _MODE if step.mode is None else step.mode & 0o777)
    return Ready(BindMount(step.target, place))


def agent_paths(source: AgentSource) -> tuple[str, tuple[str, ...]]:
    """The socket of an agent that runs, or ("", key files). Raises InputError where there is neither, or both."""
    flag = f"--ssh {source.id}"
    paths = tuple(path for path in source.paths if path) or (os.environ.get(VARIABLE, ""),)
    if not paths[0]:
        raise InputError(
            f"{flag}: there is no SSH agent, {VARIABLE} is not set",
            hint=f"start one (eval $(ssh-agent); ssh-add), or name a key file: {flag}=$HOME/.ssh/id_ed25519",
        )
    sockets: list[str] = []
    keys: list[str] = []
    for path in paths:
        try:
            is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
        except OSError as error:
            raise InputError(f"{flag}: {error.strerror}", where=path, hint="name a socket or a private key") from None
        (sockets if is_socket else keys).append(path)
    if len(sockets) > 1 or (sockets and keys):
        raise InputError(f"{flag}: one socket, or key files, but not both", hint="give each agent an id of its own")
    return (sockets[0], ()) if sockets else ("", tuple(keys))

"""ARG, ENV and LABEL. Source: the Dockerfile reference, and BuildKit for the order in which values are seen."""

from __future__ import annotations

from lamella.plan.lowering.state import Lowering
from lamella.syntax.instructions import Arg, Env, KeyValue, Label


def lower_arg(lowering: Lowering, instruction: Arg) -> None:
    """Each ARG of a line sees those before it. A ``--build-arg`` wins over the default, which wins over a global ARG
    of that name. An ARG behind an ENV of that name hides it until the end of the stage, as in BuildKit."""
    texts = []
    for pair in instruction.args:
        value = _arg_value(lowering, pair)
        if value is not None:
            lowering.set_variable(pair.key, value)
        lowering.args.append((pair.key, value))
        texts.append(pair.key if value is None else f"{pair.key}={value}")
    lowering.add_config_step(f"ARG {' '.join(texts)}")


def _arg_value(lowering: Lowering, pair: KeyValue) -> str | None:
    if pair.key in lowering.given:
        return lowering.given[pair.key]
    if pair.value is not None:
        return lowering.expand(pair.value)
    return lowering.global_values.get(pair.key)


def lower_env(lowering: Lowering, instruction: Env) -> None:
    """All names and values of a line are expanded with what was set before the line."""
    pairs = _expanded(lowering, instruction.pairs)
    env = list(lowering.config.env)
    for name, value in pairs:
        lowering.set_variable(name, value)
        entry = f"{name}={value}"
        place = next((at for at, old in enumerate(env) if old.partition("=")[0] == name), None)
        if place is None:
            env.append(entry)
        else:
            env[place] = entry
    lowering.set_config(env=tuple(env))
    lowering.add_config_step(f"ENV {_texts(pairs)}")


def lower_label(lowering: Lowering, instruction: Label) -> None:
    pairs = _expanded(lowering, instruction.pairs)
    labels = dict(lowering.config.labels) | dict(pairs)
    lowering.set_config(labels=tuple(labels.items()))
    lowering.add_config_step(f"LABEL {_texts(pairs)}")


def _expanded(lowering: Lowering, pairs: tuple[KeyValue, ...]) -> list[tuple[str, str]]:
    return [(lowering.expand(pair.key), lowering.expand(pair.value or "")) for pair in pairs]


def _texts(pairs: list[tuple[str, str]]) -> str:
    return " ".join(f"{name}={value}" for name, value in pairs)

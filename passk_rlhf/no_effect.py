"""Flags of OpenRLHF that a design makes meaningless: contradictions are refused, the others are named.

A design gives the advantage. So there is no critic, and nothing of OpenRLHF's discounts it, whitens it or clips it
(hook.py). What is KL, length penalty, filtering or correction of the policy's loss has its effect as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

WHY = {
    "--algo.advantage.gamma": "a designed advantage is not discounted over the tokens of an answer",
    "--algo.advantage.lambd": "it belongs to GAE, which needs a critic",
    "--algo.advantage.no_std_norm": "a designed advantage is never whitened over the batch",
    "--reward.clip_range": "a designed advantage is not clipped; clip rewards in the design: clip(r, -1, 1)",
}
# Without a critic no flag of its, nor this.
OF_A_CRITIC = ("--critic.", "--train.colocate_critic_reward")
OF_A_REWARD_MODEL = ("--reward.model_name_or_path", "--reward.normalize_enable", "--ds.value_head_prefix")


class Contradiction(ValueError):
    """A flag asks for what no run on a design has; for whoever typed it."""


def changed(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The flags whose value is not the default, as they are typed.

    >>> changed({"a.b": [0.0, 1.0], "c": 2}, {"a.b": (0, 1), "c": 1})
    {'--c': 2}
    """
    return {f"--{name}": value for name, value in given.items() if name in defaults and _differ(value, defaults[name])}


def without_effect(given: Mapping[str, Any], args: SimpleNamespace) -> list[str]:
    """A line for each flag that changes nothing in a run on a design.

    Args:
      given: flags whose value is not the default.
      args: OpenRLHF's, before it has checked them.

    Raises:
      Contradiction: a critic is named, or the policy is to wait for one.
    """
    if model := args.critic.model_name_or_path:
        raise Contradiction(
            f"--critic.model_name_or_path {model} contradicts --advantage-design: a design needs no critic, and none "
            "is trained; leave one of the two out"
        )
    if (last := args.critic.freezing_steps) >= 0:
        raise Contradiction(
            f"--critic.freezing_steps {last}: the policy would not be trained for {last + 1} steps, in which a critic "
            "learns. A design has none; leave the flag out"
        )
    lines = [
        f"{_shown(flag, given[flag])} has no effect with a design: {why}" for flag, why in WHY.items() if flag in given
    ]
    critics = [_shown(flag, value) for flag, value in given.items() if flag.startswith(OF_A_CRITIC)]
    if critics:
        has = "has" if len(critics) == 1 else "have"
        lines.append(f"{', '.join(critics)} {has} no effect with a design: no critic is trained")
    agent, remote = args.train.agent_func_path, args.reward.remote_url
    if scorer := f"--train.agent_func_path {agent}" if agent else f"--reward.remote_url {remote}" if remote else "":
        for flag in OF_A_REWARD_MODEL:
            if flag in given:
                lines.append(
                    f"{_shown(flag, given[flag])} has no effect: {scorer} gives the rewards, no reward model does"
                )
    if agent and remote:
        lines.append(f"--reward.remote_url {remote} has no effect: --train.agent_func_path {agent} gives the rewards")
    return lines


def _shown(flag: str, value: Any) -> str:
    """As it was typed."""
    if value is True:
        return flag
    values = value if isinstance(value, list | tuple) else [value]
    return " ".join([flag, *(f"{each:g}" if isinstance(each, float) else str(each) for each in values)])


def _differ(value: Any, default: Any) -> bool:
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return list(value) != list(default)
    return value != default

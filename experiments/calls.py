"""How a command was called, as Python, for pages and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from toyrl.messages import PATH, shortened


def call_of(name: str, rewards: Sequence[Any], options: Mapping[str, Any]) -> str:
    """The call as Python, with objects by their names."""
    from toyrl.rewards.specs import name_of

    def shown(reward: Any) -> str:
        if isinstance(reward, str | Real):
            return shortened(reward, PATH)
        if isinstance(reward, Mapping):
            return f"{{{', '.join(f'{shown(k)}: {shown(v)}' for k, v in reward.items())}}}"
        if isinstance(reward, list | tuple):
            inside = ", ".join(map(shown, reward))
            return f"[{inside}]" if isinstance(reward, list) else f"({inside})"
        return name_of(reward)

    named = {k: name_of(v) if callable(v) else shortened(v, PATH) for k, v in options.items()}
    given = [f"{name}={value}" for name, value in named.items()]
    words = [shown(r) for r in rewards] + given
    return f"toyrl.{name}({', '.join(words)})"

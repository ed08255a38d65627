"""toyrl: a testbed for reward shaping in RL of reasoning language models.

Names are loaded when first used, so that `import toyrl` stays light. `validate`, `compare` and
`reproduce` live in the package `experiments` and are forwarded.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "Estimator": "toyrl.estimators.base",
    "ExpressionError": "toyrl.expressions",
    "Objective": "toyrl.objectives.base",
    "Rollouts": "toyrl.rollouts",
    "Shaped": "toyrl.shapers.base",
    "Shaper": "toyrl.shapers.base",
    "Store": "toyrl.store",
    "assert_invariants": "toyrl.testing",
    "check_invariants": "toyrl.testing",
    "entries": "toyrl.registry",
    "from_json": "toyrl.expressions",
    "get": "toyrl.registry",
    "parse": "toyrl.expressions",
    "register_field": "toyrl.rollouts",
    "to_expression": "toyrl.expressions",
    "to_json": "toyrl.expressions",
}
# The one place where the library names the package above it: strings, resolved on use.
_FORWARDED = {
    "validate": "experiments.validate.api",
}

__all__ = sorted([*_EXPORTS, *_FORWARDED, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("toyrl")
    module = _EXPORTS.get(name) or _FORWARDED.get(name)
    if module is None:
        msg = f"module 'toyrl' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

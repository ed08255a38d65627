"""toyrl: a testbed for reward shaping in RL of reasoning language models.

Names are loaded when first used, so that `import toyrl` stays light. `validate`, `compare`,
`distance`, `reproduce`, `scaling`, `grade`, `export` (all in `toyrl.experiments.api`), `transfer`,
`calibrate`, `credit`, `sweep` and `audit_judge` are the commands as functions; `watch` holds a live
run against a predicted band. Submodules (`toyrl.testing`) load likewise.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what __getattr__ does, for editors and type checkers
    from toyrl.bridge.monitor.watch import watch
    from toyrl.estimators.base import Estimator, advantages
    from toyrl.experiments.api import (
        compare,
        distance,
        export,
        grade,
        reproduce,
        scaling,
        validate,
    )
    from toyrl.experiments.audit.call import audit_judge
    from toyrl.experiments.calibrate.call import calibrate
    from toyrl.experiments.credit.call import credit
    from toyrl.experiments.errors import UsageError
    from toyrl.experiments.sweep.call import sweep
    from toyrl.experiments.transfer.call import transfer
    from toyrl.experiments.validate.settings import Settings
    from toyrl.expressions import (
        ExpressionError,
        from_json,
        parse,
        parse_estimator,
        parse_objective,
        to_expression,
        to_json,
    )
    from toyrl.objectives.base import Objective
    from toyrl.papers import cite, paper
    from toyrl.registry import entries, get
    from toyrl.rollouts import Rollouts, register_field
    from toyrl.rollouts.memory import Store
    from toyrl.shapers.base import Shaped, Shaper
    from toyrl.testing import assert_invariants, check_invariants

_EXPORTS = {
    "Estimator": "toyrl.estimators.base",
    "ExpressionError": "toyrl.expressions",
    "Objective": "toyrl.objectives.base",
    "Rollouts": "toyrl.rollouts",
    "Shaped": "toyrl.shapers.base",
    "Shaper": "toyrl.shapers.base",
    "Store": "toyrl.rollouts.memory",
    "advantages": "toyrl.estimators.base",
    "assert_invariants": "toyrl.testing",
    "check_invariants": "toyrl.testing",
    "cite": "toyrl.papers",
    "entries": "toyrl.registry",
    "from_json": "toyrl.expressions",
    "get": "toyrl.registry",
    "paper": "toyrl.papers",
    "parse": "toyrl.expressions",
    "parse_estimator": "toyrl.expressions",
    "parse_objective": "toyrl.expressions",
    "register_field": "toyrl.rollouts",
    "to_expression": "toyrl.expressions",
    "to_json": "toyrl.expressions",
}
# The one place where the library names the package above it: strings, resolved on use.
_FORWARDED = {
    "Settings": "toyrl.experiments.validate.settings",
    "UsageError": "toyrl.experiments.errors",
    "audit_judge": "toyrl.experiments.audit.call",
    "calibrate": "toyrl.experiments.calibrate.call",
    "compare": "toyrl.experiments.api",
    "credit": "toyrl.experiments.credit.call",
    "distance": "toyrl.experiments.api",
    "export": "toyrl.experiments.api",
    "grade": "toyrl.experiments.api",
    "reproduce": "toyrl.experiments.api",
    "scaling": "toyrl.experiments.api",
    "sweep": "toyrl.experiments.sweep.call",
    "transfer": "toyrl.experiments.transfer.call",
    "validate": "toyrl.experiments.api",
    "watch": "toyrl.bridge.monitor.watch",
}

__all__ = [
    "Estimator",
    "ExpressionError",
    "Objective",
    "Rollouts",
    "Settings",
    "Shaped",
    "Shaper",
    "Store",
    "UsageError",
    "__version__",  # pyright: ignore[reportUnsupportedDunderAll]
    "advantages",
    "assert_invariants",
    "audit_judge",
    "calibrate",
    "check_invariants",
    "cite",
    "compare",
    "credit",
    "distance",
    "entries",
    "export",
    "from_json",
    "get",
    "grade",
    "paper",
    "parse",
    "parse_estimator",
    "parse_objective",
    "register_field",
    "reproduce",
    "scaling",
    "sweep",
    "to_expression",
    "to_json",
    "transfer",
    "validate",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("toyrl")
    module = _EXPORTS.get(name) or _FORWARDED.get(name)
    if module is None:
        if not name.startswith("_") and importlib.util.find_spec(f"toyrl.{name}") is not None:
            return importlib.import_module(f"toyrl.{name}")
        msg = f"module 'toyrl' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

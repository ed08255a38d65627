"""The golden record's verdicts: reports of `validate` at few worlds, with their tables."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from tests.golden.form import attempt
from toyrl.experiments.validate.api import judged
from toyrl.experiments.validate.settings import Settings

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = "examples/rewards"
LOG = ROOT / "examples" / "data" / "smollm2-arithmetic-rollouts.jsonl"
WORLDS = 8
LEFT_OUT = ("schema", "command", "seconds", "versions", "settings")
CORRECT, PHRASES = f"{EXAMPLES}/correctness.py", f"{EXAMPLES}/phrase_count.py:reward"
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    **{
        text: ((text,), {})
        for text in (
            "outcome()",
            "laser()",
            "outcome() - 0.3*linear_length()",
            "outcome() - 3*linear_length()",
            "cosine()",
            "l1_exact()",
            "crf()",
            "-0.5*linear_length()",
            "kimi()",
            "trust()",
            "mode_reward()",
            "potential()",
            CORRECT,
            f"{EXAMPLES}/correct_minus_length.py",
        )
    },
    "two texts": ((CORRECT, f"{PHRASES}:0.2"), {}),
    "a text and a shaper": ((CORRECT, "linear_length():-0.5"), {}),
    "another estimator": (
        ("outcome() - 0.3*linear_length()",),
        {"estimator": "rloo", "beta": 0.01, "mask_truncated": True, "group_size": 4},
    ),
    "a log": (("outcome() + 0.2*overlong()",), {"rollouts": LOG}),
}


def one(specs: tuple[str, ...], settings: dict[str, Any]) -> dict[str, Any]:
    """A report without what changes by itself, and the tables of its sections."""
    full = [str(ROOT / s) if s.startswith(EXAMPLES) else s for s in specs]
    start = time.process_time()
    report, _ = judged(full, Settings(**settings), n_worlds=WORLDS)
    print(f"{' + '.join(specs)}: {time.process_time() - start:.1f} s", file=sys.stderr, flush=True)
    found = {k: v for k, v in report.to_dict().items() if k not in LEFT_OUT}
    found["exit_code"] = report.exit_code
    found["sections"] = {
        s.title: {
            "summary": s.summary,
            "tables": {t.name: [list(t.columns), *map(list, t.rows)] for t in s.tables},
        }
        for s in report.sections
    }
    return _without_root(found)


def _without_root(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(f"{ROOT}/", "")
    if isinstance(value, (list, tuple)):
        return [_without_root(v) for v in value]
    if isinstance(value, dict):
        return {k: _without_root(v) for k, v in value.items()}
    return value


def record() -> dict[str, Any]:
    """Reports by reward."""
    return {name: attempt(lambda c=case: one(*c)) for name, case in CASES.items()}

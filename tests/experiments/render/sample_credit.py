"""A page of `toyrl credit` over a small log, its texts ours or somebody else's."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

from toyrl.experiments.credit.call import credit
from toyrl.experiments.render.html import credit_page


@cache
def credited(text: str = "") -> str:
    """The page; `text` stands in every prompt, completion and factor's name."""

    def factors(steps: list[str]) -> dict[str, list[float]]:
        own = {f"right {text}": [float("right" in s) for s in steps]}
        return {**own, f"again {text}": own[f"right {text}"], "zero": [0.0 for _ in steps]}

    rows = []
    for k in range(48):
        steps = [("right", "wrong")[(k * 7 + j) % 3 == 0] for j in range(1 + k % 4)]
        words = "\n".join(f"{s} {text}" for s in steps)
        rows.append({"prompt_id": k // 6, "prompt": f"Task {k // 6} {text}", "completion": words,
                     "correct": int(steps.count("right") > 1)})  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        return credit_page(credit(log, factors, command=f"toyrl credit {text}"))
